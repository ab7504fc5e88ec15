package envsubst

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	asJSON, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	obj := &unstructured.Unstructured{}
	if err := obj.UnmarshalJSON(asJSON); err != nil {
		t.Fatal(err)
	}
	return obj
}

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: "${name}", namespace: shop, labels: {"${key}": x}}
spec:
  replicas: "${n}"
  template:
    spec:
      containers:
        - name: app
          args: ["--level=${level:-info}", "${list}", "$${HOME}", "quoted: ${name}"]
`

func TestObjectsChangeTypesAndKeys(t *testing.T) {
	in := object(t, deployment)
	before := in.DeepCopy()
	got, err := Objects([]*unstructured.Unstructured{in}, Substitution{Variables: map[string]string{
		"name": "web", "n": "3", "list": "[a, b]", "key": "team",
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := object(t, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {team: x}}
spec:
  replicas: 3
  template:
    spec:
      containers:
        - name: app
          args: ["--level=info", [a, b], "${HOME}", "quoted: web"]
`)
	if diff := cmp.Diff(want.Object, got[0].Object); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(before.Object, in.Object); diff != "" {
		t.Errorf("the input was changed: %s", diff)
	}
}

func TestObjectsLeftAlone(t *testing.T) {
	const plain = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a%s}, data: {k: '${x:-y} $${z}'}}"
	for name, tc := range map[string]struct {
		meta string
		s    Substitution
		want string
	}{
		"no variables":                  {"", Substitution{}, "${x:-y} $${z}"},
		"no variables but always":       {"", Substitution{Always: true}, "y ${z}"},
		"variables":                     {"", Substitution{Variables: map[string]string{"x": "1"}}, "1 ${z}"},
		"opted out by annotation":       {", annotations: {" + OptOut + ": disabled}", Substitution{Always: true}, "${x:-y} $${z}"},
		"opted out by label":            {", labels: {" + OptOut + ": disabled}", Substitution{Always: true}, "${x:-y} $${z}"},
		"another value does not opt it": {", labels: {" + OptOut + ": enabled}", Substitution{Always: true}, "y ${z}"},
	} {
		t.Run(name, func(t *testing.T) {
			in := object(t, strings.Replace(plain, "%s", tc.meta, 1))
			got, err := Objects([]*unstructured.Unstructured{in}, tc.s)
			if err != nil {
				t.Fatal(err)
			}
			if v, _, _ := unstructured.NestedString(got[0].Object, "data", "k"); v != tc.want {
				t.Errorf("got %q, want %q", v, tc.want)
			}
		})
	}
}

func TestObjectsErrorsNameObjectAndField(t *testing.T) {
	in := []*unstructured.Unstructured{
		object(t, deployment),
		object(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: 'x ${none}'}}"),
		object(t, "{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {k: '${yaml}'}}"),
	}
	_, err := Objects(in, Substitution{Variables: map[string]string{"name": "w", "n": "1", "key": "k", "yaml": "[hunter2"}})
	if !errors.Is(err, ErrUndefined) || !errors.Is(err, ErrNotYAML) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{
		`Deployment shop/${name}: spec.template.spec.containers[0].args[1]: line 1, column 1: "list"`,
		`ConfigMap a: data.k: line 1, column 3: "none"`,
		`Secret s: not valid YAML after substitution`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a value is shown: %v", err)
	}
}

func TestObjectsRefuseBadNames(t *testing.T) {
	_, err := Objects(nil, Substitution{Variables: map[string]string{"ok": "", "a-b": "", "1x": ""}})
	var e *Error
	if !errors.Is(err, ErrName) || !errors.As(err, &e) || e.Variable != "1x" {
		t.Fatalf("got %v", err)
	}
}
