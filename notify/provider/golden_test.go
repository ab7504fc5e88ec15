package provider_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.uber.org/goleak"

	"github.com/gitopskit/gitopskit/notify"
	"github.com/gitopskit/gitopskit/notify/provider"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	commit = "0123456789abcdef0123456789abcdef01234567"
	secret = "s3cr3t-t0ken/+&"
)

// events are what each provider is given.
func events() map[string]notify.Event {
	object := notify.Object{
		APIVersion: "kustomize.toolkit.fluxcd.io/v1", Kind: "Kustomization", Namespace: "apps", Name: "web_shop",
		UID: "8f7cd1cf-1c5a-4f8b-9d1e-2f3a4b5c6d7e",
	}
	at := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	return map[string]notify.Event{
		"info": {
			InvolvedObject: object, Severity: notify.SeverityInfo, Timestamp: at, Reason: "ReconciliationSucceeded",
			Message:             "Applied <3> objects & \"pruned\" 1.\nDeployment/apps/web_shop configured",
			Metadata:            map[string]string{"revision": "main@sha1:" + commit, "summary": "shop in production", "change_request": "42", "cluster": "Prod-1"},
			ReportingController: "kustomize-controller", ReportingInstance: "kustomize-controller-0",
		},
		"error": {
			InvolvedObject: object, Severity: notify.SeverityError, Timestamp: at, Reason: "BuildFailed",
			Message:  "kustomize build failed: no such file deploy.yaml 🙈 <!-- x -->",
			Metadata: map[string]string{"revision": "main@sha1:" + commit, "change_request": "42"}, ReportingController: "kustomize-controller",
		},
		"bare": {
			InvolvedObject: notify.Object{Kind: "ClusterThing", Name: "x"}, Severity: notify.SeverityInfo, Timestamp: at,
			Reason: "OK", Message: strings.Repeat("long. ", 6400),
		},
	}
}

// vendor stands for the vendor's server: it records requests and answers.
type vendor struct {
	*httptest.Server
	mu       sync.Mutex
	requests []recorded
	answer   func(w http.ResponseWriter, r *http.Request)
}

type recorded struct {
	method, uri string
	header      http.Header
	body        []byte
}

func newVendor(t *testing.T, answer func(w http.ResponseWriter, r *http.Request)) *vendor {
	t.Helper()
	v := &vendor{answer: answer}
	v.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		v.mu.Lock()
		v.requests = append(v.requests, recorded{r.Method, r.URL.RequestURI(), r.Header.Clone(), body})
		v.mu.Unlock()
		if v.answer != nil {
			v.answer(w, r)
		}
	}))
	t.Cleanup(v.Close)
	return v
}

func (v *vendor) take() []recorded {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := v.requests
	v.requests = nil
	return out
}

func says(text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

// emptyLists answers GET with nothing there and all else with 201.
func emptyLists(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.WriteHeader(http.StatusCreated)
		return
	}
	_, _ = io.WriteString(w, "[]")
}

// setups configure each type against a server at url.
func setups() map[string]struct {
	config func(url string) provider.Config
	answer func(http.ResponseWriter, *http.Request)
} {
	type setup = struct {
		config func(url string) provider.Config
		answer func(http.ResponseWriter, *http.Request)
	}
	at := func(path string, more provider.Config) func(string) provider.Config {
		return func(url string) provider.Config { more.Address = url + path; return more }
	}
	forge := provider.Config{Token: secret, UID: "0c9c2e41-d2f9-4f9b-9c41-bebc1984d67a"}
	return map[string]setup{
		"generic":      {at("/hook", provider.Config{Headers: map[string]string{"X-Team": "shop"}}), nil},
		"generic-hmac": {at("/hook", provider.Config{Token: secret}), nil},
		"slack":        {at("/services/T0/B0/"+"X", provider.Config{Channel: "#alerts", Username: "flux"}), says("ok")},
		"slack-bot":    {at("/api/chat.postMessage", provider.Config{Type: "slack", Channel: "C0123", Token: secret}), says(`{"ok":true}`)},
		"discord":      {at("/api/webhooks/1/abc", provider.Config{Username: "flux"}), nil},
		"rocket":       {at("/hooks/1/abc", provider.Config{Channel: "alerts"}), nil},
		"msteams":      {at("/workflows/abc/triggers/manual/paths/invoke?sig=abcdefgh", provider.Config{}), nil},
		"msteams-office": {func(url string) provider.Config {
			return provider.Config{Type: "msteams", Address: "http://example.webhook.office.com/webhookb2/abc", Proxy: provider.Proxy{URL: url}}
		}, nil},
		"googlechat":  {at("/v1/spaces/A/messages?key=abcdefgh&token=ijklmnop", provider.Config{}), nil},
		"webex":       {at("/v1/messages", provider.Config{Channel: "room", Token: secret}), nil},
		"telegram":    {at("", provider.Config{Channel: "-100123:7", Token: "123:abcdefgh"}), says(`{"ok":true}`)},
		"matrix":      {at("", provider.Config{Channel: "!room:example.com", Token: secret}), nil},
		"lark":        {at("/open-apis/bot/v2/hook/abc", provider.Config{}), says(`{"code":0}`)},
		"zulip":       {at("", provider.Config{Channel: "ops/flux events", Username: "bot@example.com", Password: secret}), nil},
		"zoom":        {at("/chat/webhooks/incomingwebhook/abc", provider.Config{Token: secret}), nil},
		"pagerduty":   {at("", provider.Config{Channel: "0123456789abcdef0123456789abcdef"}), nil},
		"opsgenie":    {at("/v2/alerts", provider.Config{Token: secret}), nil},
		"incident.io": {at("/v2/alert_events/http/abc", provider.Config{Token: secret}), nil},
		"sentry": {func(url string) provider.Config {
			return provider.Config{Address: strings.Replace(url, "http://", "http://0123456789abcdef@", 1) + "/42", Channel: "production"}
		}, nil},
		"datadog":                   {at("", provider.Config{Token: secret, Channel: "env:Prod, team:shop"}), nil},
		"grafana":                   {at("/api/annotations", provider.Config{Username: "flux", Password: secret}), nil},
		"alertmanager":              {at("/api/v2/alerts", provider.Config{}), nil},
		"otel":                      {at("/v1/traces", provider.Config{UID: "0c9c2e41", Headers: map[string]string{"X-Scope-OrgID": "tenant"}}), nil},
		"googlepubsub":              {at("/project", provider.Config{Channel: "topic", Token: secret, Headers: map[string]string{"origin": "flux"}}), nil},
		"azureeventhub":             {at("", provider.Config{Channel: "hub", Token: secret}), nil},
		"github":                    {at("/shop/deploy.git", forge), emptyLists},
		"gitlab":                    {at("/group/sub/deploy", forge), emptyLists},
		"gitea":                     {at("/shop/deploy", forge), emptyLists},
		"bitbucket":                 {at("/shop/deploy", provider.Config{Token: "user:" + secret, UID: forge.UID}), emptyLists},
		"bitbucketserver":           {at("/context/scm/SHOP/deploy.git", provider.Config{Username: "user", Password: secret, UID: forge.UID}), emptyLists},
		"azuredevops":               {at("/org/project/_git/deploy", forge), emptyLists},
		"githubdispatch":            {at("/shop/deploy", forge), nil},
		"githubpullrequestcomment":  {at("/shop/deploy", forge), emptyLists},
		"gitlabmergerequestcomment": {at("/group/deploy", forge), emptyLists},
		"giteapullrequestcomment":   {at("/shop/deploy", forge), emptyLists},
	}
}

