package httpclient

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func get(t *testing.T, o Options, url string) (string, error) {
	t.Helper()
	transport, err := New(o)
	if err != nil {
		return "", err
	}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	return string(data), err
}

// pair is a certificate of its own authority, with its key, in PEM.
func pair(t *testing.T) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client"}, IsCA: true, BasicConstraintsValid: true,
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

func TestTrustAndClientCertificates(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
	}))
	cert, key := pair(t)
	known := x509.NewCertPool()
	known.AppendCertsFromPEM(cert)
	srv.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: known}
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if got, err := get(t, Options{CA: ca, ClientCert: cert, ClientKey: key}, srv.URL); got != "client" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := get(t, Options{CA: ca}, srv.URL); err == nil || !IsCertificateError(err) {
		t.Errorf("no client certificate: %v", err)
	}
	if _, err := get(t, Options{ClientCert: cert, ClientKey: key}, srv.URL); err == nil || !IsCertificateError(err) {
		t.Errorf("unknown authority: %v", err)
	}
}

func TestProxies(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1") // what is set beats it
	var asked atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		want := "Basic " + base64.StdEncoding.EncodeToString([]byte("ann:s3cret"))
		if r.Header.Get("Proxy-Authorization") != want {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		asked.Add(1)
		_, _ = io.WriteString(w, "through the proxy to "+r.URL.Host)
	}))
	defer proxy.Close()
	got, err := get(t, Options{ProxyURL: proxy.URL, ProxyUsername: "ann", ProxyPassword: "s3cret"}, "http://nowhere.invalid/x")
	if got != "through the proxy to nowhere.invalid" || err != nil || asked.Load() != 1 {
		t.Errorf("%q, %v", got, err)
	}
	socks := socksProxy(t, "ann", "s3cret")
	got, err = get(t, Options{ProxyURL: "socks5://" + socks, ProxyUsername: "ann", ProxyPassword: "s3cret"}, "http://nowhere.invalid/x")
	if got != "by SOCKS" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := get(t, Options{ProxyURL: "socks5://" + socks, ProxyUsername: "ann", ProxyPassword: "wr0ng"}, "http://nowhere.invalid/x"); err == nil || strings.Contains(err.Error(), "wr0ng") {
		t.Errorf("%v", err)
	}
}

// socksProxy speaks as much of RFC 1928 and 1929 as a client needs to hear, and
// then answers for the server.
func socksProxy(t *testing.T, user, password string) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	serve := func(c net.Conn) {
		defer c.Close()
		r := bufio.NewReader(c)
		text := func() string {
			n, _ := r.ReadByte()
			b := make([]byte, n)
			_, _ = io.ReadFull(r, b)
			return string(b)
		}
		_, _ = r.ReadByte()
		_ = text() // the methods
		_, _ = c.Write([]byte{5, 2})
		_, _ = r.ReadByte()
		if u, p := text(), text(); u != user || p != password {
			_, _ = c.Write([]byte{1, 1})
			return
		}
		_, _ = c.Write([]byte{1, 0})
		_, _ = io.ReadFull(r, make([]byte, 4))
		_ = text() // the host
		_, _ = io.ReadFull(r, make([]byte, 2))
		_, _ = c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		if _, err := http.ReadRequest(r); err == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\nby SOCKS")
		}
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(c)
		}
	}()
	return l.Addr().String()
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	cert, key := pair(t)
	for name, o := range map[string]Options{
		"CA":         {CA: []byte("x")},
		"only a key": {ClientKey: key}, "only a certificate": {ClientCert: cert},
		"proxy": {ProxyURL: "ftp://x"}, "proxy without host": {ProxyURL: "http://"},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestLimit(t *testing.T) {
	read := func(n int64) error {
		_, err := io.ReadAll(Limit(io.NopCloser(strings.NewReader("hello")), n))
		return err
	}
	if err := errors.Join(read(5), read(6)); err != nil {
		t.Error(err)
	}
	if err := read(4); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}
