package provider

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"

	"github.com/gitopskit/gitopskit/notify"
)

// generic posts the event as JSON to Address; the header Gotk-Component names the
// controller that reported it.
func generic(c *Config) (notify.Sender, error) {
	if _, err := parseAddress(c); err != nil {
		return nil, err
	}
	return simple(c, func(d notify.Delivery) (request, error) { return genericRequest(c, d) })
}

func genericRequest(c *Config, d notify.Delivery) (request, error) {
	r, err := asJSON(c.Address, flat(d.Event))
	r.header["Gotk-Component"] = d.Event.ReportingController
	if c.Token != "" && c.Type == "generic" {
		r.header["Authorization"] = "Bearer " + c.Token
	}
	return r, err
}

// genericHMAC is generic with X-Signature: the HMAC-SHA256 of the body under
// Token, which is required.
func genericHMAC(c *Config) (notify.Sender, error) {
	if _, err := parseAddress(c); err != nil {
		return nil, err
	}
	if err := need("Token", c.Token); err != nil {
		return nil, err
	}
	return simple(c, func(d notify.Delivery) (request, error) {
		r, err := genericRequest(c, d)
		mac := hmac.New(sha256.New, []byte(c.Token))
		_, _ = mac.Write(r.body)
		return r.with("X-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil))), err
	})
}