func newProvider(t *testing.T, c provider.Config, name string) notify.Sender {
	t.Helper()
	if c.Type == "" {
		c.Type = name
	}
	pool := provider.NewPool()
	t.Cleanup(pool.Close)
	c.HTTP = pool
	s, err := provider.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWhatIsSent(t *testing.T) {
	covered := map[string]bool{"nats": true} // nats_test.go, on a real server
	for name, setup := range setups() {
		t.Run(name, func(t *testing.T) {
			v := newVendor(t, setup.answer)
			config := setup.config(v.URL)
			s := newProvider(t, config, name)
			for kind, e := range events() {
				if err := s.Send(t.Context(), notify.Delivery{ID: "0123456789abcdef0123456789abcdef", Destination: name, Event: e, Attempt: 1}); err != nil {
					t.Fatalf("%s: %v", kind, err)
				}
				sent := v.take()
				golden(t, filepath.Join("testdata", "golden", name, kind+".txt"), show(t, sent, v.URL))
				for _, r := range sent {
					validate(t, name, r)
				}
			}
		})
		typ := setup.config("http://127.0.0.1").Type
		covered[name], covered[typ] = true, true
	}
	for _, typ := range provider.Types() {
		if !covered[typ] {
			t.Errorf("type %s is not tested", typ)
		}
	}
}

// validate checks the body against the vendor's schema.
func validate(t *testing.T, name string, r recorded) {
	t.Helper()
	body := r.body
	switch {
	case r.method == http.MethodGet, name == "zulip": // a form, see its golden file
		return
	case name == "sentry":
		parts := bytes.SplitN(body, []byte("\n"), 3)
		var head struct{ Length int }
		if err := json.Unmarshal(parts[1], &head); err != nil || head.Length != len(parts[2])-1 {
			t.Errorf("the envelope's length is wrong: %s, %v", parts[1], err)
		}
		body = parts[2]
	case name == "slack-bot":
		name = "slack"
	}
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join("testdata", "schema", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if err := schema.Validate(v); err != nil {
		t.Errorf("%v\n%s", err, body)
	}
}

func show(t *testing.T, requests []recorded, url string) string {
	t.Helper()
	var b strings.Builder
	for _, r := range requests {
		fmt.Fprintf(&b, "%s %s\n", r.method, r.uri)
		var lines []string
		for k, vs := range r.header {
			switch k {
			case "Accept-Encoding", "Content-Length", "User-Agent":
			default:
				lines = append(lines, k+": "+strings.Join(vs, ", "))
			}
		}
		slices.Sort(lines)
		b.WriteString(strings.Join(lines, "\n") + "\n\n")
		var pretty bytes.Buffer
		if json.Indent(&pretty, r.body, "", "  ") != nil {
			pretty.Reset()
			pretty.Write(r.body)
		}
		b.Write(pretty.Bytes())
		b.WriteString("\n\n")
	}
	return strings.ReplaceAll(b.String(), url, "http://SERVER")
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (-update writes it)", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: -want +got\n%s", file, diff)
	}
}
