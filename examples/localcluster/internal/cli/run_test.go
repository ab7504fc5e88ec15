//go:build unix

package cli_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/gitopskit/gitopskit/examples/localcluster/internal/cli"
	"github.com/gitopskit/gitopskit/examples/localcluster/internal/cluster"
)

// program is the built binary, which these tests run as a user does.
type program struct {
	t    *testing.T
	path string
}

func newProgram(t *testing.T) *program {
	t.Helper()
	path := os.Getenv("GITOPSKIT_LOCALCLUSTER")
	if path == "" {
		path = filepath.Join("..", "..", "..", "..", "bin", "localcluster")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%v: run 'make cluster-build'", err)
		}
		t.Skipf("%v: run 'make cluster-build'", err)
	}
	t.Setenv(cluster.HomeEnv, t.TempDir())
	p := &program{t: t, path: path}
	t.Cleanup(func() { p.run("down", "--all", "--purge") })
	return p
}

func (p *program) run(args ...string) (code int, stdout, stderr string) {
	p.t.Helper()
	var out, errOut bytes.Buffer
	cmd := exec.Command(p.path, args...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errOut.String()
}

func (p *program) want(code int, says string, args ...string) string {
	p.t.Helper()
	got, out, errOut := p.run(args...)
	if got != code || !strings.Contains(out+errOut, says) {
		p.t.Fatalf("%v: exit code %d, want %d and %q in:\n%s%s", args, got, code, says, out, errOut)
	}
	return out
}

func (p *program) status(name string) cluster.Status {
	p.t.Helper()
	var s cluster.Status
	out := p.want(cli.ExitOK, "", "status", "--name", name, "-o", "json")
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		p.t.Fatal(err)
	}
	return s
}

func client(t *testing.T, s cluster.Status) kubernetes.Interface {
	t.Helper()
	cfg, err := clientcmd.BuildConfigFromFlags("", s.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	c, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLifeOfACluster(t *testing.T) {
	p := newProgram(t)
	extra := filepath.Join(t.TempDir(), "kubeconfig")
	p.want(cli.ExitOK, "ready after", "up", "--name", "a", "--nodes", "2", "--detach", "--kubeconfig", extra)
	s := p.status("a")
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kept"}}
	if _, err := client(t, s).CoreV1().ConfigMaps("default").Create(t.Context(), cm, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}

	server, err := url.Parse(s.Server)
	if err != nil {
		t.Fatal(err)
	}
	p.want(cli.ExitFailed, "already running", "up", "--name", "a")
	p.want(cli.ExitFailed, "already running", "up", "--name", "b", "--data-dir", s.DataDir)
	p.want(cli.ExitFailed, "in use by another program", "up", "--name", "c", "--port", server.Port())
	p.want(cli.ExitOK, "ready after", "up", "--name", "side-by-side", "--detach")
	p.want(cli.ExitOK, "has ended", "down", "--name", "side-by-side", "--purge")

	killAll(t, s)
	p.want(cli.ExitNotRunning, "stopped", "status", "--name", "a")
	p.want(cli.ExitOK, "with its data", "up", "--name", "a", "--detach")
	again := p.status("a")
	if again.Server != s.Server {
		t.Errorf("the second run is at %s, the first was at %s", again.Server, s.Server)
	}
	c := client(t, again)
	if _, err := c.CoreV1().ConfigMaps("default").Get(t.Context(), "kept", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
	if nodes, err := c.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{}); err != nil || len(nodes.Items) != 1 {
		t.Errorf("%d nodes, want the 1 of the second run; %v", len(nodes.Items), err)
	}

	p.want(cli.ExitOK, "has ended", "down", "--name", "a")
	p.want(cli.ExitNotRunning, "not running", "down", "--name", "a")
	p.want(cli.ExitOK, "stopped", "list")
	p.want(cli.ExitOK, "removed", "down", "--name", "a", "--purge")
	for _, gone := range []string{s.DataDir, extra} {
		if _, err := os.Stat(gone); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", gone, err)
		}
	}
}

// killAll kills the supervisor with SIGKILL and waits until no component is left.
func killAll(t *testing.T, s cluster.Status) {
	t.Helper()
	if err := syscall.Kill(s.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	limit := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for _, c := range s.Components {
		for syscall.Kill(c.PID, 0) == nil {
			select {
			case <-limit:
				t.Fatalf("%s outlived its supervisor", c.Name)
			case <-tick.C:
			}
		}
	}
}

func TestCrashingComponentEndsTheClusterWithItsLog(t *testing.T) {
	p := newProgram(t)
	dir := filepath.Join(t.TempDir(), "data")
	p.want(cli.ExitOK, "ready after", "up", "--name", "a", "--data-dir", dir, "--detach")
	p.want(cli.ExitOK, "has ended", "down", "--name", "a")
	wal, err := filepath.Glob(filepath.Join(dir, "etcd", "member", "wal", "*.wal"))
	if err != nil || len(wal) == 0 {
		t.Fatalf("%v, %v", wal, err)
	}
	for _, f := range wal {
		if err := os.WriteFile(f, bytes.Repeat([]byte("broken"), 1000), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, _, said := p.run("up", "--name", "a", "--data-dir", dir)
	for _, want := range []string{
		fmt.Sprintf("etcd crashed 5 times in a row (exit status 2); the end of %s", filepath.Join(dir, "logs", "etcd.log")),
		"panic: ",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not in:\n%s", want, said)
		}
	}
}

func TestInterruptEndsTheClusterInOrder(t *testing.T) {
	p := newProgram(t)
	cmd := exec.Command(p.path, "up", "--ephemeral", "-o", "json")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var s cluster.Status
	if err := json.NewDecoder(out).Decode(&s); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v; it said:\n%s", err, errOut.String())
	}
	if strings.Contains(errOut.String(), "killing it") {
		t.Errorf("a component had to be killed:\n%s", errOut.String())
	}
	if _, err := os.Stat(s.DataDir); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", s.DataDir, err)
	}
	for _, c := range s.Components {
		if syscall.Kill(c.PID, 0) == nil {
			t.Errorf("%s still runs", c.Name)
		}
	}
}
