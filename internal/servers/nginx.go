package servers

import (
	"fmt"
	"net/http"
	"os/exec"
	"os/user"
	"path/filepath"
	"sync"
	"testing"

	"github.com/gitopskit/gitopskit/internal/parts"
)

// Nginx serves the files of a folder.
type Nginx struct {
	// URL is http://host:port.
	URL string
	// Dir is the folder.
	Dir string
	// Counter counts the requests.
	*Counter

	mu       sync.Mutex
	statuses []int
}

// NewNginx starts nginx for a folder of its own until the test ends.
func NewNginx(t testing.TB) *Nginx {
	t.Helper()
	program, err := exec.LookPath("/usr/sbin/nginx")
	if err != nil {
		program = parts.RequireProgram(t, "nginx", "apt-get install nginx-light")
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	run := t.TempDir()
	n := &Nginx{Dir: t.TempDir(), Counter: &Counter{}}
	addr := freeAddr(t)
	as := ""
	if me.Uid == "0" { // else the workers, as nobody, could not read the folder
		as = "user root;\n"
	}
	config := fmt.Sprintf(`%sdaemon off; master_process off; pid %s/pid; error_log stderr warn;
events {}
http {
  access_log off; default_type application/octet-stream;
  client_body_temp_path %s/b; proxy_temp_path %s/p; fastcgi_temp_path %s/f; uwsgi_temp_path %s/u; scgi_temp_path %s/s;
  server { listen %s; root %s; }
}`, as, run, run, run, run, run, run, addr, n.Dir)
	put(t, filepath.Join(run, "nginx.conf"), []byte(config))
	start(t, addr, exec.Command(program, "-p", run, "-c", filepath.Join(run, "nginx.conf"))) //nolint:gosec,noctx // ended by Cleanup
	n.URL = "http://" + front(t, addr, n.Counter, n.note)
	return n
}

// Statuses returns the status of each answer since the last Reset.
func (n *Nginx) Statuses() []int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]int(nil), n.statuses...)
}

// Reset forgets requests and answers so far.
func (n *Nginx) Reset() {
	n.mu.Lock()
	n.statuses = nil
	n.mu.Unlock()
	n.Counter.Reset()
}

func (n *Nginx) note(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(s, r)
		n.mu.Lock()
		defer n.mu.Unlock()
		n.statuses = append(n.statuses, s.status)
	})
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (s *statusWriter) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}
