package helm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chartutil"
	kubefake "helm.sh/helm/v3/pkg/kube/fake"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/gitopskit/gitopskit/internal/parts"
	"github.com/gitopskit/gitopskit/render/kustomize"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// helmTemplate is what `helm template` does.
func helmTemplate(c *Chart, values map[string]any) (*release.Release, error) {
	cfg := &action.Configuration{
		Releases: storage.Init(driver.NewMemory()), KubeClient: &kubefake.PrintingKubeClient{Out: io.Discard},
		Capabilities: chartutil.DefaultCapabilities.Copy(), Log: func(string, ...any) {},
	}
	v, err := chartutil.ParseKubeVersion(DefaultKubeVersion)
	if err != nil {
		return nil, err
	}
	install := action.NewInstall(cfg)
	install.KubeVersion = v
	install.DryRun, install.ClientOnly, install.ReleaseName, install.Namespace = true, true, "rel", "ns"
	return install.Run(c.Internal().Helm, copyValues(values))
}

// random is the end of the names of podinfo's tests.
var random = regexp.MustCompile(`-test-[a-z0-9]{5}`)

// equalsHelm compares everything that both give.
func equalsHelm(t *testing.T, c *Chart, values map[string]any) {
	t.Helper()
	want, err := helmTemplate(c, values)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Template(t.Context(), c, Options{ReleaseName: "rel", Namespace: "ns", Values: values})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.Manifest, got.Manifest); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want.Info.Notes, got.Notes); diff != "" {
		t.Errorf("notes: %s", diff)
	}
	hooks := func(list []Hook) (out []string) {
		for _, h := range list {
			out = append(out, fmt.Sprint(h.Path, h.Object.GetKind(), h.Object.GetName(), h.Weight, h.Events, h.DeletePolicies))
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	var helms []string
	for _, h := range want.Hooks {
		helms = append(helms, fmt.Sprint(h.Path, h.Kind, h.Name, h.Weight, h.Events, h.DeletePolicies))
	}
	slices.Sort(helms)
	mask := func(list []string) string { return random.ReplaceAllString(strings.Join(list, "\n"), "-test-*") }
	if diff := cmp.Diff(mask(helms), mask(hooks(append(slices.Clone(got.Hooks), got.Tests...)))); diff != "" {
		t.Errorf("hooks: %s", diff)
	}
}

func podinfo(t testing.TB) *Chart {
	t.Helper()
	c, err := LoadFS(context.Background(), os.DirFS(parts.SharedData(t)), "podinfo/charts/podinfo", LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPodinfoEqualsHelm(t *testing.T) {
	c := podinfo(t)
	var prod map[string]any
	data, _ := c.file("values-prod.yaml")
	if err := yaml.Unmarshal(data, &prod); err != nil || len(prod) == 0 {
		t.Fatalf("%d values, %v", len(prod), err)
	}
	for name, values := range map[string]map[string]any{
		"defaults":   nil,
		"production": prod,
		"everything": {
			"ingress": map[string]any{"enabled": true}, "hpa": map[string]any{"enabled": true}, "redis": map[string]any{"enabled": true},
			"serviceMonitor": map[string]any{"enabled": true}, "serviceAccount": map[string]any{"enabled": true},
			"hooks": map[string]any{"preInstall": map[string]any{"job": map[string]any{"enabled": true}}},
			"tls":   map[string]any{"enabled": true}, "certificate": map[string]any{"create": true}, "podDisruptionBudget": map[string]any{"minAvailable": 1},
		},
	} {
		t.Run(name, func(t *testing.T) { equalsHelm(t, c, values) })
	}
}

// chartOf makes a chart of files; Chart.yaml is added where it is missing.
func chartOf(t testing.TB, files map[string]string) *Chart {
	t.Helper()
	fsys := fstest.MapFS{"Chart.yaml": {Data: []byte("apiVersion: v2\nname: c\nversion: 1.0.0\n")}}
	for name, content := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(content)}
	}
	c, err := LoadFS(context.Background(), fsys, ".", LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func cm(name, data string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: " + name + "\ndata:\n  k: |-\n" + data + "\n"
}

const subchart = "apiVersion: v2\nname: %s\nversion: 0.1.0\n"

// family is a chart with subcharts under conditions, tags, aliases and imports.
func family(t testing.TB) *Chart {
	return chartOf(t, map[string]string{
		"Chart.yaml": `apiVersion: v2
name: parent
version: 1.0.0
dependencies:
- {name: one, version: 0.1.0, condition: one.enabled}
- {name: two, version: 0.1.0, tags: [extra]}
- {name: two, version: 0.1.0, alias: twin}
- {name: lib, version: 0.1.0}
- {name: exporter, version: 0.1.0, import-values: [data, {child: nested, parent: imported}]}
`,
		"values.yaml":                     "one: {enabled: true, v: from-parent}\nglobal: {g: G}\ntwin: {v: alias}\nremoved: {a: 1, b: 2}\n",
		"templates/_helpers.tpl":          `{{ define "name" }}parent-{{ .Release.Name }}{{ end }}`,
		"templates/all.yaml":              cm(`{{ include "name" . }}`, "    {{ toJson .Values | nindent 4 }}\n    {{ include \"lib.shared\" . }} {{ .Values.imported }} {{ with .Subcharts.one }}{{ .Values.v }}{{ end }}"),
		"charts/one/Chart.yaml":           fmt.Sprintf(subchart, "one"),
		"charts/one/values.yaml":          "v: own\nw: own\n",
		"charts/one/templates/a.yaml":     cm("one", `    {{ .Values.v }} {{ .Values.w }} {{ .Values.global.g }} {{ include "name" . }} {{ .Chart.Name }} {{ .Template.Name }} {{ .Template.BasePath }}`),
		"charts/one/templates/NOTES.txt":  "notes of one",
		"charts/one/crds/crd.yaml":        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: ones.example.com}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: no-crd}\n",
		"charts/two/Chart.yaml":           fmt.Sprintf(subchart, "two"),
		"charts/two/templates/a.yaml":     cm("{{ .Chart.Name }}", "    {{ .Values.v }}"),
		"charts/lib/Chart.yaml":           fmt.Sprintf(subchart, "lib") + "type: library\n",
		"charts/lib/templates/_a.tpl":     `{{ define "lib.shared" }}shared{{ end }}`,
		"charts/lib/templates/a.yaml":     cm("library-not-rendered", "    x"),
		"charts/exporter/Chart.yaml":      fmt.Sprintf(subchart, "exporter"),
		"charts/exporter/values.yaml":     "exports: {data: {exported: 1}}\nnested: {deep: 2}\n",
		"charts/exporter/templates/a.txt": "",
		"templates/NOTES.txt":             "notes {{ .Release.Revision }} {{ .Release.IsInstall }}",
	})
}

func TestSubchartsEqualHelm(t *testing.T) {
	c := family(t)
	for name, values := range map[string]map[string]any{
		"defaults":      nil,
		"condition off": {"one": map[string]any{"enabled": false}},
		"tag off":       {"tags": map[string]any{"extra": false}},
		"values":        {"one": map[string]any{"v": "given"}, "twin": map[string]any{"v": "given"}, "global": map[string]any{"g": "H"}},
		"null removes":  {"removed": map[string]any{"a": nil}},
	} {
		t.Run(name, func(t *testing.T) { equalsHelm(t, c, values) })
	}
	out, err := Template(t.Context(), c, Options{ReleaseName: "rel"})
	if err != nil || len(out.CRDs) != 1 {
		t.Fatalf("%d CRDs, %v", len(out.CRDs), err)
	}
	out, err = Template(t.Context(), c, Options{ReleaseName: "rel", Values: map[string]any{"one": map[string]any{"enabled": false}}})
	if err != nil || len(out.CRDs) != 0 {
		t.Fatalf("%d CRDs of a disabled subchart, %v", len(out.CRDs), err)
	}
}

// TestFunctionsEqualHelm renders what charts use of the function list.
func TestFunctionsEqualHelm(t *testing.T) {
	lines := []string{
		`{{ .Values.none }}|{{ .Values.a.b.c }}|{{ default "d" .Values.none }}|{{ .Values.list | join "," }}`,
		`{{ tpl "{{ .Values.s }} {{ include \"x\" . }}" . }}|{{ tpl .Values.t . }}|{{ tpl "plain" . }}|{{ tpl "{{ define \"y\" }}Y{{ end }}{{ include \"y\" . }}" . }}`,
		`{{ range $i, $v := .Values.list }}{{ $i }}={{ $v }};{{ else }}none{{ end }}{{ range until 3 }}{{ . }}{{ end }}{{ range untilStep 0 10 5 }}{{ . }}{{ end }}`,
		`{{ with .Values.a }}{{ .b.c }}{{ end }}{{ range $k, $v := .Values.a.b }}{{ $k }}{{ $v }}{{ end }}`,
		`{{ toYaml .Values.a | nindent 6 }}`, `{{ toYamlPretty .Values.list | nindent 6 }}`, `{{ toJson .Values.a }}`, `{{ toToml .Values.a | quote }}`,
		`{{ (fromYaml "a: 1").a }}{{ (fromJson "{\"a\":1}").a }}{{ fromYamlArray "[1]" }}{{ fromJsonArray "[2]" }}{{ (fromYaml "a: [").Error | trunc 5 }}`,
		`{{ (lookup "v1" "Secret" "ns" "x") | toJson }}{{ getHostByName "example.com" }}`,
		`{{ .Files.Get "f.txt" | quote }}|{{ (.Files.Glob "d/*").AsConfig | quote }}|{{ (.Files.Glob "d/*").AsSecrets | quote }}|{{ .Files.Lines "f.txt" }}`,
		`{{ .Capabilities.KubeVersion.Version | hasPrefix "v" }}{{ .Capabilities.APIVersions.Has "apps/v1" }}{{ .Capabilities.HelmVersion.Version }}`,
		`{{ printf "%05d %-5s|%v" 42 "x" .Values.list }}{{ print 1 2 "a" }}{{ println "x" | quote }}`,
		`{{ repeat 3 "ab" }}{{ "abc" | replace "b" "BB" }}{{ "a\nb" | indent 4 | quote }}{{ cat "a" "b" }}`,
		`{{ $d := dict "a" 1 }}{{ $_ := set $d "b" (dict "c" 2) }}{{ $d | toJson }}{{ merge (dict "x" 1) $d | toJson }}{{ mergeOverwrite (dict "a" 9) $d | toJson }}`,
		`{{ list 1 2 | toJson }}{{ concat (list 1) (list 2) | toJson }}{{ append (list 1) 2 | toJson }}{{ without (list 1 2) 1 | toJson }}{{ uniq (list 1 1) | toJson }}`,
		`{{ "x" | b64enc | b64dec }}{{ sha256sum "x" }}{{ semverCompare ">=1.0" "1.2.3" }}{{ regexReplaceAll "a+" "baab" "x" }}{{ html "<a>" }}{{ urlquery "a b" }}{{ js "'" }}`,
		`{{ required "needed" .Values.s }}{{ ternary "a" "b" true }}{{ coalesce "" "c" }}{{ empty 0 }}{{ kindOf .Values.n }}{{ .Values.n }}{{ .Values.big }}{{ .Values.f }}`,
		`{{ .Release.Name }}{{ .Release.Namespace }}{{ .Release.Service }}{{ .Release.IsUpgrade }}{{ .Chart.Version }}{{ .Chart.IsRoot }}{{ .Template.Name }}`,
		`x{{- /* comment */ -}} {{ "trim" -}}   {{- " med" }}{{ range seq 1 3 | splitList " " }}{{ . }}{{ end }}{{ range $x := list 1 2 3 }}{{ if eq $x 2 }}{{ continue }}{{ end }}{{ $x }}{{ end }}`,
	}
	files := map[string]string{
		"values.yaml": "s: text\nt: '{{ .Values.s }}!'\nlist: [a, b]\na: {b: {c: 1, d: x}}\nn: 3\nbig: 12345678\nf: 1.5\n",
		"f.txt":       "one\ntwo\n", "d/a.conf": "a", "d/b.conf": "b",
		"templates/_x.tpl": `{{ define "x" }}included {{ .Values.s }}{{ end }}`,
	}
	for i, line := range lines {
		files[fmt.Sprintf("templates/l%02d.yaml", i)] = cm(fmt.Sprintf("l%02d", i), "    "+line)
	}
	equalsHelm(t, chartOf(t, files), map[string]any{"s": "given"})
}

func TestHooksAndOrderEqualHelm(t *testing.T) {
	hook := func(kind, name, events, more string) string {
		return "apiVersion: v1\nkind: " + kind + "\nmetadata:\n  name: " + name + "\n  annotations:\n    helm.sh/hook: " + events + "\n" + more
	}
	c := chartOf(t, map[string]string{
		"templates/z.yaml":     "# only a comment\n---\n" + cm("z", "    x") + "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n---\n\n---\n",
		"templates/a.yaml":     "apiVersion: example.com/v1\nkind: Zebra\nmetadata: {name: u}\n---\napiVersion: example.com/v1\nkind: Ant\nmetadata: {name: u}\n",
		"templates/svc.yaml":   "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n",
		"templates/empty.yaml": "{{ if .Values.none }}x{{ end }}\n",
		"templates/h1.yaml":    hook("Job", "one", "pre-install,pre-upgrade", "    helm.sh/hook-weight: \"5\"\n    helm.sh/hook-delete-policy: before-hook-creation, hook-succeeded\n"),
		"templates/h2.yaml":    hook("Job", "two", "pre-install", "    helm.sh/hook-weight: \"-5\"\n"),
		"templates/h3.yaml":    hook("Pod", "three", "test-success", ""),
		"templates/h4.yaml":    hook("Pod", "four", "test", "") + "---\n" + hook("ConfigMap", "five", "post-delete", ""),
		"templates/h5.yaml":    hook("Pod", "dropped", "crd-install", ""),
	})
	equalsHelm(t, c, nil)
	out, err := Template(t.Context(), c, Options{ReleaseName: "rel"})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Tests) != 2 || len(out.Hooks) != 3 || out.Hooks[0].Object.GetName() != "five" && out.Hooks[0].Object.GetName() != "two" {
		t.Errorf("%d tests, hooks %v", len(out.Tests), out.Hooks)
	}
}

