package notify

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serve takes posts until its input ends: /0 … /4 count, /hang hangs, /count
// answers how many there were and begins anew.
func serve() {
	var count atomic.Int64
	hold := make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch r.URL.Path {
		case "/hang":
			select {
			case <-r.Context().Done():
			case <-hold:
			}
		case "/count":
			fmt.Fprint(w, count.Swap(0))
		default:
			count.Add(1)
		}
	})
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = nil
	cert, key, err := certificate()
	if err != nil {
		panic(err)
	}
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	srv.EnableHTTP2 = true
	srv.StartTLS()
	plain := httptest.NewServer(h)
	fmt.Fprintln(os.Stdout, srv.URL, plain.URL)
	_ = pem.Encode(os.Stdout, &pem.Block{Type: "CERTIFICATE", Bytes: cert})
	fmt.Fprintln(os.Stdout)
	_, _ = io.Copy(io.Discard, os.Stdin)
	close(hold)
}

type server struct {
	secure, plain string
	ca            []byte
	client        *http.Client
}

func startServer(b *testing.B) *server {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0]) //nolint:gosec // this test program
	cmd.Env = append(os.Environ(), serverVar+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	lines := bufio.NewScanner(out)
	lines.Scan()
	urls := strings.Fields(lines.Text())
	s := &server{secure: urls[0], plain: urls[1], client: &http.Client{}}
	for lines.Scan() && lines.Text() != "" {
		s.ca = append(append(s.ca, lines.Bytes()...), '\n')
	}
	b.Cleanup(s.client.CloseIdleConnections)
	return s
}

func (s *server) count(b *testing.B) int64 {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, s.plain+"/count", nil)
	if err != nil {
		b.Fatal(err)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	var n int64
	if _, err := fmt.Fscan(resp.Body, &n); err != nil {
		b.Fatal(err)
	}
	return n
}

// certificate makes one as the vendors have it today: a P-256 key, whose handshake
// costs a server a tenth of RSA's.
func certificate() ([]byte, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"}, NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	return cert, key, err
}
