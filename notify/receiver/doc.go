// Package receiver is told, by webhooks of forges and registries, that something
// has changed, checks who says so, and asks for the reconciliation of what is
// concerned.
//
//	h := receiver.New(receiver.Options{Cluster: cluster})
//	path, err := h.Set(receiver.Config{
//		Type: "github", Name: "deploy", Namespace: "flux-system", Token: secret,
//		Events:    []string{"push"},
//		Resources: []receiver.Resource{{Kind: "GitRepository", Namespace: "flux-system", Name: "deploy"}},
//		OnlyAffected: true,
//	})
//	if err != nil { … }
//	server := http.Server{Addr: ":9292", Handler: h, ReadHeaderTimeout: 10 * time.Second}
//	fmt.Println("the webhook's URL ends in", path) // /hook/<64 hex digits>
//	err = server.ListenAndServe()
//
// The cluster is behind two methods, so that the package knows no Kubernetes;
// filters are behind one, and package celfilter makes them of CEL.
//
// # What it guarantees
//
// Signatures, tokens and paths are compared in constant time, and nothing of a
// body is parsed before its signature is right. Bodies are bounded
// (Options.MaxBody), and so are the requests in work at once
// (Options.MaxConcurrent), so that a flood of wrong ones leaves memory flat.
//
// A request that was seen before is answered with 200 and does nothing, where the
// sender gives a nonce or a time (GitHub, Gitea, GitLab, Bitbucket, Nexus,
// CloudEvents, Pub/Sub). Where a signature covers the body but not the nonce, it is
// the body that is remembered, so that another nonce does not help.
//
// Answers are 200, 400 (invalid, not authorised, or an event that is not listed),
// 404 (no such receiver), 405, 413 (body too large), 500 (the cluster could not be
// asked) and 503 (suspended, or too much at once). They say no more than that: the
// reason goes to the log.
//
// # What it does not do
//
// It serves no TLS and limits no rate by address; the server in front of it does.
// dockerhub, quay and acr sign nothing: their only secret is the path.
package receiver