func TestErrors(t *testing.T) {
	one := func(body string) map[string]string { return map[string]string{"templates/a.yaml": body} }
	for name, tc := range map[string]struct {
		files map[string]string
		o     Options
		want  error
		says  string
	}{
		"a syntax error":        {one("a: 1\nb: {{ if }}\n"), Options{}, ErrTemplate, "c/templates/a.yaml:2: "},
		"an unknown function":   {one("a: {{ nope }}\n"), Options{}, ErrTemplate, `c/templates/a.yaml:1: `},
		"a failing function":    {one("a: 1\n\nb: {{ fromJson 3 }}\n"), Options{}, ErrTemplate, "c/templates/a.yaml:3: "},
		"fail":                  {one(`{{ fail "the chart says no" }}`), Options{}, ErrTemplate, "the chart says no"},
		"required":              {one(`{{ required "give x" .Values.x }}`), Options{}, ErrTemplate, "give x"},
		"a nil pointer":         {one(`{{ .Values.x.y.z }}`), Options{}, ErrTemplate, "c/templates/a.yaml:1: "},
		"an error in a partial": {map[string]string{"templates/a.yaml": `{{ include "p" . }}`, "templates/_p.tpl": "\n{{ define \"p\" }}\n{{ .Values.x.y }}\n{{ end }}"}, Options{}, ErrTemplate, "c/templates/_p.tpl:3: "},
		"no such partial":       {one(`{{ include "none" . }}`), Options{}, ErrTemplate, "none"},
		"no YAML":               {one("a: [\n"), Options{}, ErrManifest, "c/templates/a.yaml: "},
		"no object":             {one("- a\n"), Options{}, ErrManifest, "c/templates/a.yaml: "},
		"no release name":       {one(""), Options{ReleaseName: "-"}, ErrValues, "ReleaseName"},
		"a wrong value": {
			map[string]string{"values.schema.json": `{"type": "object", "properties": {"n": {"type": "integer"}}}`, "templates/a.yaml": ""},
			Options{Values: map[string]any{"n": "x"}}, ErrSchema, "n",
		},
		"another Kubernetes": {
			map[string]string{"Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\nkubeVersion: '>=1.99'\n", "templates/a.yaml": ""},
			Options{KubeVersion: "v1.36.3"}, ErrKubeVersion, "v1.36.3",
		},
		"a patch that fails": {one(cm("a", "    x")), Options{PostRender: PostRender{Kustomize: []KustomizeStep{{Patches: []kustomize.Patch{{Patch: "kind: ["}}}}}}, ErrPostRender, ""},

		"a partial that includes itself": {map[string]string{"templates/a.yaml": `{{ include "p" . }}`, "templates/_p.tpl": `{{ define "p" }}{{ include "p" . }}{{ end }}`}, Options{}, ErrTemplate, "too often"},
		"a template that calls itself":   {one(`{{ define "p" }}{{ template "p" . }}{{ end }}{{ template "p" . }}`), Options{}, ErrTemplate, ""},
		"tpl that calls itself":          {map[string]string{"values.yaml": "t: '{{ tpl .Values.t . }}'\n", "templates/a.yaml": `{{ tpl .Values.t . }}`}, Options{}, ErrTemplate, "too often"},
		"a loop without output":          {one(`{{ range 1000000000000 }}{{ end }}`), Options{Limits: Limits{Time: 100 * time.Millisecond}}, ErrLimit, "longer than"},
		"a loop in a loop":               {one(`{{ range until 100000 }}{{ range until 100000 }}{{ $x := 1 }}{{ end }}{{ end }}`), Options{Limits: Limits{Time: 100 * time.Millisecond}}, ErrLimit, ""},
		"a loop in tpl":                  {one(`{{ tpl "{{ range 1000000000000 }}{{ end }}" . }}`), Options{Limits: Limits{Time: 100 * time.Millisecond}}, ErrLimit, ""},
		"a long list":                    {one(`{{ until 2000000000 }}`), Options{}, ErrLimit, ""},
		"a long step":                    {one(`{{ untilStep 0 2000000000 1 }}`), Options{}, ErrLimit, ""},
		"a long sequence":                {one(`{{ seq 1 2000000000 }}`), Options{}, ErrLimit, ""},
		"repeat":                         {one(`{{ repeat 2000000000 "x" }}`), Options{}, ErrLimit, ""},
		"indent":                         {one(`{{ indent 2000000000 "x" }}`), Options{}, ErrLimit, ""},
		"a random string":                {one(`{{ randAlphaNum 2000000000 }}`), Options{}, ErrLimit, ""},
		"a wide format":                  {one(`{{ printf "%2000000000d" 1 }}`), Options{}, ErrLimit, ""},
		"a wide format by argument":      {one(`{{ printf "%*d" 2000000000 1 }}`), Options{}, ErrLimit, ""},
		"replacements that grow":         {one(`{{ $s := repeat 100000 "x" }}{{ $s | replace "x" $s | len }}`), Options{}, ErrLimit, ""},
		"a string that doubles":          {one(`{{ $s := "x" }}{{ range until 64 }}{{ $s = print $s $s }}{{ end }}{{ len $s }}`), Options{}, ErrLimit, ""},
		"a list that doubles":            {one(`{{ $s := list 1 }}{{ range until 64 }}{{ $s = concat $s $s }}{{ end }}{{ len $s }}`), Options{}, ErrLimit, ""},
		"a mapping in itself":            {one(`{{ $d := dict }}{{ $_ := set $d "a" (list $d) }}{{ $d }}`), Options{}, ErrTemplate, "contain itself"},
		"a mapping merged into itself":   {one(`{{ $d := dict }}{{ $_ := merge $d (dict "a" $d) }}{{ $d }}`), Options{}, ErrTemplate, "contain itself"},
		"output without end":             {one(`{{ range until 1000000 }}{{ range until 1000000 }}xxxxxxxxxx{{ end }}{{ end }}`), Options{Limits: Limits{ValueSize: 10 << 20}}, ErrLimit, ""},
		"aliases that multiply":          {one("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\na: &a [" + strings.Repeat("x,", 9) + "x]\nb: [" + strings.Repeat("*a, ", 2000) + "*a]\n"), Options{}, ErrLimit, ""},
		"a lookup that fails": {one(`{{ lookup "v1" "Secret" "a" "b" }}`), Options{Lookup: LookupFunc(func(context.Context, string, string, string, string) (map[string]any, error) {
			return nil, errors.New("no access")
		})}, ErrTemplate, "no access"},
	} {
		t.Run(name, func(t *testing.T) {
			c := chartOf(t, tc.files)
			if tc.o.ReleaseName == "" {
				tc.o.ReleaseName = "rel"
			}
			out, err := Template(t.Context(), c, tc.o)
			if err == nil {
				_, err = out.Objects()
			}
			if !errors.Is(err, tc.want) {
				t.Fatalf("got %v; want %v", err, tc.want)
			}
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), checkFunc) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestContextEndsTheRendering(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := chartOf(t, map[string]string{"templates/a.yaml": `{{ range 1000000000000 }}{{ end }}`})
	if _, err := Template(ctx, c, Options{ReleaseName: "rel"}); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}

func TestAChartIsSharedAndNeverChanges(t *testing.T) {
	c := family(t)
	before, err := yaml.Marshal(c.c)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			on := i%2 == 0
			want := fmt.Sprintf("v%d", i)
			out, err := Template(t.Context(), c, Options{ReleaseName: "rel", Values: map[string]any{
				"one": map[string]any{"enabled": on, "v": want}, "twin": map[string]any{"v": want},
			}})
			if err != nil {
				t.Error(err)
				return
			}
			if strings.Contains(out.Manifest, "name: one\n") != on || !strings.Contains(out.Manifest, want) {
				t.Errorf("%d: got\n%s", i, out.Manifest)
			}
			if objects, err := out.Objects(); err != nil {
				t.Error(err)
			} else {
				objects[0].SetName("changed")
			}
			out.Values["one"] = "changed"
		})
	}
	wg.Wait()
	after, err := yaml.Marshal(c.c)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the chart changed: %v", cmp.Diff(string(before), string(after)))
	}
}

