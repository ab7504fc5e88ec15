package provider_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gitopskit/gitopskit/internal/servers"
	"github.com/gitopskit/gitopskit/notify"
	"github.com/gitopskit/gitopskit/notify/provider"
)

func delivery(kind string) notify.Delivery {
	return notify.Delivery{ID: "0123456789abcdef0123456789abcdef", Event: events()[kind]}
}

func TestAnswersAreJudged(t *testing.T) {
	cases := map[string]struct {
		typ    string
		answer func(http.ResponseWriter, *http.Request)
		want   notify.SendError
		text   string
	}{
		"a bad request is permanent": {answer: code(400), want: notify.SendError{Status: 400, Permanent: true}},
		"a server error is not":      {answer: code(500), want: notify.SendError{Status: 500}},
		"a gateway's is in doubt":    {answer: code(502), want: notify.SendError{Status: 502, InDoubt: true}},
		"too many, with seconds": {answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
		}, want: notify.SendError{Status: 429, RetryAfter: 7 * time.Second}},
		"too many, with a fraction": {answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "0.5")
			w.WriteHeader(http.StatusTooManyRequests)
		}, want: notify.SendError{Status: 429, RetryAfter: 500 * time.Millisecond}},
		"a redirect is not followed": {answer: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		}, want: notify.SendError{Status: 302, Permanent: true}, text: "redirects"},
		"a connection cut before the answer is in doubt": {answer: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, want: notify.SendError{InDoubt: true}},
		"Slack's refusal with 200":                       {typ: "slack-bot", answer: says(`{"ok":false,"error":"channel_not_found"}`), want: notify.SendError{Status: 200, Permanent: true}, text: "channel_not_found"},
		"Slack's limit with 200":                         {typ: "slack-bot", answer: says(`{"ok":false,"error":"ratelimited"}`), want: notify.SendError{Status: 200}},
		"Telegram's refusal with 200":                    {typ: "telegram", answer: says(`{"ok":false,"description":"chat not found"}`), want: notify.SendError{Status: 200, Permanent: true}, text: "chat not found"},
		"Lark's refusal with 200":                        {typ: "lark", answer: says(`{"code":19021,"msg":"sign match fail"}`), want: notify.SendError{Status: 200, Permanent: true}, text: "sign match fail"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if c.typ == "" {
				c.typ = "generic"
			}
			v := newVendor(t, c.answer)
			err := newProvider(t, setups()[c.typ].config(v.URL), c.typ).Send(t.Context(), delivery("error"))
			var got *notify.SendError
			if !errors.As(err, &got) {
				t.Fatalf("got %v", err)
			}
			if got.Status != c.want.Status || got.Permanent != c.want.Permanent || got.InDoubt != c.want.InDoubt || got.RetryAfter != c.want.RetryAfter {
				t.Errorf("got %+v", *got)
			}
			if !strings.Contains(err.Error(), c.text) {
				t.Errorf("no %q in %q", c.text, err)
			}
		})
	}
}

func code(n int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(n) }
}

func TestNoConnectionIsNotInDoubt(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s := newProvider(t, provider.Config{Type: "generic", Address: "http://" + addr + "/services/T0/TOPSECRET"}, "")
	err = s.Send(t.Context(), delivery("error"))
	var got *notify.SendError
	if !errors.As(err, &got) || got.InDoubt || got.Permanent {
		t.Errorf("%+v", err)
	}
	if strings.Contains(err.Error(), "TOPSECRET") {
		t.Error(err)
	}
}

func TestSecretsStayOutOfErrors(t *testing.T) {
	for name, setup := range setups() {
		t.Run(name, func(t *testing.T) {
			v := newVendor(t, func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusForbidden)
				// Some servers echo what they were sent.
				fmt.Fprintf(w, "%s %s %s", r.URL, r.Header.Get("Authorization"), r.Header.Get("Private-Token"))
			})
			c := setup.config(v.URL)
			err := newProvider(t, c, name).Send(t.Context(), delivery("error"))
			if err == nil {
				t.Fatal("no error")
			}
			for _, hidden := range []string{c.Token, c.Password, "s3cr3t", "abcdefgh", "/T0/B0/", "czNjcjN0"} {
				if hidden != "" && strings.Contains(err.Error(), hidden) {
					t.Errorf("%q in %q", hidden, err)
				}
			}
		})
	}
}

