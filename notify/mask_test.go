package notify_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/gitopskit/gitopskit/notify"
)

func TestMasksInEveryForm(t *testing.T) {
	for _, secret := range []string{"p&ss/w\"ord+ü <1>", "xoxb-1234-abcd", "https://hooks.example.com/services/T00/B00/XyZ?sig=a%2Fb12345"} {
		m := notify.NewMasker(secret)
		asJSON, err := json.Marshal(map[string]string{"token": secret})
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{
			"plain": secret, "query": url.QueryEscape(secret), "path": url.PathEscape(secret), "json": string(asJSON),
			"go": fmt.Sprintf("%q", secret), "html": html.EscapeString(secret), "hex": hex.EncodeToString([]byte(secret)),
			"base64":          base64.StdEncoding.EncodeToString([]byte(secret)),
			"base64 url":      base64.URLEncoding.EncodeToString([]byte(secret)),
			"base64 behind 1": base64.StdEncoding.EncodeToString([]byte("u" + secret + "more")),
			"base64 behind 2": base64.StdEncoding.EncodeToString([]byte("u:" + secret + "more")),
			"base64 behind 5": base64.StdEncoding.EncodeToString([]byte("user:" + secret)),
			"lower escapes":   regexp.MustCompile("%..").ReplaceAllStringFunc(url.QueryEscape(secret), strings.ToLower),
		} {
			masked := m.String("before " + text + " after")
			if !strings.Contains(masked, notify.Mask) || strings.Contains(masked, secret) {
				t.Errorf("%s of %q: %q", name, secret, masked)
			}
			for _, part := range []string{"w\\\"ord", "%2Fw", "1234-abcd", "T00/B00", "T00%2FB00"} {
				if strings.Contains(masked, part) {
					t.Errorf("%s of %q leaves %q: %q", name, secret, part, masked)
				}
			}
			if !strings.HasPrefix(masked, "before ") || !strings.HasSuffix(masked, " after") {
				t.Errorf("%s of %q took more than the secret: %q", name, secret, masked)
			}
		}
	}
}

func TestMasksErrorsThatNetHTTPMakes(t *testing.T) {
	address := "https://user:hunter2pass@127.0.0.1:1/services/T0/B0/TOPSECRET?key=alsosecret"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err == nil {
		_ = resp.Body.Close()
		t.Fatal("no error")
	}
	got := notify.NewMasker(address).Error(&notify.SendError{InDoubt: true, Err: err})
	for _, text := range []string{got.Error(), fmt.Sprintf("%+v", got), fmt.Sprintf("%#v", errors.Unwrap(got).Error())} {
		for _, part := range []string{"TOPSECRET", "alsosecret", "hunter2pass"} {
			if strings.Contains(text, part) {
				t.Errorf("%s in %s", part, text)
			}
		}
	}
	var send *notify.SendError
	if !errors.As(got, &send) || !send.InDoubt {
		t.Error("what the dispatcher needs was lost")
	}
	var u *url.Error
	if errors.As(got, &u) {
		t.Error("the cause with the secret can be got at")
	}
}

func TestShortSecretsBlackenNothing(t *testing.T) {
	if got := notify.NewMasker("a", "", "abc").String("a banana, abc"); got != "a banana, abc" {
		t.Error(got)
	}
	var none *notify.Masker
	if got := none.String("text"); got != "text" {
		t.Error(got)
	}
}

func TestEventsAndDeadLettersAreMasked(t *testing.T) {
	var g graveyard
	s := &sink{answer: func(int, notify.Delivery) error {
		return &notify.SendError{Permanent: true, Err: errors.New("token s3cr3t-token refused")}
	}}
	ok := &sink{}
	d, stop := running(t, notify.Options{OnDeadLetter: g.bury, Destinations: []notify.Destination{
		{Name: "a", Sender: s, Secrets: []string{"s3cr3t-token"}}, {Name: "b", Sender: ok},
	}})
	e := event("x", "clone https://x:s3cr3t-token@example.com failed")
	e.Metadata = map[string]string{"url": "s3cr3t-token"}
	dispatch(t, d, e)
	stop()
	text := fmt.Sprintf("%+v %s", g.letters, g.letters[0].Err) + strings.Join(ok.messages(), "")
	if strings.Contains(text, "s3cr3t") || !strings.Contains(text, notify.Mask) {
		t.Error(text)
	}
	if !errors.Is(g.letters[0].Err, notify.ErrRefused) {
		t.Error(g.letters[0].Err)
	}
	if e.Metadata["url"] != "s3cr3t-token" {
		t.Error("the input was changed")
	}
}