func TestComposeValues(t *testing.T) {
	inline := map[string]any{"a": map[string]any{"x": "inline"}}
	got, err := ComposeValues([]ValuesSource{
		{Name: "one", Data: []byte("a: {x: 1, z: 1, l: [1, 2]}\nb: 1\n")},
		{Name: "two", Data: []byte("a: {z: 2, l: [3]}\nc: null\n")},
		{Name: "gone", Missing: true, Optional: true},
		{Name: "number", Data: []byte("5"), TargetPath: "a.n"},
		{Name: "text", Data: []byte(`"5"`), TargetPath: "a.t"},
		{Name: "item", Data: []byte("v"), TargetPath: "list[0].deep"},
		{Name: "over inline", Data: []byte("target"), TargetPath: "a.x"},
	}, inline)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"a": map[string]any{"x": "target", "z": float64(2), "l": []any{float64(3)}, "n": int64(5), "t": "5"},
		"b": float64(1), "c": nil, "list": []any{map[string]any{"deep": "v"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]any{"a": map[string]any{"x": "inline"}}, inline); diff != "" {
		t.Errorf("the inline values changed: %s", diff)
	}
	_, err = ComposeValues([]ValuesSource{
		{Name: "ConfigMap a", Missing: true}, {Name: "Secret b", Data: []byte("hunter2: [")}, {Name: "Secret c", Data: []byte("- hunter2")},
		{Name: "Secret d", Data: []byte("hunter2"), TargetPath: "a[-1]"},
	}, nil)
	for _, says := range []string{"ConfigMap a", "Secret b", "Secret c", "Secret d"} {
		if !errors.Is(err, ErrValues) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", says, err)
		}
	}
}

