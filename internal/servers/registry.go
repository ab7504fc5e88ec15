package servers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// RegistryOptions says what a registry asks of its clients.
type RegistryOptions struct {
	// Username and Password are asked for if Username is set.
	Username, Password string
	// TLS serves HTTPS with a certificate of its own; see Registry.CA.
	TLS bool
	// Wrap, if set, handles each request before the registry does; not with
	// TLS.
	Wrap func(http.Handler) http.Handler
}

// Registry is a running distribution registry.
type Registry struct {
	// Host is host:port.
	Host string
	// CA is PEM of the certificate to trust, with TLS.
	CA []byte
	// Dir holds its files.
	Dir string
	// Counter counts the requests it got; not with TLS.
	*Counter
}

// NewRegistry starts a registry that ends with the test.
func NewRegistry(t testing.TB, opts RegistryOptions) *Registry {
	t.Helper()
	program := build(t, "github.com/distribution/distribution/v3/cmd/registry")
	dir := t.TempDir()
	addr := freeAddr(t)
	r := &Registry{Host: addr, Dir: filepath.Join(dir, "data"), Counter: &Counter{}}
	config := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage:\n  filesystem: {rootdirectory: %q}\n  delete: {enabled: true}\nhttp:\n  addr: %s\n  secret: test\n", r.Dir, addr)
	if opts.TLS {
		cert, key := Certificate(t)
		r.CA = cert
		put(t, filepath.Join(dir, "cert"), cert)
		put(t, filepath.Join(dir, "key"), key)
		config += fmt.Sprintf("  tls: {certificate: %q, key: %q}\n", filepath.Join(dir, "cert"), filepath.Join(dir, "key"))
	}
	if opts.Username != "" {
		hash, err := bcrypt.GenerateFromPassword([]byte(opts.Password), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, "htpasswd"), []byte(opts.Username+":"+string(hash)+"\n"))
		config += fmt.Sprintf("auth:\n  htpasswd: {realm: test, path: %q}\n", filepath.Join(dir, "htpasswd"))
	}
	put(t, filepath.Join(dir, "config.yml"), []byte(config))
	cmd := exec.Command(program, "serve", filepath.Join(dir, "config.yml")) //nolint:gosec,noctx // ended by Cleanup
	cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	start(t, addr, cmd)
	if !opts.TLS {
		r.Host = front(t, addr, r.Counter, opts.Wrap)
	}
	return r
}

// front puts a counting proxy before a server and returns its host:port.
func front(t testing.TB, addr string, c *Counter, wrap func(http.Handler) http.Handler) string {
	t.Helper()
	target := &url.URL{Scheme: "http", Host: addr}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // signatures are made over it
	}}
	transport := &http.Transport{}
	proxy.Transport = transport
	var h http.Handler = proxy
	if wrap != nil {
		h = wrap(h)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.note(r)
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { srv.Close(); transport.CloseIdleConnections() })
	return srv.Listener.Addr().String()
}

// Certificate makes a certificate for 127.0.0.1 that is its own authority.
func Certificate(t testing.TB) (cert, key []byte) {
	t.Helper()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &priv.PublicKey, priv)
	if err != nil {
		t.Fatal(err)
	}
	k, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: k})
}

func put(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
