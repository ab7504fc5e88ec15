package celstatus_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gitopskit/gitopskit/notify"
	"github.com/gitopskit/gitopskit/notify/provider"
	"github.com/gitopskit/gitopskit/notify/provider/celstatus"
)

func event() notify.Event {
	return notify.Event{
		InvolvedObject: notify.Object{APIVersion: "kustomize.toolkit.fluxcd.io/v1", Kind: "Kustomization", Namespace: "apps", Name: "Shop"},
		Severity:       notify.SeverityInfo, Reason: "ReconciliationSucceeded", Message: "done", Timestamp: time.Unix(1, 0),
		Metadata: map[string]string{"revision": "main@sha1:0123456789abcdef0123456789abcdef01234567", "clusterName": "prod"},
	}
}

func objects() celstatus.Objects {
	return celstatus.Objects{
		Provider: map[string]any{"metadata": map[string]any{"uid": "0c9c2e41-d2f9", "labels": map[string]any{"a": "b"}}},
		Alert:    map[string]any{"metadata": map[string]any{"name": "all"}},
	}
}

func TestContexts(t *testing.T) {
	cases := map[string]struct{ expression, want string }{
		"as in Flux's documentation":        {`(event.involvedObject.kind + '/' + event.involvedObject.name + '/' + event.metadata.clusterName)`, "Kustomization/Shop/prod"},
		"functions of strings":              {`(event.involvedObject.kind + '/' + event.involvedObject.name).lowerAscii() + '/' + provider.metadata.uid.split('-')[0]`, "kustomization/shop/0c9c2e41"},
		"the alert":                         {`alert.metadata.name`, "all"},
		"what may be missing":               {`event.metadata.?region.orValue("nowhere")`, "nowhere"},
		"a choice":                          {`has(event.metadata.clusterName) && event.severity == "info" ? "good" : "bad"`, "good"},
		"a constant":                        {`"always"`, "always"},
		"one of metadata that is not there": {`event.metadata.region`, ""},
		"no string after all":               {`event.metadata`, ""},
		"an empty string":                   {`event.message.substring(0, 0)`, ""},
		"more work than is allowed":         {`[` + strings.Repeat("1,", 999) + `1].map(x, [` + strings.Repeat("1,", 999) + `1].map(y, "a" + "b")).size() > 0 ? "a" : "b"`, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := celstatus.Compile(c.expression)
			if err != nil {
				t.Fatal(err)
			}
			got, err := e.For(objects())(event())
			if got != c.want || (c.want == "") != errors.Is(err, notify.ErrInvalid) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func TestWrongExpressionsAreNotCompiled(t *testing.T) {
	for _, expression := range []string{"", "event.", "1 + 1", "unknown.name", `"a" + 1`, strings.Repeat(" ", 20_000)} {
		if _, err := celstatus.Compile(expression); !errors.Is(err, notify.ErrInvalid) {
			t.Errorf("%.20q: %v", expression, err)
		}
	}
}

// TestStatusIsSentUnderTheContext goes through a provider, to a server.
func TestStatusIsSentUnderTheContext(t *testing.T) {
	var posted []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, "[]")
			return
		}
		var s struct{ Context string }
		if err := json.NewDecoder(r.Body).Decode(&s); err != nil {
			t.Error(err)
		}
		posted = append(posted, s.Context)
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, "{}")
	}))
	defer srv.Close()
	pool := provider.NewPool()
	defer pool.Close()
	e, err := celstatus.Compile(`event.involvedObject.name + "@" + event.metadata.clusterName`)
	if err != nil {
		t.Fatal(err)
	}
	s, err := provider.New(provider.Config{Type: "github", Address: srv.URL + "/shop/deploy", Token: "s3cr3t-t0ken", HTTP: pool, CommitStatus: e.For(objects())})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), notify.Delivery{ID: "1", Event: event()}); err != nil {
		t.Fatal(err)
	}
	without := event()
	delete(without.Metadata, "clusterName")
	var refused *notify.SendError
	if err := s.Send(t.Context(), notify.Delivery{ID: "2", Event: without}); !errors.As(err, &refused) || !refused.Permanent {
		t.Errorf("without the value: %v", err)
	}
	if len(posted) != 1 || posted[0] != "Shop@prod" {
		t.Errorf("posted %q", posted)
	}
}