func TestWithValuesFiles(t *testing.T) {
	c := chartOf(t, map[string]string{
		"values.yaml": "a: 1\nb: 1\n", "values-prod.yaml": "b: 2\n", "templates/a.yaml": cm("a", "    {{ .Values.a }}{{ .Values.b }}"),
	})
	for name, tc := range map[string]struct {
		files  []string
		ignore bool
		want   string
	}{
		"both":    {[]string{"values.yaml", "values-prod.yaml"}, false, "12"},
		"one":     {[]string{"./values-prod.yaml"}, false, "2"},
		"missing": {[]string{"none.yaml", "values.yaml"}, true, "11"},
	} {
		with, err := c.WithValuesFiles(tc.ignore, tc.files...)
		if err != nil {
			t.Fatal(err)
		}
		out, err := Template(t.Context(), with, Options{ReleaseName: "rel"})
		if err != nil || !strings.Contains(out.Manifest, "    "+tc.want) {
			t.Errorf("%s: %v\n%s", name, err, out.Manifest)
		}
		equalsHelm(t, with, nil)
	}
	if _, err := c.WithValuesFiles(false, "none.yaml"); !errors.Is(err, ErrValues) {
		t.Errorf("got %v", err)
	}
}

func TestPostRender(t *testing.T) {
	c := chartOf(t, map[string]string{
		"templates/a.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: c, image: 'app:1'}]}}}\n",
		"templates/b.yaml": cm("b", "    before\n    ---\n    after"),
		"templates/h.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: h, annotations: {helm.sh/hook: pre-install}}\n",
	})
	out, err := Template(t.Context(), c, Options{ReleaseName: "rel", PostRender: PostRender{
		Kustomize: []KustomizeStep{
			{Images: []kustomize.Image{{Name: "app", NewTag: "2"}}},
			{Patches: []kustomize.Patch{{Patch: `[{"op": "add", "path": "/metadata/annotations", "value": {"p": "q"}}]`, Target: &kustomize.Selector{Kind: "Deployment"}}}},
		},
		CommonLabels: map[string]string{"l": "common", "both": "common"}, CommonAnnotations: map[string]string{"a": "b"},
		OriginLabels: map[string]string{"both": "origin"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]*unstructured.Unstructured{}
	for _, o := range objectsOf(t, out) {
		byName[o.GetName()] = o
	}
	if diff := cmp.Diff(map[string]string{"l": "common", "both": "origin"}, byName["web"].GetLabels()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"a": "b", "p": "q"}, byName["web"].GetAnnotations()); diff != "" {
		t.Error(diff)
	}
	if got, _, _ := unstructured.NestedString(byName["b"].Object, "data", "k"); got != "before\n---\nafter" {
		t.Errorf("a separator in content: %q", got)
	}
	if !strings.Contains(out.Manifest, "image: app:2\n") || len(out.Hooks[0].Object.GetLabels()) != 0 {
		t.Errorf("got %s\nhook %v", out.Manifest, out.Hooks[0].Object)
	}
}

func TestLookupFixtures(t *testing.T) {
	secret := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "s", "namespace": "n"}, "data": map[string]any{"k": "v"}}}
	c := chartOf(t, map[string]string{"templates/a.yaml": cm("a", `    {{ (lookup "v1" "Secret" "n" "s").data.k }} {{ len (lookup "v1" "Secret" "" "").items }} {{ lookup "v1" "Secret" "n" "none" | empty }}`)})
	out, err := Template(t.Context(), c, Options{ReleaseName: "rel", Lookup: Objects(secret)})
	if err != nil || !strings.Contains(out.Manifest, "    v 1 true") {
		t.Fatalf("%v\n%s", err, out.Manifest)
	}
}

