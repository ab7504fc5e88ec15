package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/gitopskit/gitopskit/internal/gitserver"
	"github.com/gitopskit/gitopskit/internal/testcluster"
)

func TestMain(m *testing.M) { os.Exit(testcluster.Main(m)) }

func TestQuickstartFollowsAFolder(t *testing.T) {
	c := testcluster.Shared(t)
	ns := c.Namespace(t)
	repo := gitserver.New(t, gitserver.Options{}).Repo("app")
	manifest := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one, namespace: " + ns + "}\ndata: {color: blue}\n"
	repo.Commit(map[string]string{"deploy/one.yaml": manifest, "deploy/two.yaml": strings.Replace(manifest, "name: one", "name: two", 1)})
	client, err := dynamic.NewForConfig(c.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	configMaps := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).Namespace(ns)
	color := func(name string) string {
		u, err := configMaps.Get(t.Context(), name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return "gone"
		}
		if err != nil {
			t.Fatal(err)
		}
		return u.Object["data"].(map[string]any)["color"].(string)
	}
	program := filepath.Join(t.TempDir(), "quickstart")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, repo.URL(), "deploy")
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig(), "HOME="+t.TempDir(), "XDG_CACHE_HOME="+t.TempDir())
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return color("one") == "blue" && color("two") == "blue" })

	repo.Remove("deploy/two.yaml")
	repo.Commit(map[string]string{"deploy/one.yaml": strings.Replace(manifest, "blue", "green", 1)})
	eventually(t, func() bool { return color("one") == "green" && color("two") == "gone" })

	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
	for _, want := range []string{"2 created", "1 updated, 1 pruned"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output does not say %q:\n%s", want, out.String())
		}
	}
}

func eventually(t *testing.T, f func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-deadline:
			t.Fatal("it did not happen within 30 s")
		case <-tick.C:
		}
	}
}

// TestReadmeShowsThisProgram keeps the README's program the one that is tested.
func TestReadmeShowsThisProgram(t *testing.T) {
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(program), "\nfunc reconcile(")
	function, _, ok := strings.Cut(rest, "\nfunc check(")
	if !ok || !strings.Contains(string(readme), "```go\nfunc reconcile("+strings.TrimSpace(function)+"\n```") {
		t.Error("the README does not have the function reconcile as it is in main.go")
	}
}
