package git_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitopskit/gitopskit/internal/gitserver"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/git"
)

// appKey is made once: RSA keys take their time.
var appKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func appKeyPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(appKey())})
}

// gitHub behaves as GitHub's documentation of apps says, as far as it is asked
// here, and keeps the tokens that are good.
type gitHub struct {
	t    *testing.T
	api  *httptest.Server
	life time.Duration

	mu     sync.Mutex
	calls  []string
	issued int
	good   map[string]bool
}

func newGitHub(t *testing.T) *gitHub {
	g := &gitHub{t: t, life: time.Hour, good: map[string]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v3/orgs/{owner}/installation", g.installation("acme", 42))
	mux.HandleFunc("GET /api/v3/users/{owner}/installation", g.installation("ann", 43))
	mux.HandleFunc("POST /api/v3/app/installations/{id}/access_tokens", g.token)
	g.api = httptest.NewTLSServer(g.authorized(mux))
	t.Cleanup(g.api.Close)
	return g
}

// authorized checks the assertion as RFC 7515 and GitHub want it.
func (g *gitHub) authorized(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		g.calls = append(g.calls, r.Method+" "+strings.TrimPrefix(r.URL.Path, "/api/v3"))
		g.mu.Unlock()
		if err := checkAssertion(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")); err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = fmt.Fprintf(w, `{"message":%q}`, err.Error())
			return
		}
		if r.Header.Get("Accept") != "application/vnd.github+json" || r.Header.Get("X-GitHub-Api-Version") == "" || r.Header.Get("User-Agent") == "" {
			http.Error(w, "headers", http.StatusBadRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func checkAssertion(token string) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return fmt.Errorf("%d parts", len(parts))
	}
	var raw [3][]byte
	for i, p := range parts {
		var err error
		if raw[i], err = base64.RawURLEncoding.DecodeString(p); err != nil {
			return err
		}
	}
	var head struct{ Alg, Typ string }
	var claims struct {
		IAT, EXP int64
		ISS      string
	}
	if err := json.Unmarshal(raw[0], &head); err != nil || head.Alg != "RS256" || head.Typ != "JWT" {
		return fmt.Errorf("head %s: %w", raw[0], err)
	}
	if err := json.Unmarshal(raw[1], &claims); err != nil {
		return err
	}
	now := time.Now().Unix()
	if claims.ISS != "7" || claims.IAT > now || claims.EXP <= now || claims.EXP > now+600 {
		return fmt.Errorf("claims %s", raw[1])
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	return rsa.VerifyPKCS1v15(&appKey().PublicKey, crypto.SHA256, sum[:], raw[2])
}

func (g *gitHub) installation(owner string, id int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("owner") != owner {
			http.Error(w, `{"message":"Not Found"}`, http.StatusNotFound)
			return
		}
		_, _ = fmt.Fprintf(w, `{"id":%d,"app_id":7,"target_type":"Organization"}`, id)
	}
}

func (g *gitHub) token(w http.ResponseWriter, r *http.Request) {
	if id := r.PathValue("id"); id != "42" && id != "43" {
		http.Error(w, `{"message":"Not Found"}`, http.StatusNotFound)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.issued++
	token := fmt.Sprintf("ghs_tok%d", g.issued)
	g.good[token] = true
	w.WriteHeader(http.StatusCreated)
	_, _ = fmt.Fprintf(w, `{"token":%q,"expires_at":%q,"permissions":{"contents":"read"}}`, token, time.Now().Add(g.life).UTC().Format(time.RFC3339))
}

// revoke makes all tokens bad.
func (g *gitHub) revoke() {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.good)
}

func (g *gitHub) seen() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.calls)
}

// server serves repositories to those who have a token.
func (g *gitHub) server() *gitserver.Server {
	return gitserver.New(g.t, gitserver.Options{TLS: true, Wrap: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			user, password, _ := r.BasicAuth()
			g.mu.Lock()
			ok := user == "x-access-token" && g.good[password]
			g.mu.Unlock()
			if !ok {
				w.Header().Set("WWW-Authenticate", `Basic realm="GitHub"`)
				http.Error(w, "no", http.StatusUnauthorized)
				return
			}
			r.Header.Del("Authorization")
			next.ServeHTTP(w, r)
		})
	}})
}