func TestMissingFieldsAreNamed(t *testing.T) {
	pool := provider.NewPool()
	defer pool.Close()
	for _, typ := range provider.Types() {
		_, err := provider.New(provider.Config{Type: typ, HTTP: pool})
		if !errors.Is(err, notify.ErrInvalid) || !strings.Contains(err.Error(), "must be") {
			t.Errorf("%s: %v", typ, err)
		}
	}
	for want, c := range map[string]provider.Config{
		"no type":                 {Type: "pigeon", HTTP: pool},
		"HTTP is missing":         {Type: "generic", Address: "http://x"},
		"longer than 2048":        {Type: "generic", Address: "http://x/" + strings.Repeat("a", 2048), HTTP: pool},
		"Address must be a URL":   {Type: "slack", Address: "hooks.example.com", HTTP: pool},
		"line break":              {Type: "generic", Address: "http://x", Headers: map[string]string{"X": "a\r\nB: c"}, HTTP: pool},
		"Channel must be STREAM/": {Type: "zulip", Address: "http://x", Channel: "x", Username: "u", Password: "p", HTTP: pool},
		"TLS or Proxy":            {Type: "generic", Address: "http://x", TLS: provider.TLS{CA: []byte("no")}, HTTP: pool},
	} {
		if _, err := provider.New(c); err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), "there is no", "no"), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestStatusesAndCommentsAreNotSentTwice(t *testing.T) {
	mark := "<!-- gitopskit:"
	for name, there := range map[string]string{
		"github":          `[{"context":"kustomization/web_shop/0c9c2e41","state":"failure","description":"build failed"},{"context":"kustomization/web_shop/0c9c2e41","state":"success"}]`,
		"gitlab":          `[{"name":"other","status":"success"},{"name":"kustomization/web_shop/0c9c2e41","status":"failed","description":"build failed"}]`,
		"gitea":           `[{"context":"kustomization/web_shop/0c9c2e41","status":"failure","description":"build failed"}]`,
		"bitbucket":       `{"state":"FAILED","description":"build failed"}`,
		"bitbucketserver": `{"state":"FAILED","description":"build failed"}`,
		"azuredevops":     `{"value":[{"state":"failed","description":"build failed","context":{"name":"kustomization/web_shop/0c9c2e41","genre":"fluxcd"}}]}`,
	} {
		v := newVendor(t, says(there))
		s := newProvider(t, setups()[name].config(v.URL), name)
		if err := s.Send(t.Context(), delivery("error")); err != nil {
			t.Fatal(err)
		}
		if got := v.take(); len(got) != 1 || got[0].method != http.MethodGet {
			t.Errorf("%s sent again: %d requests", name, len(got))
		}
		if err := s.Send(t.Context(), delivery("info")); err != nil {
			t.Fatal(err)
		}
		if got := v.take(); len(got) != 2 || got[1].method != http.MethodPost {
			t.Errorf("%s: a change was not sent: %d requests", name, len(got))
		}
		progress := delivery("info")
		progress.Event.Reason = "Progressing"
		if err := s.Send(t.Context(), progress); err != nil || len(v.take()) != 0 {
			t.Errorf("%s told of progress: %v", name, err)
		}
		if d, ok := s.(notify.Deduplicator); !ok || !d.Deduplicates() {
			t.Errorf("%s does not say that it deduplicates", name)
		}
	}
	for name, method := range map[string]string{"githubpullrequestcomment": "PATCH", "gitlabmergerequestcomment": "PUT", "giteapullrequestcomment": "PATCH"} {
		var comment atomic.Pointer[string]
		v := newVendor(t, func(w http.ResponseWriter, r *http.Request) {
			if text := comment.Load(); text != nil && r.Method == http.MethodGet {
				fmt.Fprintf(w, `[{"id":1,"body":"other"},{"id":77,"body":%q}]`, *text)
				return
			}
			emptyLists(w, r)
		})
		s := newProvider(t, setups()[name].config(v.URL), name)
		if err := s.Send(t.Context(), delivery("error")); err != nil {
			t.Fatal(err)
		}
		sent := v.take()
		body := string(sent[1].body)
		at := strings.Index(body, mark)
		marker := body[at : at+len(mark)+36]
		comment.Store(&marker)
		if err := s.Send(t.Context(), delivery("info")); err != nil {
			t.Fatal(err)
		}
		got := v.take()
		if len(got) != 2 || got[1].method != method || !strings.HasSuffix(got[1].uri, "/77") {
			t.Errorf("%s: %s %s", name, got[1].method, got[1].uri)
		}
	}
}

