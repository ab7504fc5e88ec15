package gitopskit_test

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/gitopskit/gitopskit"

// graph maps a package to those that it imports.
type graph map[string][]string

// siblings says which of the public folders a public folder may import, besides
// itself. Whatever is not named here may import none.
var siblings = map[string][]string{
	"source": {}, "render": {}, "inventory": {}, "imagepolicy": {}, "notify": {},
	"ssa": {"inventory"},
}

// withoutKubernetes are the folders, with all below them, that a program without
// Kubernetes can use; of source, the packages that are named.
var withoutKubernetes = []string{
	"source", "source/git", "source/oci/...", "source/bucket/...", "source/archive", "source/store",
	"imagepolicy/...", "notify/...",
}

// neverInSDK are modules that no package of the SDK needs.
var neverInSDK = []string{
	"sigs.k8s.io/controller-runtime", "k8s.io/kubernetes",
	// What these are needed for are modules of their own.
	"github.com/sigstore/sigstore-go", "github.com/notaryproject/notation-go", "github.com/aws/aws-sdk-go-v2",
}

// violations returns what of the graph is not as the design has it, sorted.
func violations(g graph) []string {
	var out []string
	for pkg := range g {
		name, ours := strings.CutPrefix(pkg, module+"/")
		if !ours {
			continue
		}
		deps := closure(g, pkg)
		for _, d := range deps {
			if why := forbidden(name, d); why != "" {
				out = append(out, name+" imports "+strings.TrimPrefix(d, module+"/")+": "+why)
			}
		}
	}
	slices.Sort(out)
	return out
}

func forbidden(name, dep string) string {
	top, _, _ := strings.Cut(name, "/")
	if depName, ours := strings.CutPrefix(dep, module+"/"); ours {
		depTop, _, _ := strings.Cut(depName, "/")
		switch {
		case depTop == top || depTop == "internal":
			return ""
		case top == "internal":
			return "internal packages import nothing public"
		case !slices.Contains(siblings[top], depTop):
			return "these two do not know each other"
		}
		return ""
	}
	if within(dep, "k8s.io") && slices.ContainsFunc(withoutKubernetes, func(p string) bool { return matches(name, p) }) {
		return "it compiles without Kubernetes"
	}
	if slices.ContainsFunc(neverInSDK, func(m string) bool { return within(dep, m) }) {
		return "it does not belong into the SDK"
	}
	if within(dep, "testing") && top != "internal" {
		return "it is for tests"
	}
	return ""
}

func within(pkg, prefix string) bool { return pkg == prefix || strings.HasPrefix(pkg, prefix+"/") }

func matches(name, pattern string) bool {
	if root, all := strings.CutSuffix(pattern, "/..."); all {
		return within(name, root)
	}
	return name == pattern
}

// closure returns all packages that pkg imports, directly or not.
func closure(g graph, pkg string) []string {
	seen := map[string]bool{}
	queue := slices.Clone(g[pkg])
	for len(queue) > 0 {
		next := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if !seen[next] {
			seen[next] = true
			queue = append(queue, g[next]...)
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

func goCommand(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Env = append(cmd.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go %v: %v\n%s", args, err, exit.Stderr)
		}
		t.Fatal(err)
	}
	return out
}

func loadGraph(t *testing.T) graph {
	t.Helper()
	g := graph{}
	dec := json.NewDecoder(strings.NewReader(string(goCommand(t, "list", "-deps", "-json=ImportPath,Imports", "./..."))))
	for {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return g
		} else if err != nil {
			t.Fatal(err)
		}
		g[p.ImportPath] = p.Imports
	}
}

func TestWhoImportsWhom(t *testing.T) {
	g := loadGraph(t)
	if len(g) < 50 {
		t.Fatalf("only %d packages: the graph is not whole", len(g))
	}
	for _, v := range violations(g) {
		t.Error(v)
	}
}

func TestRootModuleHasNoReplace(t *testing.T) {
	var mod struct {
		Replace []any
		Require []struct{ Path string }
	}
	if err := json.Unmarshal(goCommand(t, "mod", "edit", "-json"), &mod); err != nil {
		t.Fatal(err)
	}
	if len(mod.Replace) > 0 {
		t.Errorf("go install PACKAGE@VERSION refuses a module with replaces: %v", mod.Replace)
	}
	for _, r := range mod.Require {
		for _, never := range neverInSDK {
			if within(r.Path, never) {
				t.Errorf("go.mod requires %s", never)
			}
		}
	}
}

func TestViolationsAreSeen(t *testing.T) {
	in := func(p string) string { return module + "/" + p }
	cases := map[string]struct {
		g    graph
		want []string
	}{
		"what the design allows": {graph{
			in("ssa"):           {in("inventory"), in("ssa/health"), "k8s.io/client-go/rest"},
			in("inventory"):     {in("internal/a"), "k8s.io/api/core/v1"},
			in("source/git"):    {in("source"), "fmt"},
			in("source/helm"):   {"k8s.io/api/core/v1"},
			in("internal/a"):    {in("internal/b")},
			in("render/helm/x"): {in("render")},
		}, nil},
		"a sibling": {graph{in("render"): {in("source/git")}},
			[]string{"render imports source/git: these two do not know each other"}},
		"a sibling behind another package": {graph{in("notify"): {in("internal/a")}, in("internal/a"): {in("ssa")}},
			[]string{"internal/a imports ssa: internal packages import nothing public", "notify imports ssa: these two do not know each other"}},
		"the way back from inventory": {graph{in("inventory"): {in("ssa")}},
			[]string{"inventory imports ssa: these two do not know each other"}},
		"Kubernetes where there is none": {graph{in("imagepolicy/setters"): {"example.com/a"}, "example.com/a": {"k8s.io/klog/v2"}},
			[]string{"imagepolicy/setters imports k8s.io/klog/v2: it compiles without Kubernetes"}},
		"what is for tests": {graph{in("render/helm"): {"testing/fstest"}, in("internal/parts"): {"testing"}},
			[]string{"render/helm imports testing/fstest: it is for tests"}},
		"controller-runtime": {graph{in("ssa"): {"sigs.k8s.io/controller-runtime/pkg/client"}},
			[]string{"ssa imports sigs.k8s.io/controller-runtime/pkg/client: it does not belong into the SDK"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(c.want, violations(c.g)); d != "" {
				t.Error(d)
			}
		})
	}
}
