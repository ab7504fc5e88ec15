package testcluster_test

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitopskit/gitopskit/internal/testcluster"
)

func TestKilledComponentsComeBackWithTheirData(t *testing.T) {
	c := testcluster.New(t)
	client := connect(t, c)
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kept"}}
	if _, err := client.CoreV1().ConfigMaps("default").Create(t.Context(), cm, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	c.Compact(t)
	c.KillAPIServer(t)
	for _, component := range []string{testcluster.Etcd, testcluster.ControllerManager, testcluster.Scheduler, testcluster.Kwok} {
		c.Kill(t, component)
	}
	c.WaitReady(t)
	if _, err := client.CoreV1().ConfigMaps("default").Get(t.Context(), "kept", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}

	resume := c.StopComponent(t, testcluster.APIServer)
	if _, err := client.CoreV1().ConfigMaps("default").Get(t.Context(), "kept", metav1.GetOptions{}); err == nil {
		t.Error("the API server answers although it is held down")
	}
	resume()
	c.WaitReady(t)
	if _, err := client.CoreV1().ConfigMaps("default").Get(t.Context(), "kept", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
}

const helperEnv = "TESTCLUSTER_HELPER"

// TestHelperProcess is not a test: it is what the next one kills.
func TestHelperProcess(t *testing.T) {
	if os.Getenv(helperEnv) == "" {
		return
	}
	c := testcluster.Shared(t)
	if _, err := os.Stdout.WriteString("kubeconfig=" + c.Kubeconfig() + "\n"); err != nil {
		t.Fatal(err)
	}
	if os.Getenv(helperEnv) == "panic" {
		panic("as asked")
	}
	select {}
}

func TestClusterEndsWithItsOwner(t *testing.T) {
	testcluster.Shared(t) // or skip
	for _, how := range []string{"panic", "kill"} {
		t.Run(how, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHelperProcess$")
			cmd.Env = append(os.Environ(), helperEnv+"="+how, testcluster.KubeconfigEnv+"=")
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			kubeconfig := readKubeconfig(t, bufio.NewScanner(out))
			if how == "kill" {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			if err := cmd.Wait(); err == nil {
				t.Error("the owner ended without an error")
			}
			waitGone(t, kubeconfig)
		})
	}
}

func readKubeconfig(t *testing.T, lines *bufio.Scanner) string {
	t.Helper()
	for lines.Scan() {
		if path, ok := strings.CutPrefix(lines.Text(), "kubeconfig="); ok {
			return path
		}
	}
	t.Fatal("the owner of the cluster did not say where it is")
	return ""
}

// waitGone waits until the data of an ephemeral cluster has been removed, which
// is the last thing that it does.
func waitGone(t *testing.T, file string) {
	t.Helper()
	limit := time.After(time.Minute)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(file); os.IsNotExist(err) {
			return
		}
		select {
		case <-limit:
			t.Fatalf("%s is still there: the cluster outlived its owner", file)
		case <-tick.C:
		}
	}
}