func TestLoading(t *testing.T) {
	dep := "apiVersion: v2\nname: p\nversion: 1.0.0\ndependencies:\n- {name: d, version: ^1.0.0, repository: %s}\n"
	child := map[string]string{"d/Chart.yaml": "apiVersion: v2\nname: d\nversion: 1.2.0\n", "d/templates/a.yaml": cm("d", "    x")}
	archive := func() []byte {
		dir := t.TempDir()
		c := chartOf(t, map[string]string{"Chart.yaml": child["d/Chart.yaml"], "templates/a.yaml": child["d/templates/a.yaml"]})
		file, err := chartutil.Save(c.Internal().Helm, dir)
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Clean(file))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}()
	load := func(repository string, o LoadOptions) (*Chart, error) {
		fsys := fstest.MapFS{"p/Chart.yaml": {Data: []byte(fmt.Sprintf(dep, repository))}, "p/.helmignore": {Data: []byte("*.bak\n")}, "p/x.bak": {Data: make([]byte, 6<<20)}}
		for name, content := range child {
			fsys[name] = &fstest.MapFile{Data: []byte(content)}
		}
		return LoadFS(t.Context(), fsys, "p", o)
	}
	source := fetcher(archive)
	for name, tc := range map[string]struct {
		repository string
		o          LoadOptions
		want       error
	}{
		"a dependency in the file system":  {"file://../d", LoadOptions{}, nil},
		"a dependency that is fetched":     {"https://example.invalid", LoadOptions{Dependencies: source}, nil},
		"a dependency that nobody fetches": {"https://example.invalid", LoadOptions{}, ErrDependency},
		"a dependency outside":             {"file://../../d", LoadOptions{}, ErrDependency},
		"a dependency that is not there":   {"file://../e", LoadOptions{}, ErrDependency},
		"too large":                        {"file://../d", LoadOptions{MaxFileSize: 10}, ErrLimit},
	} {
		c, err := load(tc.repository, tc.o)
		if !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if tc.want == nil {
			if out, err := Template(t.Context(), c, Options{ReleaseName: "rel"}); err != nil || len(objectsOf(t, out)) != 1 {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	c, err := LoadArchive(t.Context(), bytes.NewReader(archive), LoadOptions{VersionMetadata: "0123456789ab"})
	if err != nil || c.Metadata().Version != "1.2.0+0123456789ab" {
		t.Errorf("%v, %v", c, err)
	}
	for name, data := range map[string][]byte{"no archive": []byte("x"), "cut short": archive[:len(archive)/2]} {
		if _, err := LoadArchive(t.Context(), bytes.NewReader(data), LoadOptions{}); !errors.Is(err, ErrChart) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := LoadFS(t.Context(), fstest.MapFS{"a": {}}, ".", LoadOptions{}); !errors.Is(err, ErrChart) {
		t.Errorf("no chart: %v", err)
	}
}

type fetcher []byte

func (f fetcher) FetchDependency(context.Context, Dependency) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(f)), nil
}

func objectsOf(t *testing.T, r *Rendered) []*unstructured.Unstructured {
	t.Helper()
	objects, err := r.Objects()
	if err != nil {
		t.Fatal(err)
	}
	return objects
}
