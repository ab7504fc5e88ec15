package git_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/gitopskit/gitopskit/internal/gitserver"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/git"
)

var onMain = git.Reference{Branch: "main"}

// resolveError resolves and returns the error, which must not be nil.
func resolveError(t *testing.T, opts git.Options) error {
	t.Helper()
	_, err := open(t, opts).Resolve(t.Context())
	if err == nil {
		t.Fatal("no error")
	}
	var se *source.Error
	if !errors.As(err, &se) {
		t.Errorf("%T is no *source.Error: %v", err, err)
	}
	return err
}

func wantError(t *testing.T, err, is error, words ...string) {
	t.Helper()
	if !errors.Is(err, is) {
		t.Errorf("%v\nis not: %v", err, is)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%v\ndoes not say: %s", err, w)
		}
	}
}

func TestBasicAuth(t *testing.T) { eachTransport(t, testBasicAuth) }

func testBasicAuth(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{Username: "ann", Password: "s3cret", TLS: true})
	repo := srv.Repo("app")
	repo.Commit(map[string]string{"a": "1"})
	good := git.Auth{Username: "ann", Password: "s3cret", CA: srv.CA}
	take(t, open(t, git.Options{URL: repo.URL(), Reference: onMain, Auth: good}))

	wrong := good
	wrong.Password = "wr0ng-pass"
	err := resolveError(t, git.Options{URL: repo.URL(), Reference: onMain, Auth: wrong})
	wantError(t, err, source.ErrAuth, repo.URL(), `"ann"`, "401", "password")
	if strings.Contains(err.Error(), "wr0ng-pass") {
		t.Errorf("the password is in the error: %v", err)
	}
	wantError(t, resolveError(t, git.Options{URL: repo.URL(), Reference: onMain, Auth: git.Auth{CA: srv.CA}}), source.ErrAuth, "wants credentials")
	wantError(t, resolveError(t, git.Options{URL: repo.URL(), Reference: onMain}), source.ErrTLS, "Auth.CA")
	wantError(t, resolveError(t, git.Options{URL: srv.URL + "/none.git", Reference: onMain, Auth: good}), source.ErrNotFound, "none.git")
}

func TestBearerToken(t *testing.T) { eachTransport(t, testBearerToken) }

func testBearerToken(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{BearerToken: "tok"})
	repo := srv.Repo("app")
	repo.Commit(map[string]string{"a": "1"})
	take(t, open(t, git.Options{URL: repo.URL(), Reference: onMain, Auth: git.Auth{BearerToken: "tok"}}))
	wantError(t, resolveError(t, git.Options{URL: repo.URL(), Reference: onMain, Auth: git.Auth{BearerToken: "no"}}), source.ErrAuth, "bearer token")
	_, err := git.New(git.Options{URL: repo.URL(), Mirrors: mirrors(t), Auth: git.Auth{BearerToken: "tok", Username: "ann"}})
	wantError(t, err, source.ErrInvalid, "one of the two")
}

func TestClientCertificate(t *testing.T) { eachTransport(t, testClientCertificate) }

func testClientCertificate(t *testing.T) {
	cert, key := selfSigned(t)
	srv := gitserver.New(t, gitserver.Options{ClientCA: cert})
	repo := srv.Repo("app")
	repo.Commit(map[string]string{"a": "1"})
	take(t, open(t, git.Options{URL: repo.URL(), Reference: onMain, Auth: git.Auth{CA: srv.CA, ClientCert: cert, ClientKey: key}}))
	err := resolveError(t, git.Options{URL: repo.URL(), Reference: onMain, Auth: git.Auth{CA: srv.CA}})
	if listing(t) == 1 { // the system's git may see the connection end only
		wantError(t, err, source.ErrTLS, "ClientCert")
	}
}

func selfSigned(t *testing.T) (cert, key []byte) {
	t.Helper()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
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

func TestOneCredentialDoesNotReadAnothersMirror(t *testing.T) {
	eachTransport(t, testOneCredentialDoesNotReadAnothersMirror)
}

func testOneCredentialDoesNotReadAnothersMirror(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{Username: "ann", Password: "s3cret"})
	repo := srv.Repo("app")
	sha := repo.Commit(map[string]string{"a": "1"})
	m := mirrors(t)
	pin := git.Reference{Commit: sha}
	take(t, open(t, git.Options{URL: repo.URL(), Reference: pin, Mirrors: m, Auth: git.Auth{Username: "ann", Password: "s3cret"}}))
	s := open(t, git.Options{URL: repo.URL(), Reference: pin, Mirrors: m})
	rev, err := s.Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Fetch(t.Context(), rev)
	wantError(t, err, source.ErrAuth)
}

func TestRedirectDoesNotCarryCredentials(t *testing.T) {
	eachTransport(t, testRedirectDoesNotCarryCredentials)
}

