package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitopskit/gitopskit/internal/testcluster"
	"github.com/gitopskit/gitopskit/ssa"
)

func TestMain(m *testing.M) { os.Exit(testcluster.Main(m)) }

const shop = `apiVersion: v1
kind: ConfigMap
metadata: {name: one}
data: {color: blue}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: two}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:1"}]}
`

type shell struct {
	t          *testing.T
	kubeconfig string
	ns         string
}

func newShell(t *testing.T) *shell {
	c := testcluster.Shared(t)
	return &shell{t: t, kubeconfig: c.Kubeconfig(), ns: c.Namespace(t)}
}

func (s *shell) run(stdin string, args ...string) (string, error) {
	s.t.Helper()
	cmd := command()
	var out bytes.Buffer
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&out)
	cmd.SetArgs(append(args, "--kubeconfig="+s.kubeconfig, "--namespace="+s.ns))
	err := cmd.ExecuteContext(s.t.Context())
	return out.String(), err
}

func TestPlanApplyPruneAndWait(t *testing.T) {
	s := newShell(t)
	out, err := s.run(shop, "-f", "-", "--inventory=shop", "--plan", "--exit-code")
	if !errors.Is(err, errChanges) || !strings.Contains(out, "3 to create") {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err = s.run(shop, "-f", "-", "--inventory=shop", "--prune", "--wait")
	if err != nil || !strings.Contains(out, "3 created") || !strings.Contains(out, "all healthy") {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err = s.run(shop, "-f", "-", "--inventory=shop", "--plan", "--exit-code")
	if err != nil || !strings.Contains(out, "3 unchanged") {
		t.Fatalf("%v\n%s", err, out)
	}

	dir := t.TempDir()
	next := strings.Replace(strings.SplitN(shop, "---", 3)[0], "blue", "green", 1)
	if err := os.WriteFile(filepath.Join(dir, "one.yaml"), []byte(next), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err = s.run("", "-f", dir, "--inventory=shop", "--prune", "--plan", "-o", "markdown")
	if err != nil || !strings.Contains(out, "+ data.color: green") || !strings.Contains(out, "- prune `Deployment/"+s.ns+"/web`") {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err = s.run("", "-f", dir, "--inventory=shop", "--prune")
	if err != nil || !strings.Contains(out, "1 updated, 2 pruned") {
		t.Fatalf("%v\n%s", err, out)
	}

	// All of it at once goes only if it is asked for by name.
	_, err = s.run("", "-f", "-", "--inventory=shop", "--prune")
	if !errors.Is(err, ssa.ErrPruneRefused) || !strings.Contains(err.Error(), "--allow-mass-prune=shop") {
		t.Fatalf("err = %v", err)
	}
	out, err = s.run("", "-f", "-", "--inventory=shop", "--prune", "--allow-mass-prune=shop")
	if err != nil || !strings.Contains(out, "1 pruned") {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	s := newShell(t)
	file := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(file, []byte(shop+"---\napiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 0}]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := s.run("", "-f", file)
	if err == nil || !strings.Contains(err.Error(), "bad.yaml, document 4") || !strings.Contains(err.Error(), "spec.ports[0].port") {
		t.Errorf("err = %v", err)
	}
	for _, args := range [][]string{{}, {"-f", "-", "--prune"}, {"-f", "-", "--plan", "-o", "xml"}, {"-f", "-", "--inventory=shop", "--allow-mass-prune=ship"}, {"--nonsense"}} {
		_, err := s.run(shop, args...)
		var usage usageError
		if !errors.As(err, &usage) {
			t.Errorf("%v: %v", args, err)
		}
	}
	if _, err := s.run("a: [", "-f", "-"); err == nil || !strings.Contains(err.Error(), "document 1") {
		t.Errorf("err = %v", err)
	}
}
