package receiver_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // what some senders sign with
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/gitopskit/gitopskit/notify/receiver"
	"github.com/gitopskit/gitopskit/notify/receiver/celfilter"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "t0ken-of-the-hook"

// cluster holds objects and notes what was requested.
type cluster struct {
	mu        sync.Mutex
	objects   []map[string]any
	requested []string
	err       error
}

func (c *cluster) List(_ context.Context, r receiver.Resource) ([]map[string]any, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil, c.err
	}
	if c.objects == nil {
		return []map[string]any{{"kind": r.Kind, "metadata": map[string]any{"namespace": r.Namespace, "name": r.Name}}}, nil
	}
	return c.objects, nil
}

func (c *cluster) Request(_ context.Context, o map[string]any, at time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at.IsZero() {
		return errors.New("no time")
	}
	c.requested = append(c.requested, o["metadata"].(map[string]any)["name"].(string))
	return nil
}

func (c *cluster) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.requested
	c.requested = nil
	return out
}

func sign(new func() hash.Hash, body string) string {
	mac := hmac.New(new, []byte(token))
	_, _ = io.WriteString(mac, body)
	return hex.EncodeToString(mac.Sum(nil))
}

// sender is one way in which a type calls.
type sender struct {
	typ, body string
	// headers of a right request; auth is the one that proves the sender.
	headers map[string]string
	auth    string
	// replays says that the same request does nothing the second time.
	replays bool
	events  []string
}

const githubPush = `{"ref":"refs/heads/main","before":"1111111111111111111111111111111111111111","after":"2222222222222222222222222222222222222222",` +
	`"commits":[{"added":["apps/a.yaml"],"removed":[],"modified":["README.md"]}],"repository":{"clone_url":"https://github.com/shop/deploy.git","ssh_url":"git@github.com:shop/deploy.git"}}`

