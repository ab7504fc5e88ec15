package testcluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Compact drops the history that etcd keeps, up to now, as it happens every five
// minutes. What is watched goes on from the API server's own memory; kill the API
// server to have that forgotten too.
func (c *Cluster) Compact(t testing.TB) {
	t.Helper()
	c.needLocal(t)
	ctx, cancel := context.WithTimeout(context.Background(), faultLimit)
	defer cancel()
	e, err := c.etcd()
	if err != nil {
		t.Fatal(err)
	}
	defer e.http.CloseIdleConnections()
	var now struct {
		Header struct {
			Revision json.RawMessage `json:"revision"`
		} `json:"header"`
	}
	if err := e.call(ctx, "/v3/kv/range", map[string]any{"key": []byte{0}}, &now); err != nil {
		t.Fatalf("ask etcd for its revision: %v", err)
	}
	if err := e.call(ctx, "/v3/kv/compaction", map[string]any{"revision": now.Header.Revision, "physical": true}, &struct{}{}); err != nil {
		t.Fatalf("compact etcd: %v", err)
	}
}

// etcd is the JSON gateway of the cluster's etcd.
type etcd struct {
	url  string
	http *http.Client
}

func (c *Cluster) etcd() (*etcd, error) {
	b, err := os.ReadFile(filepath.Join(c.dataDir, "ports.json"))
	if err != nil {
		return nil, err
	}
	var ports struct {
		Etcd int `json:"etcd"`
	}
	if err := json.Unmarshal(b, &ports); err != nil {
		return nil, err
	}
	pki := filepath.Join(c.dataDir, "pki")
	cert, err := tls.LoadX509KeyPair(filepath.Join(pki, "apiserver-etcd.crt"), filepath.Join(pki, "apiserver-etcd.key"))
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(filepath.Join(pki, "ca.crt"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return &etcd{
		url: fmt.Sprintf("https://127.0.0.1:%d", ports.Etcd),
		http: &http.Client{Timeout: faultLimit, Transport: &http.Transport{
			IdleConnTimeout: time.Second,
			TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
		}},
	}, nil
}

func (e *etcd) call(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := e.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, data)
	}
	return json.Unmarshal(data, out)
}