func testRedirectDoesNotCarryCredentials(t *testing.T) {
	var leaked atomic.Bool
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			leaked.Store(true)
		}
		http.Error(w, "no", http.StatusUnauthorized)
	}))
	defer thief.Close()
	bad := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, thief.URL+r.URL.String(), http.StatusFound)
	}))
	defer bad.Close()
	_ = resolveError(t, git.Options{URL: bad.URL + "/x.git", Reference: onMain, Auth: git.Auth{Username: "ann", Password: "pw"}})
	if leaked.Load() {
		t.Error("the password went to another host")
	}
}

func TestHTTPProxy(t *testing.T) { eachTransport(t, testHTTPProxy) }

func testHTTPProxy(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	repo.Commit(map[string]string{"a": "1"})
	var through atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		through.Add(1)
		if r.Header.Get("Proxy-Authorization") == "" {
			http.Error(w, "", http.StatusProxyAuthRequired)
			return
		}
		r.RequestURI = ""
		r.Header.Del("Proxy-Authorization")
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer res.Body.Close()
		for k, v := range res.Header {
			w.Header()[k] = v
		}
		w.WriteHeader(res.StatusCode)
		_, _ = io.Copy(w, res.Body)
	}))
	defer proxy.Close()
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	take(t, open(t, git.Options{URL: repo.URL(), Reference: onMain, Proxy: git.Proxy{URL: proxy.URL, Username: "p", Password: "w"}}))
	if through.Load() == 0 {
		t.Error("the proxy was not used")
	}
}

func TestSSH(t *testing.T) { eachTransport(t, testSSH) }

func testSSH(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	repo.Commit(map[string]string{"a": "1"})
	locked, lockedPublic := gitserver.NewKey(t, "open sesame")
	server := srv.SSH(lockedPublic)
	good := git.Auth{Identity: server.Identity, KnownHosts: server.KnownHosts}
	m := mirrors(t)
	s := open(t, git.Options{URL: server.URL(repo), Reference: onMain, Auth: good, Mirrors: m})
	take(t, s)
	repo.Commit(map[string]string{"b": "2"})
	if got := files(t, take(t, s)); got["a"] != "1" || got["b"] != "2" {
		t.Errorf("after a second commit: %v", got)
	}
	if !testing.Short() { // the key's derivation takes seconds under the race detector
		take(t, open(t, git.Options{URL: server.URL(repo), Reference: onMain, Auth: git.Auth{
			Identity: locked, Passphrase: "open sesame", KnownHosts: server.KnownHosts,
		}}))
	}

	hashed := knownhosts.HashHostname(knownhosts.Normalize(server.Addr)) + " " + string(ssh.MarshalAuthorizedKey(server.HostKey))
	take(t, open(t, git.Options{URL: server.URL(repo), Reference: onMain, Auth: git.Auth{
		Identity: server.Identity, KnownHosts: []byte("# comment\n\nnot a line\n" + hashed),
	}}))
	wildcard := "[127.0.0.*]:* " + string(ssh.MarshalAuthorizedKey(server.HostKey))
	take(t, open(t, git.Options{URL: server.URL(repo), Reference: onMain, Auth: git.Auth{
		Identity: server.Identity, KnownHosts: []byte(wildcard),
	}}))
}

func TestSSHErrors(t *testing.T) { eachTransport(t, testSSHErrors) }

func testSSHErrors(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	repo.Commit(map[string]string{"a": "1"})
	server := srv.SSH()
	stranger, _ := gitserver.NewKey(t, "")
	_, otherHost := gitserver.NewKey(t, "")
	line := func(hosts string, key ssh.PublicKey) []byte {
		return fmt.Appendf(nil, "%s %s", hosts, ssh.MarshalAuthorizedKey(key))
	}
	addr := "[127.0.0.1]:" + strings.TrimPrefix(server.Addr, "127.0.0.1:")
	print := ssh.FingerprintSHA256(server.HostKey)
	cases := map[string]struct {
		auth  git.Auth
		url   string
		is    error
		words []string
	}{
		"key is not let in": {git.Auth{Identity: stranger, KnownHosts: server.KnownHosts}, server.URL(repo), source.ErrAuth, []string{"SHA256:", "deploy keys"}},
		"host is unknown":   {git.Auth{Identity: server.Identity, KnownHosts: line("example.com", otherHost)}, server.URL(repo), source.ErrHostKey, []string{print, "no key for this host"}},
		"host has another key": {
			git.Auth{Identity: server.Identity, KnownHosts: line(addr, otherHost)}, server.URL(repo), source.ErrHostKey,
			[]string{print, "expects ssh-ed25519 " + ssh.FingerprintSHA256(otherHost)},
		},
		"host key is revoked": {
			git.Auth{Identity: server.Identity, KnownHosts: append(line("@revoked "+addr, server.HostKey), server.KnownHosts...)},
			server.URL(repo), source.ErrHostKey, []string{"@revoked"},
		},
		"name is excluded": {
			git.Auth{Identity: server.Identity, KnownHosts: line("[127.0.0.*]:*,!"+addr, server.HostKey)}, server.URL(repo),
			source.ErrHostKey, nil,
		},
		"repository does not exist": {
			git.Auth{Identity: server.Identity, KnownHosts: server.KnownHosts}, server.URL(repo) + "x", source.ErrNotFound, []string{"appear to be a git repository"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			wantError(t, resolveError(t, git.Options{URL: c.url, Reference: onMain, Auth: c.auth}), c.is, c.words...)
		})
	}
}