func senders(googleToken string) map[string]sender {
	hub := func(body string, more map[string]string) map[string]string {
		more["X-Hub-Signature-256"] = "sha256=" + sign(sha256.New, body)
		return more
	}
	bitbucket := `{"push":{"changes":[{"new":{"type":"branch","name":"main"},"old":null}]},"repository":{"links":{"html":{"href":"https://bitbucket.org/shop/deploy"}}}}`
	pubsub := `{"message":{"data":"` + base64.StdEncoding.EncodeToString([]byte(`{"action":"INSERT","digest":"gcr.io/p/i@sha256:1","tag":"gcr.io/p/i:v1"}`)) + `","messageId":"77"}}`
	nexus := `{"action":"CREATED","component":{"name":"app","version":"1"}}`
	cdevent := `{"context":{"type":"dev.cdevents.change.merged.0.2.0","id":"1","source":"s"},"subject":{"id":"x"}}`
	return map[string]sender{
		"generic":             {typ: "generic", body: `anything`},
		"generic-hmac sha256": {typ: "generic-hmac", body: `{"a":1}`, auth: "X-Signature", headers: map[string]string{"X-Signature": "sha256=" + sign(sha256.New, `{"a":1}`)}},
		"generic-hmac sha1":   {typ: "generic-hmac", body: `{"a":1}`, auth: "X-Signature", headers: map[string]string{"X-Signature": "sha1=" + sign(sha1.New, `{"a":1}`)}},
		"github":              {typ: "github", body: githubPush, auth: "X-Hub-Signature-256", replays: true, events: []string{"push"}, headers: hub(githubPush, map[string]string{"X-GitHub-Event": "push", "X-GitHub-Delivery": "d1"})},
		"github sha1":         {typ: "github", body: githubPush, auth: "X-Hub-Signature", replays: true, headers: map[string]string{"X-GitHub-Event": "push", "X-GitHub-Delivery": "d1", "X-Hub-Signature": "sha1=" + sign(sha1.New, githubPush)}},
		"gitea":               {typ: "gitea", body: githubPush, auth: "X-Hub-Signature-256", replays: true, headers: hub(githubPush, map[string]string{"X-GitHub-Event": "push", "X-Gitea-Delivery": "d1"})},
		"gitlab":              {typ: "gitlab", body: `{"ref":"refs/heads/main","project":{"git_http_url":"https://gitlab.com/a/b.git"}}`, auth: "X-Gitlab-Token", replays: true, events: []string{"Push Hook"}, headers: map[string]string{"X-Gitlab-Token": token, "X-Gitlab-Event": "Push Hook", "X-Gitlab-Event-UUID": "u1"}},
		"bitbucket":           {typ: "bitbucket", body: bitbucket, auth: "X-Hub-Signature", replays: true, headers: map[string]string{"X-Event-Key": "repo:push", "X-Request-UUID": "r1", "X-Hub-Signature": "sha256=" + sign(sha256.New, bitbucket)}},
		"harbor":              {typ: "harbor", body: `{"type":"PUSH_ARTIFACT","event_data":{"resources":[{"tag":"v1","resource_url":"h/p/i:v1"}]}}`, auth: "Authorization", headers: map[string]string{"Authorization": token}},
		"nexus":               {typ: "nexus", body: nexus, auth: "X-Nexus-Webhook-Signature", replays: true, headers: map[string]string{"X-Nexus-Webhook-Signature": sign(sha1.New, nexus), "X-Nexus-Webhook-Id": "rm:repository:component", "X-Nexus-Webhook-Delivery": "n1"}},
		"gcr":                 {typ: "gcr", body: pubsub, auth: "Authorization", replays: true, headers: map[string]string{"Authorization": "Bearer " + googleToken}},
		"dockerhub":           {typ: "dockerhub", body: `{"push_data":{"tag":"v1"},"repository":{"repo_name":"a/b","repo_url":"https://hub.docker.com/r/a/b"}}`},
		"quay":                {typ: "quay", body: `{"docker_url":"quay.io/a/b","updated_tags":["v1"]}`},
		"acr":                 {typ: "acr", body: `{"action":"push","target":{"repository":"a/b","tag":"v1"},"request":{"host":"x.azurecr.io"}}`},
		"cdevents":            {typ: "cdevents", body: cdevent, replays: true, headers: map[string]string{"Ce-Id": "1", "Ce-Source": "s", "Ce-Specversion": "1.0", "Ce-Type": "dev.cdevents.change.merged.0.2.0"}},
	}
}

// google makes ID tokens and serves their keys.
type google struct {
	key *rsa.PrivateKey
	url string
}

func newGoogle(t *testing.T) *google {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys":[{"kid":"k1","kty":"RSA","n":%q,"e":%q}]}`, base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
			base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()))
	}))
	t.Cleanup(srv.Close)
	return &google{key, srv.URL}
}

func (g *google) token(t *testing.T, change func(map[string]any)) string {
	t.Helper()
	claims := map[string]any{
		"iss": "https://accounts.google.com", "aud": "https://hook", "email": "push@p.iam.gserviceaccount.com", "email_verified": true,
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	}
	if change != nil {
		change(claims)
	}
	body, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","kid":"k1"}`)) + "." + base64.RawURLEncoding.EncodeToString(body)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, g.key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func (s sender) config() receiver.Config {
	return receiver.Config{
		Type: s.typ, Name: "hook", Namespace: "ns", Token: token, Events: s.events, Email: "push@p.iam.gserviceaccount.com", Audience: "https://hook",
		Resources: []receiver.Resource{{Kind: "GitRepository", Name: "deploy"}},
	}
}

