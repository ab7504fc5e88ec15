// Package provider sends events to chats, pagers, monitoring, message brokers and
// the forges that host repositories: one file a provider, all over one pool of
// connections.
//
//	pool := provider.NewPool()
//	defer pool.Close()
//	sender, err := provider.New(provider.Config{
//		Type: "pagerduty", Channel: routingKey, HTTP: pool,
//	})
//	if err != nil { … } // names the field that is missing
//	err = sender.Send(ctx, notify.Delivery{ID: id, Event: event})
//	var failure *notify.SendError
//	if errors.As(err, &failure) && failure.Permanent { … }
//
// Usually a sender is given to a [notify.Dispatcher], which does the rest.
//
// # What it guarantees
//
// A Send makes one attempt; its error is a [notify.SendError] that says whether
// another may help, when, and whether the message may have been taken. 2xx is
// success, unless the vendor's answer says otherwise in its body (Slack, Telegram,
// Lark). 408, 425, 429 and 5xx may be tried again, with Retry-After; any other
// 4xx and redirects are permanent. Broken connections after the request was
// written, 502 and 504 are in doubt.
//
// Tokens, passwords, keys, headers and what stands behind the host of an address
// are masked in all errors. Answers are read to 1 MiB at most. Texts are cut to
// the vendors' limits. Certificates, client certificates and proxies work for all
// types; NATS takes no proxy.
//
// Statuses and comments are looked up first and not sent twice.
//
// # What it does not do
//
// It knows no cloud's SDK: Google Pub/Sub and Azure Event Hubs are spoken to over
// REST, and logins that need more than a token, a service account's key or a
// connection string come in by Config.TokenSource, as GitHub Apps do.
package provider
