// Package servers starts the real servers that tests talk to: the OCI registry
// of the distribution project, the S3 gateway of Versity, nats-server, Alertmanager,
// the OTLP receiver of the OpenTelemetry collector, and nginx. All but the last
// are built from the module in internal/testservers, so that the root module does
// not depend on them; their programs are kept in the user's cache folder.
package servers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gitopskit/gitopskit/internal/parts"
)

// build returns the path of a program that it builds if need be.
func build(t testing.TB, pkg string) string {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	module := filepath.Join(filepath.Dir(here), "..", "testservers")
	sums, err := os.ReadFile(filepath.Join(module, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(pkg, "./") { // its code is here, and not in go.sum
		code, err := os.ReadFile(filepath.Join(module, pkg, "main.go"))
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, code...)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	key := sha256.Sum256(append(sums, runtime.Version()...))
	dir := filepath.Join(cache, "gitopskit-testservers", hex.EncodeToString(key[:8]))
	program := filepath.Join(dir, filepath.Base(pkg))
	if _, err := os.Stat(program); err == nil { //nolint:gosec // the user's own cache folder
		return program
	}
	if err := os.MkdirAll(dir, 0o750); err != nil { //nolint:gosec // as above
		t.Fatal(err)
	}
	temp := program + ".building-" + hex.EncodeToString(key[8:12]) + "-" + filepath.Base(t.TempDir())
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", temp, pkg) //nolint:gosec // fixed packages
	cmd.Dir, cmd.Env, cmd.Stderr = module, append(os.Environ(), "GOWORK=off"), &out
	err = cmd.Run()
	parts.Require(t, pkg, err == nil, "go build in internal/testservers: "+out.String())
	if err := os.Rename(temp, program); err != nil { //nolint:gosec // as above
		t.Fatal(err)
	}
	return program
}

// start runs a server until the test ends and waits until it accepts
// connections.
func start(t testing.TB, addr string, cmd *exec.Cmd) {
	t.Helper()
	var mu sync.Mutex
	var log bytes.Buffer
	cmd.Stdout = lockedWriter{&mu, &log}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", addr)
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-tick.C:
			continue
		case <-ended:
		case <-limit:
		}
		mu.Lock()
		defer mu.Unlock()
		t.Fatalf("%s did not start: %v\n%s", filepath.Base(cmd.Path), err, log.String())
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  *bytes.Buffer
}

func (l lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Counter counts the requests of a client by method and path.
type Counter struct {
	mu   sync.Mutex
	seen []string
}

// Requests returns "METHOD path" of each request since the last Reset.
func (c *Counter) Requests() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.seen...)
}

// Reset forgets the requests so far.
func (c *Counter) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = nil
}

func (c *Counter) note(r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, r.Method+" "+strings.TrimPrefix(r.URL.Path, "/"))
}
