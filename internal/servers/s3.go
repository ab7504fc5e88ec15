package servers

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// S3 is a running versitygw over a folder.
type S3 struct {
	// Host is host:port.
	Host string
	// AccessKey and SecretKey are what it asks for.
	AccessKey, SecretKey string
	// Counter counts the requests.
	*Counter
}

// NewS3 starts the gateway until the test ends.
func NewS3(t testing.TB) *S3 {
	t.Helper()
	program := build(t, "github.com/versity/versitygw/cmd/versitygw")
	dir, side := t.TempDir(), t.TempDir()
	addr := freeAddr(t)
	s := &S3{AccessKey: "test-access", SecretKey: "test-secret-key", Counter: &Counter{}}
	cmd := exec.Command(program, "--port", addr, "--quiet", "posix", "--sidecar", side, filepath.Clean(dir)) //nolint:gosec,noctx // ended by Cleanup
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s.AccessKey, "ROOT_SECRET_KEY="+s.SecretKey)
	start(t, addr, cmd)
	s.Host = front(t, addr, s.Counter, nil)
	return s
}