func (g *gitHub) auth(srv *gitserver.Server) git.Auth {
	return git.Auth{CA: srv.CA, GitHubApp: &git.App{ID: "7", InstallationID: "42", PrivateKey: appKeyPEM(), APIURL: g.api.URL + "/api/v3"}}
}

func TestGitHubApp(t *testing.T) { eachTransport(t, testGitHubApp) }

func testGitHubApp(t *testing.T) {
	hub := newGitHub(t)
	srv := hub.server()
	app, lib := srv.Repo("app"), srv.Repo("lib")
	app.Commit(map[string]string{"a": "1"})
	lib.Commit(map[string]string{"b": "2"})
	m := mirrors(t)
	first := open(t, git.Options{URL: app.URL(), Reference: onMain, Auth: hub.auth(srv), Mirrors: m})
	take(t, first)
	take(t, open(t, git.Options{URL: lib.URL(), Reference: onMain, Auth: hub.auth(srv), Mirrors: m}))
	app.Commit(map[string]string{"a": "2"})
	if got := files(t, take(t, first)); got["a"] != "2" {
		t.Errorf("%v", got)
	}
	if diff := cmp.Diff([]string{"POST /app/installations/42/access_tokens"}, hub.seen()); diff != "" {
		t.Errorf("one token is for all: %s", diff)
	}
	hub.revoke()
	app.Commit(map[string]string{"a": "3"})
	if got := files(t, take(t, first)); got["a"] != "3" {
		t.Errorf("after the token was revoked: %v", got)
	}
	pushed, err := first.Push(t.Context(), func(context.Context, *source.Artifact) (git.Change, error) {
		return git.Change{Message: "m", Edits: []git.Edit{{Path: "a", Content: []byte("4")}}}, nil
	}, git.PushOptions{Author: git.Signature{Name: "A", Email: "a@x"}})
	if err != nil || !pushed.Changed {
		t.Errorf("push: %v", err)
	}
	if n := len(hub.seen()); n != 2 {
		t.Errorf("%d tokens were asked for", n)
	}
}

func TestGitHubAppOfAnOwner(t *testing.T) {
	hub := newGitHub(t)
	hub.life = time.Minute // ends too soon to be used again
	srv := hub.server()
	app := srv.Repo("app")
	app.Commit(map[string]string{"a": "1"})
	auth := hub.auth(srv)
	auth.GitHubApp.InstallationID, auth.GitHubApp.Owner = "", "ann"
	s := open(t, git.Options{URL: app.URL(), Reference: onMain, Auth: auth})
	if _, err := s.Resolve(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := hub.seen()
	want := []string{"GET /orgs/ann/installation", "GET /users/ann/installation", "POST /app/installations/43/access_tokens"}
	if diff := cmp.Diff(want, got[:min(3, len(got))]); diff != "" {
		t.Error(diff)
	}
	if _, err := s.Resolve(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, call := range hub.seen()[3:] {
		if call != want[2] {
			t.Errorf("the installation was looked up again: %s", call)
		}
	}
	if len(hub.seen()) == len(got) {
		t.Error("a token was used in its last minute")
	}
}

func TestGitHubAppIsRefused(t *testing.T) {
	hub := newGitHub(t)
	srv := hub.server()
	app := srv.Repo("app")
	app.Commit(map[string]string{"a": "1"})
	thief := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the redirect was followed with %q", r.Header.Get("Authorization"))
	}))
	defer thief.Close()
	answer := func(h http.HandlerFunc) string {
		s := httptest.NewTLSServer(h)
		t.Cleanup(s.Close)
		return s.URL
	}
	otherKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	other := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(otherKey)})
	for name, c := range map[string]struct {
		change func(*git.App)
		is     error
		words  string
	}{
		"key of another app":     {func(a *git.App) { a.PrivateKey = other }, source.ErrAuth, "clock"},
		"installation is gone":   {func(a *git.App) { a.InstallationID = "44" }, source.ErrAuth, "no installation 44"},
		"owner has none":         {func(a *git.App) { a.InstallationID, a.Owner = "", "bob" }, source.ErrAuth, `"bob"`},
		"owner with odd letters": {func(a *git.App) { a.InstallationID, a.Owner = "", "../../x?y" }, source.ErrAuth, "not installed"},
		"nobody answers":         {func(a *git.App) { a.APIURL = "https://127.0.0.1:1" }, source.ErrUnreachable, "127.0.0.1:1"},
		"redirect": {func(a *git.App) {
			a.APIURL = answer(func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, thief.URL, http.StatusTemporaryRedirect)
			})
		}, source.ErrUnreachable, "GitHubApp.APIURL"},
		"suspended": {func(a *git.App) {
			a.APIURL = answer(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusForbidden)
				_, _ = fmt.Fprintf(w, `{"message":"suspended %s"}`, r.Header.Get("Authorization"))
			})
		}, source.ErrAuth, "suspended"},
		"no JSON": {func(a *git.App) {
			a.APIURL = answer(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) })
		}, source.ErrUnreachable, "JSON"},
		"no token": {func(a *git.App) {
			a.APIURL = answer(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) })
		}, source.ErrUnreachable, "no token"},
		"endless": {func(a *git.App) {
			a.APIURL = answer(func(w http.ResponseWriter, r *http.Request) {
				for r.Context().Err() == nil {
					_, _ = w.Write(make([]byte, 1<<16))
				}
			})
		}, source.ErrTooLarge, ""},
	} {
		t.Run(name, func(t *testing.T) {
			auth := hub.auth(srv)
			c.change(auth.GitHubApp)
			err := resolveError(t, git.Options{URL: app.URL(), Reference: onMain, Auth: auth})
			wantError(t, err, c.is, c.words)
			for _, secret := range []string{"eyJ", "ghs_", "PRIVATE KEY"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error holds %s: %v", secret, err)
				}
			}
		})
	}
}

