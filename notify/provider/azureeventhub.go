package provider

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gitopskit/gitopskit/notify"
)

// sasValid is how long a shared access signature is good for.
const sasValid = time.Hour

// azureEventHub sends the event as JSON over Event Hubs' REST interface. Address is
// a connection string (Endpoint=sb://…;SharedAccessKeyName=…;SharedAccessKey=…),
// or the namespace's name or URL with a token from TokenSource or Token. Channel
// is the hub; it is not needed where the string has an EntityPath.
// https://learn.microsoft.com/en-us/rest/api/eventhub/send-event
func azureEventHub(c *Config) (notify.Sender, error) {
	if err := need("Address", c.Address); err != nil {
		return nil, err
	}
	endpoint, hub, sas, err := eventHub(c)
	if err != nil {
		return nil, err
	}
	if err := need("Channel", hub); err != nil {
		return nil, err
	}
	if sas == nil && c.Token == "" && c.TokenSource == nil {
		return nil, invalid("a connection string in Address, or TokenSource or Token must be set")
	}
	call, err := newCaller(c)
	if err != nil {
		return nil, err
	}
	resource := endpoint.JoinPath(hub)
	to := resource.JoinPath("messages").String() + "?api-version=2014-01"
	return &poster{caller: call, build: func(ctx context.Context, d notify.Delivery) (request, error) {
		r, err := asJSON(to, flat(d.Event))
		if err != nil {
			return r, err
		}
		if sas != nil {
			return r.with("Authorization", sas(resource.String(), time.Now())), nil
		}
		token, err := call.token(ctx)
		if err != nil {
			return r, &notify.SendError{Err: err}
		}
		return r.with("Authorization", "Bearer "+token), nil
	}}, nil
}

func eventHub(c *Config) (endpoint *url.URL, hub string, sas func(string, time.Time) string, err error) {
	hub = c.Channel
	fields := map[string]string{}
	for part := range strings.SplitSeq(c.Address, ";") {
		if k, v, ok := strings.Cut(part, "="); ok {
			fields[k] = v
		}
	}
	address := c.Address
	if fields["Endpoint"] != "" {
		if err := need("SharedAccessKeyName in Address", fields["SharedAccessKeyName"], "SharedAccessKey in Address", fields["SharedAccessKey"]); err != nil {
			return nil, "", nil, err
		}
		c.Secrets = append(c.Secrets, fields["SharedAccessKey"])
		if hub == "" {
			hub = fields["EntityPath"]
		}
		address = strings.Replace(fields["Endpoint"], "sb://", "https://", 1)
		sas = func(resource string, now time.Time) string {
			return sharedAccess(resource, fields["SharedAccessKeyName"], fields["SharedAccessKey"], now.Add(sasValid))
		}
	} else if !strings.Contains(address, "://") {
		address = "https://" + address + ".servicebus.windows.net"
	}
	endpoint, err = url.Parse(address)
	if err != nil || endpoint.Host == "" {
		return nil, "", nil, invalid("Address must be a connection string, a namespace's name, or its URL")
	}
	return endpoint, hub, sas, nil
}

// sharedAccess signs as
// https://learn.microsoft.com/en-us/rest/api/eventhub/generate-sas-token says.
func sharedAccess(resource, name, key string, expires time.Time) string {
	sr, se := url.QueryEscape(resource), strconv.FormatInt(expires.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(key))
	_, _ = mac.Write([]byte(sr + "\n" + se))
	sig := url.QueryEscape(base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return "SharedAccessSignature sr=" + sr + "&sig=" + sig + "&se=" + se + "&skn=" + url.QueryEscape(name)
}
