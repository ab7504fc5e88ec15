package gitserver

import (
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gitopskit/gitopskit/internal/parts"
)

// Options says what a server asks of its clients. The zero value serves
// everybody over plain HTTP, reading and writing.
type Options struct {
	// Username and Password are asked for if either is set.
	Username, Password string
	// BearerToken is asked for if it is set.
	BearerToken string
	// TLS serves https with a certificate of its own; see Server.CA.
	TLS bool
	// ClientCA is PEM; a certificate signed by it is asked for if it is set.
	ClientCA []byte
	// Wrap, if set, handles each request before Git does.
	Wrap func(http.Handler) http.Handler
}

// Request is one that a server got.
type Request struct {
	Method string
	// Path is that of the URL, below the server's root.
	Path string
	// Service is "git-upload-pack" or "git-receive-pack".
	Service string
}

// Server serves the repositories below Root.
type Server struct {
	// URL is http(s)://host:port.
	URL string
	// Root is the folder of the bare repositories.
	Root string
	// CA is PEM of the certificate to trust, with Options.TLS.
	CA []byte

	t    testing.TB
	mu   sync.Mutex
	seen []Request
}

// New starts a server that ends with the test.
func New(t testing.TB, opts Options) *Server {
	t.Helper()
	git := parts.RequireProgram(t, "git", "apt-get install git")
	out, err := exec.CommandContext(t.Context(), git, "--exec-path").Output()
	if err != nil {
		t.Fatalf("git --exec-path: %v", err)
	}
	backend := filepath.Join(strings.TrimSpace(string(out)), "git-http-backend")
	_, err = os.Stat(backend)
	parts.Require(t, "git http-backend", err == nil, "apt-get install git")

	s := &Server{Root: t.TempDir(), t: t}
	var handler http.Handler = &cgi.Handler{
		Path: backend,
		Env: append(gitEnv(), "GIT_PROJECT_ROOT="+s.Root, "GIT_HTTP_EXPORT_ALL=1",
			"GIT_CONFIG_COUNT=2",
			"GIT_CONFIG_KEY_0=http.receivepack", "GIT_CONFIG_VALUE_0=true",
			"GIT_CONFIG_KEY_1=safe.directory", "GIT_CONFIG_VALUE_1=*"),
	}
	handler = opts.guard(handler)
	if opts.Wrap != nil {
		handler = opts.Wrap(handler)
	}
	srv := httptest.NewUnstartedServer(s.count(handler))
	if opts.TLS || len(opts.ClientCA) > 0 {
		if len(opts.ClientCA) > 0 {
			pool := x509.NewCertPool()
			pool.AppendCertsFromPEM(opts.ClientCA)
			srv.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, MinVersion: tls.VersionTLS12}
		}
		srv.StartTLS()
		s.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	s.URL = srv.URL
	return s
}

// Repo makes an empty repository that the server serves. More arguments are
// those of git init.
func (s *Server) Repo(name string, initArgs ...string) *Repo {
	s.t.Helper()
	r := NewRepo(s.t, s.Root, name, initArgs...)
	r.server = s
	return r
}

// Requests returns what clients asked for since the start or the last Reset.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.seen...)
}

// Reset forgets the requests so far.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = nil
}

func (s *Server) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		service := r.URL.Query().Get("service")
		if service == "" {
			service = filepath.Base(r.URL.Path)
		}
		s.mu.Lock()
		s.seen = append(s.seen, Request{r.Method, r.URL.Path, service})
		s.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

func (o Options) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if o.BearerToken != "" && !equal(r.Header.Get("Authorization"), "Bearer "+o.BearerToken) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="git"`)
			http.Error(w, "token wanted", http.StatusUnauthorized)
			return
		}
		if o.Username != "" || o.Password != "" {
			user, password, _ := r.BasicAuth()
			if !equal(user, o.Username) || !equal(password, o.Password) {
				w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
				http.Error(w, "password wanted", http.StatusUnauthorized)
				return
			}
			r.Header.Del("Authorization")
		}
		next.ServeHTTP(w, r)
	})
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