func TestGitHubAppsThatMakeNoSense(t *testing.T) {
	der, err := x509.MarshalPKCS8PrivateKey(appKey())
	if err != nil {
		t.Fatal(err)
	}
	_, wrongKind := selfSigned(t)
	for name, c := range map[string]struct {
		change func(*git.Auth)
		words  string
	}{
		"fine": {func(*git.Auth) {}, ""},
		"PKCS #8": {func(a *git.Auth) {
			a.GitHubApp.PrivateKey = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
		}, ""},
		"no id":              {func(a *git.Auth) { a.GitHubApp.ID = "" }, "set GitHubApp.ID"},
		"no installation":    {func(a *git.Auth) { a.GitHubApp.InstallationID = "" }, "InstallationID or GitHubApp.Owner"},
		"two":                {func(a *git.Auth) { a.GitHubApp.Owner = "x" }, "one of the two"},
		"installation":       {func(a *git.Auth) { a.GitHubApp.InstallationID = "1/../2" }, "must be a number"},
		"no key":             {func(a *git.Auth) { a.GitHubApp.PrivateKey = nil }, "set GitHubApp.PrivateKey"},
		"key is no PEM":      {func(a *git.Auth) { a.GitHubApp.PrivateKey = []byte("x") }, "no PEM"},
		"key of other kind":  {func(a *git.Auth) { a.GitHubApp.PrivateKey = wrongKind }, "another kind"},
		"API by plain HTTP":  {func(a *git.Auth) { a.GitHubApp.APIURL = "http://x" }, "https://host/api/v3"},
		"password beside it": {func(a *git.Auth) { a.Password = "x" }, "one of the two"},
	} {
		t.Run(name, func(t *testing.T) {
			a := git.Auth{GitHubApp: &git.App{ID: "7", InstallationID: "42", PrivateKey: appKeyPEM()}}
			c.change(&a)
			_, err := git.New(git.Options{URL: "https://github.com/a/b", Auth: a, Mirrors: mirrors(t)})
			if c.words == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantError(t, err, source.ErrInvalid, c.words)
		})
	}
}

func TestGitHubAppFromSecret(t *testing.T) {
	a := git.AuthFromSecret(map[string][]byte{
		"githubAppID": []byte("7\n"), "githubAppInstallationOwner": []byte("acme"), "githubAppPrivateKey": []byte("k3y"),
		"githubAppBaseURL": []byte("https://x/api/v3"),
	})
	want := &git.App{ID: "7", Owner: "acme", PrivateKey: []byte("k3y"), APIURL: "https://x/api/v3"}
	if diff := cmp.Diff(want, a.GitHubApp); diff != "" {
		t.Error(diff)
	}
	if text := fmt.Sprintf("%v %+v %#v %v", a, a, a, a.GitHubApp); strings.Contains(text, "k3y") || strings.Contains(text, "107") {
		t.Errorf("the key is in %s", text)
	}
}