func call(t testing.TB, h http.Handler, path string, headers map[string]string, body string) int {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
	for k, v := range headers {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

func with(m map[string]string, key, value string) map[string]string {
	out := map[string]string{}
	for k, v := range m {
		out[k] = v
	}
	if out[key] = value; value == "" {
		delete(out, key)
	}
	return out
}

func TestEveryType(t *testing.T) {
	g := newGoogle(t)
	defer http.DefaultClient.CloseIdleConnections()
	var types []string
	for name, s := range senders(g.token(t, nil)) {
		types = append(types, s.typ)
		t.Run(name, func(t *testing.T) {
			c := &cluster{}
			h := receiver.New(receiver.Options{Cluster: c, GoogleKeys: g.url, MaxBody: 1 << 16})
			path, err := h.Set(s.config())
			if err != nil {
				t.Fatal(err)
			}
			check := func(what string, want int, acts bool, headers map[string]string, body string) {
				t.Helper()
				got := call(t, h, path, headers, body)
				if done := c.take(); got != want || (len(done) == 1) != acts {
					t.Errorf("%s: %d, want %d; requested %v", what, got, want, done)
				}
			}
			check("oversized", 413, false, s.headers, strings.Repeat("x", 1<<16+1))
			if s.auth != "" {
				check("without proof", 400, false, with(s.headers, s.auth, ""), s.body)
				v := s.headers[s.auth]
				check("wrong proof", 400, false, with(s.headers, s.auth, v[:len(v)-4]+"0000"), s.body)
				check("truncated proof", 400, false, with(s.headers, s.auth, v[:len(v)-2]), s.body)
				check("empty proof", 400, false, with(s.headers, s.auth, " "), s.body)
				check("no hexadecimal", 400, false, with(s.headers, s.auth, "sha256=zz"), s.body)
			}
			if s.typ != "generic" && s.typ != "gitlab" && s.typ != "harbor" && s.typ != "gcr" || s.auth == "" {
				if s.typ != "generic" {
					check("truncated body", 400, false, s.headers, s.body[:len(s.body)/2])
				}
			} else if s.typ != "generic" {
				check("truncated body of who is known", 400, false, s.headers, s.body[:len(s.body)/2])
			}
			if len(s.events) > 0 {
				name := map[string]string{"github": "X-GitHub-Event", "gitlab": "X-Gitlab-Event"}[s.typ]
				check("another event", 400, false, with(s.headers, name, "star"), s.body)
				check("a ping", 200, false, with(s.headers, name, "ping"), s.body)
				check("no event", 400, false, with(s.headers, name, ""), s.body)
			}
			check("right", 200, true, s.headers, s.body)
			check("replayed", 200, !s.replays, s.headers, s.body)
		})
	}
	slices.Sort(types)
	if diff := cmp.Diff(receiver.Types(), slices.Compact(types)); diff != "" {
		t.Error("a type is not tested:", diff)
	}
}

func TestReplayWithAnotherNonceOfASignedBody(t *testing.T) {
	c := &cluster{}
	h := receiver.New(receiver.Options{Cluster: c})
	s := senders("")["github"]
	path, err := h.Set(s.config())
	if err != nil {
		t.Fatal(err)
	}
	call(t, h, path, s.headers, s.body)
	call(t, h, path, with(s.headers, "X-GitHub-Delivery", "forged"), s.body)
	if got := c.take(); len(got) != 1 {
		t.Errorf("requested %v", got)
	}
}

func TestWrongSHA256IsNotSavedBySHA1(t *testing.T) {
	c := &cluster{}
	h := receiver.New(receiver.Options{Cluster: c})
	s := senders("")["github sha1"]
	path, err := h.Set(s.config())
	if err != nil {
		t.Fatal(err)
	}
	if got := call(t, h, path, with(s.headers, "X-Hub-Signature-256", "sha256=00"), s.body); got != 400 {
		t.Error(got)
	}
}

func TestGoogleTokens(t *testing.T) {
	g := newGoogle(t)
	other := newGoogle(t)
	defer http.DefaultClient.CloseIdleConnections()
	h := receiver.New(receiver.Options{Cluster: &cluster{}, GoogleKeys: g.url})
	s := senders("")["gcr"]
	path, err := h.Set(s.config())
	if err != nil {
		t.Fatal(err)
	}
	set := func(k string, v any) func(map[string]any) { return func(m map[string]any) { m[k] = v } }
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"k1"}`)) + g.token(t, nil)[strings.Index(g.token(t, nil), "."):]
	for name, tok := range map[string]string{
		"another audience":  g.token(t, set("aud", "https://other")),
		"another account":   g.token(t, set("email", "x@example.com")),
		"not verified":      g.token(t, set("email_verified", false)),
		"another issuer":    g.token(t, set("iss", "https://example.com")),
		"expired":           g.token(t, set("exp", time.Now().Add(-time.Hour).Unix())),
		"of the future":     g.token(t, set("iat", time.Now().Add(time.Hour).Unix())),
		"without a date":    g.token(t, func(m map[string]any) { delete(m, "exp") }),
		"another key":       other.token(t, nil),
		"without signature": none,
		"no token":          "x",
	} {
		if got := call(t, h, path, map[string]string{"Authorization": "Bearer " + tok}, s.body); got != 400 {
			t.Errorf("%s: %d", name, got)
		}
	}
	if got := call(t, h, path, map[string]string{"Authorization": "Bearer " + g.token(t, nil)}, s.body); got != 200 {
		t.Error(got)
	}
}

func TestPathsAndStates(t *testing.T) {
	c := &cluster{}
	h := receiver.New(receiver.Options{Cluster: c})
	config := senders("")["generic"].config()
	path, err := h.Set(config)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(token + "hook" + "ns"))
	if want := "/hook/" + hex.EncodeToString(sum[:]); path != want {
		t.Errorf("got %s, want %s", path, want)
	}
	for _, p := range []string{"/", "/hook/", "/hook/x", path[:len(path)-1] + "_", path + "/"} {
		if got := call(t, h, p, nil, ""); got != 404 {
			t.Errorf("%s: %d", p, got)
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 405 {
		t.Error(w.Code)
	}
	c.err = errors.New("down")
	if got := call(t, h, path, nil, ""); got != 500 {
		t.Error(got)
	}
	config.Suspended = true
	if _, err := h.Set(config); err != nil {
		t.Fatal(err)
	}
	if got := call(t, h, path, nil, ""); got != 503 {
		t.Error(got)
	}
	h.Remove("hook", "ns")
	if got := call(t, h, path, nil, ""); got != 404 {
		t.Error(got)
	}
}

func TestFailedRequestMayBeTriedAgain(t *testing.T) {
	c := &cluster{err: errors.New("down")}
	h := receiver.New(receiver.Options{Cluster: c})
	s := senders("")["github"]
	path, err := h.Set(s.config())
	if err != nil {
		t.Fatal(err)
	}
	first := call(t, h, path, s.headers, s.body)
	c.err = nil
	if second := call(t, h, path, s.headers, s.body); first != 500 || second != 200 || len(c.take()) != 1 {
		t.Error(first, second)
	}
}

func TestConfigsAreChecked(t *testing.T) {
	good := senders("")["generic"].config()
	for want, change := range map[string]func(*receiver.Config){
		"Token must be set":  func(c *receiver.Config) { c.Token = "" },
		"no type":            func(c *receiver.Config) { c.Type = "x" },
		"Email and Audience": func(c *receiver.Config) { c.Type, c.Email = "gcr", "" },
		"MatchLabels":        func(c *receiver.Config) { c.Resources = []receiver.Resource{{Kind: "A", Name: "*"}} },
		"lacks Kind":         func(c *receiver.Config) { c.Resources = []receiver.Resource{{Name: "a"}} },
	} {
		c := good
		change(&c)
		if _, err := receiver.New(receiver.Options{Cluster: &cluster{}}).Set(c); !errors.Is(err, receiver.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := receiver.New(receiver.Options{}).Set(good); err == nil || !strings.Contains(err.Error(), "Cluster") {
		t.Error(err)
	}
}

func gitRepository(name, url, branch string, folders ...any) map[string]any {
	return map[string]any{
		"kind": "GitRepository", "metadata": map[string]any{"name": name},
		"spec": map[string]any{"url": url, "ref": map[string]any{"branch": branch}, "sparseCheckout": folders},
	}
}

func TestOnlyWhatAPushConcerns(t *testing.T) {
	c := &cluster{objects: []map[string]any{
		gitRepository("https", "https://github.com/shop/deploy", "main"),
		gitRepository("ssh", "ssh://git@github.com/Shop/deploy.git", "main", "apps"),
		gitRepository("other-folder", "https://github.com/shop/deploy", "main", "infra"),
		gitRepository("other-branch", "https://github.com/shop/deploy", "dev"),
		gitRepository("other-repository", "https://github.com/shop/deploy2", "main"),
		{"kind": "Kustomization", "metadata": map[string]any{"name": "not-known"}},
	}}
	s := senders("")["github"]
	config := s.config()
	config.OnlyAffected = true
	h := receiver.New(receiver.Options{Cluster: c})
	path, err := h.Set(config)
	if err != nil {
		t.Fatal(err)
	}
	if got := call(t, h, path, s.headers, s.body); got != 200 {
		t.Fatal(got)
	}
	if diff := cmp.Diff([]string{"https", "ssh", "not-known"}, c.take()); diff != "" {
		t.Error(diff)
	}
	forced := strings.Replace(s.body, `{"ref"`, `{"forced":true,"ref"`, 1)
	call(t, h, path, with(s.headers, "X-Hub-Signature-256", "sha256="+sign(sha256.New, forced)), forced)
	if diff := cmp.Diff([]string{"https", "ssh", "other-folder", "not-known"}, c.take()); diff != "" {
		t.Error("a forced push may have changed more than it names:", diff)
	}
}

func TestFiltersInCEL(t *testing.T) {
	c := &cluster{objects: []map[string]any{gitRepository("deploy", "", ""), gitRepository("other", "", "")}}
	h := receiver.New(receiver.Options{Cluster: c})
	for expression, want := range map[string]struct {
		code int
		done []string
	}{
		`req.repo.split("/")[1] == res.metadata.name`: {200, []string{"deploy"}},
		`res.kind == "GitRepository"`:                 {200, []string{"deploy", "other"}},
		`req.nothing == "x"`:                          {500, nil},
		`req.repo`:                                    {500, nil},
	} {
		f, err := celfilter.Compile(expression)
		if err != nil {
			t.Fatal(err)
		}
		config := senders("")["generic"].config()
		config.Filter = f
		path, err := h.Set(config)
		if err != nil {
			t.Fatal(err)
		}
		code := call(t, h, path, nil, `{"repo":"shop/deploy"}`)
		if diff := cmp.Diff(want.done, c.take()); diff != "" || code != want.code {
			t.Errorf("%s: %d %s", expression, code, diff)
		}
	}
	for _, bad := range []string{`1 + 1`, `req.`, `unknown == 1`, strings.Repeat("true&&", 5000) + "true"} {
		if _, err := celfilter.Compile(bad); !errors.Is(err, celfilter.ErrInvalid) {
			t.Errorf("%.20s: %v", bad, err)
		}
	}
	if testing.Short() {
		return // reaching the limit takes seconds under the race detector
	}
	costly, err := celfilter.Compile(`req.all(a, req.all(b, req.all(c, a + b + c >= 0.0)))`)
	if err != nil {
		t.Fatal(err)
	}
	list := make([]any, 1000)
	for i := range list {
		list[i] = float64(i)
	}
	if _, err := costly.Match(list, nil); err == nil || !strings.Contains(err.Error(), "cost") {
		t.Errorf("not stopped: %v", err)
	}
}

func TestFloodOfWrongSignaturesLeavesMemoryFlat(t *testing.T) {
	c := &cluster{}
	h := receiver.New(receiver.Options{Cluster: c})
	s := senders("")["github"]
	path, err := h.Set(s.config())
	if err != nil {
		t.Fatal(err)
	}
	body := strings.Repeat("x", 64<<10)
	flood := func(n int) uint64 {
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := range n / 8 {
					headers := with(s.headers, "X-Hub-Signature-256", fmt.Sprintf("sha256=%064x", w<<32+i))
					if got := call(t, h, path, with(headers, "X-GitHub-Delivery", fmt.Sprint(w, i)), body); got != 400 {
						t.Errorf("got %d", got)
						return
					}
				}
			})
		}
		wg.Wait()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	n := 1000
	if testing.Short() {
		n = 200
	}
	before := flood(n)
	after := flood(5 * n)
	if after > before+4<<20 {
		t.Errorf("the heap grew from %d to %d", before, after)
	}
	if len(c.take()) != 0 {
		t.Error("something was requested")
	}
}

func TestTooManyAtOnce(t *testing.T) {
	c := &cluster{}
	h := receiver.New(receiver.Options{Cluster: c, MaxConcurrent: 1})
	path, err := h.Set(senders("")["generic"].config())
	if err != nil {
		t.Fatal(err)
	}
	body, write := io.Pipe()
	begun := make(chan struct{})
	done := make(chan int)
	go func() {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, io.TeeReader(body, closer{begun}))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		done <- w.Code
	}()
	if _, err := write.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	<-begun
	if got := call(t, h, path, nil, ""); got != 503 {
		t.Error(got)
	}
	_ = write.Close()
	if got := <-done; got != 200 {
		t.Error(got)
	}
}

type closer struct{ c chan struct{} }

func (c closer) Write(p []byte) (int, error) { close(c.c); return len(p), nil }

func FuzzRequests(f *testing.F) {
	for name, s := range senders("a.b.c") {
		header, err := json.Marshal(s.headers)
		if err != nil {
			f.Fatal(name, err)
		}
		f.Add(s.typ, header, []byte(s.body), true)
		f.Add(s.typ, header, []byte(s.body[:len(s.body)/2]), false)
	}
	f.Fuzz(func(t *testing.T, typ string, header, body []byte, signed bool) {
		c := &cluster{}
		h := receiver.New(receiver.Options{Cluster: c, MaxBody: 1 << 16, GoogleKeys: "http://127.0.0.1:1"})
		config := sender{typ: typ}.config()
		config.OnlyAffected = true
		path, err := h.Set(config)
		if err != nil {
			return
		}
		var headers map[string]string
		_ = json.Unmarshal(header, &headers)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, bytes.NewReader(body))
		for k, v := range headers {
			r.Header.Set(k, v)
		}
		if signed {
			r.Header.Set("X-Hub-Signature-256", "sha256="+sign(sha256.New, string(body)))
			r.Header.Set("X-Signature", "sha256="+sign(sha256.New, string(body)))
			r.Header.Set("X-Nexus-Webhook-Signature", sign(sha1.New, string(body)))
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		protected := slices.Contains([]string{"github", "gitea", "nexus", "generic-hmac", "gcr"}, typ)
		if acted := len(c.take()) > 0; acted && w.Code != 200 || acted && protected && !signed && !rightSignature(r.Header, body) {
			t.Errorf("%s acted on %q %q with %d", typ, headers, body, w.Code)
		}
	})
}

// rightSignature tells whether a seed's own signature fits.
func rightSignature(h http.Header, body []byte) bool {
	for _, name := range []string{"X-Hub-Signature-256", "X-Hub-Signature", "X-Signature", "X-Nexus-Webhook-Signature", "X-Gitea-Signature"} {
		v := h.Get(name)
		if strings.HasSuffix(v, sign(sha256.New, string(body))) || strings.HasSuffix(v, sign(sha1.New, string(body))) {
			return true
		}
	}
	return false
}