func TestGroupsAreOneMessage(t *testing.T) {
	ds := []notify.Delivery{delivery("info"), delivery("error"), delivery("bare")}
	for name, setup := range setups() {
		v := newVendor(t, setup.answer)
		s, ok := newProvider(t, setup.config(v.URL), name).(notify.GroupSender)
		if !ok {
			continue
		}
		if err := s.SendGroup(t.Context(), ds); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		sent := v.take()
		if len(sent) != 1 {
			t.Fatalf("%s sent %d requests", name, len(sent))
		}
		validate(t, name, sent[0])
		if name != "googlepubsub" && !strings.Contains(string(sent[0].body), "ClusterThing") && !strings.Contains(string(sent[0].body), "clusterthing") &&
			!slices.Contains([]string{"webex", "telegram", "zulip"}, name) {
			t.Errorf("%s: an event is missing", name)
		}
	}
}

func TestConnectionsAreShared(t *testing.T) {
	var conns atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	pool := provider.NewPool()
	defer pool.Close()
	for range 50 {
		s, err := provider.New(provider.Config{Type: "generic", Address: srv.URL, HTTP: pool})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Send(t.Context(), delivery("info")); err != nil {
			t.Fatal(err)
		}
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestClientCertificatesAndTemplates(t *testing.T) {
	cert, key := servers.Certificate(t)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) != 1 {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	srv.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	srv.StartTLS()
	defer srv.Close()
	tmpl, err := notify.CompileTemplate("t", "{{.Reason}}!")
	if err != nil {
		t.Fatal(err)
	}
	with := provider.Config{Type: "slack", Address: srv.URL, TLS: provider.TLS{CA: cert, Cert: cert, Key: key}, Template: tmpl}
	if err := newProvider(t, with, "").Send(t.Context(), delivery("info")); err != nil {
		t.Error(err)
	}
	with.TLS.Cert, with.TLS.Key = nil, nil
	if err := newProvider(t, with, "").Send(t.Context(), delivery("info")); err == nil || !strings.Contains(err.Error(), "401") {
		t.Error(err)
	}
	with.TLS.CA = nil
	if err := newProvider(t, with, "").Send(t.Context(), delivery("info")); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Error(err)
	}
	v := newVendor(t, nil)
	if err := newProvider(t, provider.Config{Type: "slack", Address: v.URL, Template: tmpl}, "").Send(t.Context(), delivery("error")); err != nil {
		t.Fatal(err)
	}
	if body := string(v.take()[0].body); !strings.Contains(body, `"text":"BuildFailed!"`) {
		t.Error(body)
	}
}

func TestContextEndsASend(t *testing.T) {
	hold := make(chan struct{})
	v := newVendor(t, func(_ http.ResponseWriter, r *http.Request) { <-hold })
	t.Cleanup(func() { close(hold) })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := newProvider(t, provider.Config{Type: "generic", Address: v.URL}, "").Send(ctx, delivery("info"))
	var got *notify.SendError
	if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &got) || !got.InDoubt {
		t.Error(err)
	}
}
