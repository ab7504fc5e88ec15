package e2e

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/gitopskit/gitopskit/internal/testcluster"
)

// command runs the built program and returns what it prints and its exit code.
func command(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	var buf bytes.Buffer
	cmd.Stdout, cmd.Stderr = &buf, &buf
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return buf.String(), cmd.ProcessState.ExitCode()
}

func TestInstallThenCheck(t *testing.T) {
	c := testcluster.New(t, "--ephemeral")
	kubeconfig := "--kubeconfig=" + c.Kubeconfig()

	out, code := command(t, "check", "--pre", kubeconfig)
	if code != 0 || !strings.Contains(out, "Kubernetes v1.") {
		t.Fatalf("check --pre: %d\n%s", code, out)
	}
	out, code = command(t, "check", kubeconfig)
	if code != 1 || !strings.Contains(out, "run 'reconciler install'") {
		t.Errorf("check before the installation: %d\n%s", code, out)
	}
	out, code = command(t, "install", kubeconfig, "--timeout=2m")
	if code != 0 {
		t.Fatalf("install: %d\n%s", code, out)
	}
	out, code = command(t, "check", kubeconfig)
	if code != 0 || !strings.Contains(out, "Deployment flux-system/reconciler: Current") {
		t.Errorf("check: %d\n%s", code, out)
	}
	if out, code = command(t, "install", kubeconfig); code != 0 || strings.Contains(out, "create ") || strings.Contains(out, "update ") {
		t.Errorf("a second installation changes something: %d\n%s", code, out)
	}

	exported, code := command(t, "install", "--export")
	if code != 0 {
		t.Fatal(exported)
	}
	kubectl := c.Kubectl(t, "apply", "--server-side", "--force-conflicts", "--validate=strict", "--dry-run=server", "-f", "-")
	kubectl.Stdin = strings.NewReader(exported)
	if out, err := kubectl.CombinedOutput(); err != nil {
		t.Errorf("kubectl does not take what is exported: %v\n%s", err, out)
	}
}

func TestCommandLineMistakes(t *testing.T) {
	for _, args := range [][]string{{"run", "--nonsense"}, {"nonsense"}, {"run", "--log-level=loud"}, {"run", "--log-encoding=morse"}} {
		if out, code := command(t, args...); code != 2 {
			t.Errorf("%v: exit code %d\n%s", args, code, out)
		}
	}
	if out, code := command(t, "run", "--kubeconfig=/nonexistent"); code != 1 || !strings.Contains(out, "--kubeconfig") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	for _, args := range [][]string{{"--help"}, {"run", "--help"}, {"version"}} {
		if out, code := command(t, args...); code != 0 || out == "" {
			t.Errorf("%v: exit code %d\n%s", args, code, out)
		}
	}
}