// What a server's program says when it breaks off comes after its output's end.
func TestSSHServerThatBreaksOffSaysWhy(t *testing.T) {
	eachTransport(t, testSSHServerThatBreaksOffSaysWhy)
}

func testSSHServerThatBreaksOffSaysWhy(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	repo.Commit(map[string]string{"a": "1"})
	server := srv.SSH()
	server.Program(t, "git-upload-pack", `#!/bin/sh
git upload-pack "$1" </dev/null 2>/dev/null
head -c 4 >/dev/null # of the request
exec >&-
sleep 0.1
echo "the disk has left us" >&2
exit 3
`)
	s := open(t, git.Options{URL: server.URL(repo), Reference: onMain, Auth: git.Auth{Identity: server.Identity, KnownHosts: server.KnownHosts}})
	revision, err := s.Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Fetch(t.Context(), revision)
	wantError(t, err, source.ErrUnreachable, "the disk has left us")
}

func TestSSHHostCertificate(t *testing.T) { eachTransport(t, testSSHHostCertificate) }

func testSSHHostCertificate(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	repo.Commit(map[string]string{"a": "1"})
	server := srv.SSHWithCertificate("127.0.0.1")
	addr := "[127.0.0.1]:" + strings.TrimPrefix(server.Addr, "127.0.0.1:")
	authority := func(hosts string, key ssh.PublicKey) string {
		return "@cert-authority " + hosts + " " + string(ssh.MarshalAuthorizedKey(key))
	}
	with := func(known string) git.Options {
		return git.Options{URL: server.URL(repo), Reference: onMain, Auth: git.Auth{Identity: server.Identity, KnownHosts: []byte(known)}}
	}
	take(t, open(t, with(authority(addr, server.HostCA))))
	take(t, open(t, with(authority("[127.0.0.*]:*", server.HostCA))))
	for name, known := range map[string]string{
		"of another host":   authority("example.com", server.HostCA),
		"another authority": authority(addr, server.HostKey),
		"revoked":           authority(addr, server.HostCA) + strings.Replace(authority(addr, server.HostCA), "cert-authority", "revoked", 1),
	} {
		t.Run(name, func(t *testing.T) { wantError(t, resolveError(t, with(known)), source.ErrHostKey) })
	}
	impostor := srv.SSHWithCertificate("other.example.com")
	opts := with(authority("[127.0.0.1]:*", impostor.HostCA))
	opts.URL, opts.Auth.Identity = impostor.URL(repo), impostor.Identity
	wantError(t, resolveError(t, opts), source.ErrHostKey)
}

func TestSSHPathIsNoShellCommand(t *testing.T) { eachTransport(t, testSSHPathIsNoShellCommand) }

func testSSHPathIsNoShellCommand(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("it's; echo $(id) !x")
	repo.Commit(map[string]string{"a": "1"})
	server := srv.SSH()
	url := strings.ReplaceAll(server.URL(repo), " ", "%20")
	take(t, open(t, git.Options{URL: url, Reference: onMain, Auth: git.Auth{Identity: server.Identity, KnownHosts: server.KnownHosts}}))
}

func TestSSHThroughProxy(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	repo.Commit(map[string]string{"a": "1"})
	server := srv.SSH()
	var through atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		through.Add(1)
		up, err := net.Dial("tcp", r.Host)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer up.Close()
		down, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer down.Close()
		_, _ = io.WriteString(down, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(up, down); _ = up.Close() }()
		_, _ = io.Copy(down, up)
	}))
	defer proxy.Close()
	take(t, open(t, git.Options{URL: server.URL(repo), Reference: onMain, Proxy: git.Proxy{URL: proxy.URL}, Auth: git.Auth{
		Identity: server.Identity, KnownHosts: server.KnownHosts,
	}}))
	if through.Load() == 0 {
		t.Error("the proxy was not used")
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	a := git.Auth{Username: "ann", Password: "pppp", BearerToken: "tttt", Identity: []byte("iiii"), Passphrase: "ssss", ClientKey: []byte("kkkk")}
	text := fmt.Sprintf("%v %+v %#v %s", a, a, a, a)
	for _, secret := range []string{"pppp", "tttt", "iiii", "ssss", "kkkk", "[105"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in %s", secret, text)
		}
	}
}

func TestAuthFromSecret(t *testing.T) {
	a := git.AuthFromSecret(map[string][]byte{"identity": []byte("i"), "password": []byte("p"), "known_hosts": []byte("k"), "caFile": []byte("old"), "ca.crt": []byte("new")})
	if !bytes.Equal(a.Identity, []byte("i")) || a.Passphrase != "p" || a.Password != "" || string(a.CA) != "new" {
		t.Errorf("%#v", a)
	}
}
