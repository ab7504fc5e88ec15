package provider

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/gitopskit/gitopskit/notify"
)

// Limits of https://docs.opsgenie.com/docs/alert-api#create-alert, in characters.
const (
	opsgenieMessage     = 130
	opsgenieDescription = 15_000
)

// opsgenie makes an alert whose alias is a hash of the object and the reason, so
// that repetitions count up one alert. Address is the API's, as in
// https://api.opsgenie.com/v2/alerts, and Token its GenieKey; both are required.
func opsgenie(c *Config) (notify.Sender, error) {
	if _, err := parseAddress(c); err != nil {
		return nil, err
	}
	if err := need("Token", c.Token); err != nil {
		return nil, err
	}
	p, err := simple(c, func(d notify.Delivery) (request, error) {
		e := d.Event
		alias := sha256.Sum256([]byte(objectKey(e) + "\x00" + e.Reason))
		more := details(e)
		delete(more, "message")
		more["severity"] = string(e.Severity)
		r, err := asJSON(c.Address, struct {
			Message     string            `json:"message"`
			Alias       string            `json:"alias"`
			Description string            `json:"description"`
			Details     map[string]string `json:"details"`
			Entity      string            `json:"entity"`
			Source      string            `json:"source,omitempty"`
			Priority    string            `json:"priority"`
		}{
			clip(e.InvolvedObject.Kind+"/"+e.InvolvedObject.Name+": "+e.Reason, opsgenieMessage), hex.EncodeToString(alias[:]),
			clip(body(e), opsgenieDescription), more, heading(e), e.ReportingController, pick(e, "P5", "P3"),
		})
		return r.with("Authorization", "GenieKey "+c.Token), err
	})
	if err != nil {
		return nil, err
	}
	p.dedup = true
	return p, nil
}
