package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitopskit/gitopskit/internal/testcluster"
)

// asCommand makes the test binary the command, for tests of the process.
const asCommand = "APPLY_TEST_IS_THE_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(testcluster.Main(m))
}

const shop = `apiVersion: v1
kind: ConfigMap
metadata: {name: one}
data: {color: blue}
---
apiVersion: v1
kind: Secret
metadata: {name: two}
stringData: {password: hunter1}
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

func (s *shell) args(args ...string) []string {
	return append(args, "--kubeconfig="+s.kubeconfig, "--namespace="+s.ns)
}

// run runs a command and returns what it writes; its exit code has to be code.
func (s *shell) run(code int, stdin string, args ...string) (out, errs string) {
	s.t.Helper()
	return runCommand(s.t, code, stdin, s.args(args...)...)
}

func runCommand(t *testing.T, code int, stdin string, args ...string) (out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if got := run(t.Context(), args, strings.NewReader(stdin), &stdout, &stderr); got != code {
		t.Fatalf("%v: exit code %d, want %d\n%s\n%s", args, got, code, stdout.String(), stderr.String())
	}
	return stdout.String(), stderr.String()
}

func (s *shell) says(text string, wanted ...string) {
	s.t.Helper()
	for _, w := range wanted {
		if !strings.Contains(text, w) {
			s.t.Errorf("%q is not in\n%s", w, text)
		}
	}
	if strings.Contains(text, "hunter") || strings.Contains(text, "aHVudGVy") {
		s.t.Errorf("the value of a Secret is in\n%s", text)
	}
}

func TestPlanApplyPruneAndWait(t *testing.T) {
	s := newShell(t)
	out, errs := s.run(exitChanges, shop, "-f", "-", "--inventory=shop", "--plan", "--exit-code")
	s.says(out, "3 to create")
	s.says(errs, "validating 3 objects")
	out, errs = s.run(0, shop, "-f", "-", "--inventory=shop", "--prune", "--wait")
	s.says(out, "3 created")
	s.says(errs, "+ create Deployment/"+s.ns+"/web", "waiting for 1 object", "✓ 1 of 1 ready")
	out, errs = s.run(0, shop, "-f", "-", "--inventory=shop", "--plan", "--exit-code", "--progress=none")
	s.says(out, "3 unchanged")
	if errs != "" {
		t.Errorf("progress, and none was wanted:\n%s", errs)
	}

	next := strings.NewReplacer("blue", "green", "hunter1", "hunter2").Replace(shop[:strings.LastIndex(shop, "---")])
	out, _ = s.run(0, next, "-f", "-", "--inventory=shop", "--prune", "--plan", "-o", "markdown")
	s.says(out, "+ data.color: green", "- prune `Deployment/"+s.ns+"/web`")
	out, errs = s.run(0, next, "-f", "-", "--inventory=shop", "--prune")
	s.says(out, "2 updated, 1 pruned")
	s.says(errs, "data.color: blue → green", "data.password: *** → ***", "- prune Deployment/"+s.ns+"/web")

	// All of it at once goes only if it is asked for by name.
	_, errs = s.run(exitFailed, "", "-f", "-", "--inventory=shop", "--prune")
	s.says(errs, "--allow-mass-prune=shop")
	out, _ = s.run(0, "", "-f", "-", "--inventory=shop", "--prune", "--allow-mass-prune=shop", "--progress=none")
	s.says(out, "prune ConfigMap/"+s.ns+"/one", "2 pruned")
}

func TestAPlanIsCarriedOutAsItWasShownOrNotAtAll(t *testing.T) {
	s := newShell(t)
	plan, _ := s.run(0, shop, "-f", "-", "--inventory=shop", "--plan", "-o", "json")
	s.says(plan, `"action": "create"`)
	file := filepath.Join(write(t, map[string]string{"plan.json": plan, "no-plan.json": "{}"}), "plan.json")
	_, errs := s.run(exitFailed, strings.Replace(shop, "blue", "red", 1), "-f", "-", "--inventory=shop", "--expect", file)
	s.says(errs, "its content was changed in the set", "make a new plan")
	out, _ := s.run(0, shop, "-f", "-", "--inventory=shop", "--expect", file)
	s.says(out, "3 created")
	_, errs = s.run(exitFailed, shop, "-f", "-", "--expect", filepath.Join(filepath.Dir(file), "no-plan.json"))
	s.says(errs, "no-plan.json is not a plan")
}

func TestTheResultForScripts(t *testing.T) {
	s := newShell(t)
	broken := strings.Replace(shop, "labels: {app: web}}\n    spec", "labels: {app: web}, annotations: {gitopskit.github.io/pod: image-pull}}\n    spec", 1)
	out, errs := s.run(exitUnhealthy, broken, "-f", "-", "--wait", "--timeout=3s", "-o", "json")
	s.says(errs, "✗ 0 of 1 ready", "not ready in time: 1 object is not healthy")
	var got report
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.says(out, "not ready in time")
	if got.Summary != "3 created" || !got.Changed || len(got.Objects) != 3 || got.Objects[0].UID == "" || got.Objects[0].ResourceVersion == "" {
		t.Errorf("%+v", got)
	}
	if len(got.Missing) != 1 || !strings.Contains(got.Missing[0].Message, "ImagePullBackOff") {
		t.Errorf("what is missing: %+v", got.Missing)
	}
	out, _ = s.run(0, strings.Replace(shop, "blue", "red", 1), "-f", "-", "-o", "markdown")
	s.says(out, "**2 updated, 1 unchanged**", "| update | `ConfigMap/"+s.ns+"/one` |")
}

func TestConflictsAndWhoseAnObjectIs(t *testing.T) {
	s := newShell(t)
	s.run(0, shop, "-f", "-", "--inventory=shop", "--field-manager=first")
	red := strings.Replace(shop[:strings.Index(shop, "---")], "blue", "red", 1)
	_, errs := s.run(exitFailed, red, "-f", "-", "--conflicts=fail")
	s.says(errs, "data.color", "first", "--conflicts=yield")
	out, _ := s.run(0, red, "-f", "-", "--conflicts=yield", "-o", "json")
	s.says(out, `"yielded"`)
	_, errs = s.run(exitFailed, red, "-f", "-", "--inventory=other", "--adopt=unowned")
	s.says(errs, "--adopt=any")
	out, _ = s.run(0, red, "-f", "-", "--ignore=ConfigMap:/data/color", "-o", "json")
	if strings.Contains(out, `"new": "red"`) {
		t.Errorf("an ignored field was changed:\n%s", out)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	s := newShell(t)
	dir := write(t, map[string]string{
		"bad.yaml": shop + "---\napiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 0}]}\n",
		"empty/a":  "",
		"nowhere":  "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\ncontexts: [{name: c, context: {cluster: c}}]\ncurrent-context: c\n",
	})
	_, errs := s.run(exitFailed, "", "-f", filepath.Join(dir, "bad.yaml"))
	s.says(errs, "bad.yaml, document 4", "spec.ports[0].port", "not reached", "failed for 1 of the objects")
	_, errs = s.run(exitFailed, "", "-f", filepath.Join(dir, "empty"))
	s.says(errs, "there are no manifests in "+dir)
	_, errs = runCommand(t, exitFailed, shop, "-f", "-", "--kubeconfig", filepath.Join(dir, "nowhere"))
	s.says(errs, "the cluster at http://127.0.0.1:1 can't be reached", "refused")
	_, errs = runCommand(t, exitFailed, shop, "-f", "-", "--kubeconfig", filepath.Join(dir, "nowhere"), "--context=other")
	s.says(errs, `"other"`)

	for want, args := range map[string][]string{
		"give the manifests":           {},
		"--prune needs --inventory":    {"-f", "-", "--prune"},
		"none of text, json, markdown": {"-f", "-", "--plan", "-o", "xml"},
		"not the name":                 {"-f", "-", "--inventory=shop", "--allow-mass-prune=ship"},
		"--nonsense":                   {"--nonsense"},
		"give manifests by -f x.yaml":  {"x.yaml"},
		"of the form":                  {"-f", "-", "--ignore=replicas"},
		"is for --plan":                {"-f", "-", "--exit-code"},
		"give one of them":             {"-f", "-", "--plan", "--expect=x"},
	} {
		_, errs := s.run(exitUsage, shop, args...)
		s.says(errs, want, "see apply --help")
	}
}

func TestCtrlCWhileThereIsNothingToRead(t *testing.T) {
	s := newShell(t)
	never, end := io.Pipe()
	t.Cleanup(func() { _ = end.Close() }) // so that the reading ends
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs bytes.Buffer
	if code := run(ctx, s.args("-f", "-"), never, &out, &errs); code != exitInterrupted || out.Len() > 0 {
		t.Errorf("exit code %d\n%s\n%s", code, out.String(), errs.String())
	}
}
