package helmrepo_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/chart/loader"

	"github.com/gitopskit/gitopskit/internal/servers"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/helmrepo"
)

const gitRevision = "main@sha1:1eabc9a41ca088515cab83f1cce49eb43e84b67f"

func folder(t testing.TB, files map[string]string) *source.Artifact {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	a, err := source.FromFS(fsys, gitRevision, nil)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func names(t testing.TB, a *source.Artifact) []string {
	t.Helper()
	var out []string
	for _, e := range a.Entries() {
		if !e.Mode.IsDir() {
			out = append(out, e.Path)
		}
	}
	return out
}

func text(t testing.TB, a *source.Artifact, name string) string {
	t.Helper()
	data, err := fs.ReadFile(a.FS(), name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

const plain = "# ours\napiVersion: v2\nname: app\nversion: 1.2.3+old # the version\ndescription: an app\n"

func TestTheVersionFollowsTheStrategy(t *testing.T) {
	t.Parallel()
	a := folder(t, map[string]string{"charts/app/Chart.yaml": plain, "charts/app/values.yaml": "a: 1\n", "README": "x"})
	for name, x := range map[string]struct {
		opts helmrepo.BuildOptions
		want string
	}{
		"by default":   {helmrepo.BuildOptions{}, "1.2.3+old"},
		"ChartVersion": {helmrepo.BuildOptions{Strategy: helmrepo.StrategyChartVersion}, "1.2.3+old"},
		"Revision":     {helmrepo.BuildOptions{Strategy: helmrepo.StrategyRevision}, "1.2.3+1eabc9a41ca0"},
		"metadata":     {helmrepo.BuildOptions{VersionMetadata: "7"}, "1.2.3+7"},
		"both":         {helmrepo.BuildOptions{Strategy: helmrepo.StrategyRevision, VersionMetadata: "7"}, "1.2.3+1eabc9a41ca0.7"},
	} {
		x.opts.Path = "charts/app"
		built, err := helmrepo.Build(t.Context(), a, x.opts)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if string(built.Revision()) != x.want || !strings.Contains(text(t, built, "Chart.yaml"), "version: "+x.want) ||
			!strings.Contains(text(t, built, "Chart.yaml"), "# ours") {
			t.Errorf("%s: %s\n%s", name, built.Revision(), text(t, built, "Chart.yaml"))
		}
		if diff := cmp.Diff([]string{"Chart.yaml", "values.yaml"}, names(t, built)); diff != "" {
			t.Error(name, diff)
		}
	}
}

func TestValuesFilesReplaceValues(t *testing.T) {
	t.Parallel()
	a := folder(t, map[string]string{
		"app/Chart.yaml": plain, "app/values.yaml": "a: {b: 1, c: 2}\nlist: [1, 2]\nbig: 12345678901234567\n",
		"app/prod.yaml": "a: {b: yes}\nlist: [3]\n", "common.yaml": "\ufeffa:\n  d: null\n", "app/list.yaml": "- no mapping\n",
	})
	for name, x := range map[string]struct {
		files  []string
		ignore bool
		want   string
		err    error
	}{
		"none":                 {nil, false, "a: {b: 1, c: 2}\nlist: [1, 2]\nbig: 12345678901234567\n", nil},
		"one":                  {[]string{"app/prod.yaml"}, false, "a:\n  b: true\nlist:\n- 3\n", nil},
		"merged from the left": {[]string{"app/values.yaml", "./app/prod.yaml", "common.yaml"}, false, "a:\n  b: true\n  c: 2\n  d: null\nbig: 12345678901234567\nlist:\n- 3\n", nil},
		"missing":              {[]string{"app/prod.yaml", "app/none.yaml"}, false, "", source.ErrNotFound},
		"missing and ignored":  {[]string{"app/prod.yaml", "app/none.yaml"}, true, "a:\n  b: true\nlist:\n- 3\n", nil},
		"all missing, ignored": {[]string{"app/none.yaml"}, true, "a: {b: 1, c: 2}\nlist: [1, 2]\nbig: 12345678901234567\n", nil},
		"outside":              {[]string{"../x.yaml"}, true, "", source.ErrUnsafe},
		"absolute":             {[]string{"/etc/passwd"}, true, "", source.ErrUnsafe},
		"no mapping of values": {[]string{"app/list.yaml"}, true, "", source.ErrCorrupt},
	} {
		built, err := helmrepo.Build(t.Context(), a, helmrepo.BuildOptions{Path: "app", ValuesFiles: x.files, IgnoreMissingValuesFiles: x.ignore})
		if x.err != nil {
			wantError(t, err, x.err)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(x.want, text(t, built, "values.yaml")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// parent is a chart with the dependencies.
func parent(kind string, dependencies ...string) string {
	return "apiVersion: " + kind + "\nname: app\nversion: 1.0.0\n" + list(dependencies...)
}

func list(dependencies ...string) string {
	return "dependencies:\n" + strings.Join(dependencies, "")
}

func dep(name, version, repository string) string {
	return fmt.Sprintf("- {name: %s, version: %q, repository: %q}\n", name, version, repository)
}

func TestDependencies(t *testing.T) {
	t.Parallel()
	srv := servers.NewNginx(t)
	index := "apiVersion: v2\nentries:\n  redis:\n"
	for _, v := range []string{"1.0.0", "1.1.0", "2.0.0"} {
		data := chartFile(t, "redis", v)
		write(t, srv.Dir, "redis-"+v+".tgz", data)
		index += fmt.Sprintf("  - {name: redis, version: %s, digest: %s, urls: [redis-%s.tgz]}\n", v, digest(data), v)
	}
	write(t, srv.Dir, "index.yaml", []byte(index))
	library := map[string]string{
		"lib/Chart.yaml": "apiVersion: v2\nname: lib\nversion: 0.1.0\ntype: library\n" + list(dep("deeper", "", "file://../deeper")), "lib/templates/_x.tpl": "x",
		"deeper/Chart.yaml": "apiVersion: v2\nname: deeper\nversion: 0.2.0\n", "deeper/values.yaml": "a: 1\n",
	}
	dir := t.TempDir()
	for name, x := range map[string]struct {
		files map[string]string
		want  []string // beside Chart.yaml, and files that all of redis have
		err   error
		says  string
	}{
		"in a repository":       {map[string]string{"app/Chart.yaml": parent("v2", dep("redis", "1.x", srv.URL))}, []string{"charts/redis-1.1.0"}, nil, ""},
		"the lock wins":         {map[string]string{"app/Chart.yaml": parent("v2", dep("redis", "1.x", srv.URL)), "app/Chart.lock": list(dep("redis", "1.0.0", srv.URL))}, []string{"charts/redis-1.0.0"}, nil, ""},
		"an old lock":           {map[string]string{"app/Chart.yaml": parent("v2", dep("redis", "2.x", srv.URL)), "app/Chart.lock": list(dep("redis", "1.0.0", srv.URL))}, nil, source.ErrInvalid, "helm dependency update"},
		"two of one name":       {map[string]string{"app/Chart.yaml": parent("v2", dep("redis", "1.0.0", srv.URL), dep("redis", "2.x", srv.URL), dep("redis", "1.0.0", srv.URL))}, []string{"charts/redis-1.0.0", "charts/redis-2.0.0"}, nil, ""},
		"chart version 1":       {map[string]string{"app/Chart.yaml": "apiVersion: v1\nname: app\nversion: 1.0.0\n", "app/requirements.yaml": list(dep("redis", ">=1", srv.URL)), "app/requirements.lock": list(dep("redis", "1.1.0", srv.URL))}, []string{"charts/redis-1.1.0"}, nil, ""},
		"in the artifact":       {map[string]string{"app/Chart.yaml": "\ufeff" + parent("v2", dep("lib", "0.x", "file://../lib"))}, []string{"charts/lib-0.1.0", "charts/lib-0.1.0/charts/deeper-0.2.0"}, nil, ""},
		"a folder in charts":    {map[string]string{"app/Chart.yaml": parent("v2", dep("redis", "1.x", "https://nowhere.invalid")), "app/charts/r/Chart.yaml": "name: redis\nversion: 9.9.9\n"}, []string{"charts/r"}, nil, ""},
		"a package in charts":   {map[string]string{"app/Chart.yaml": parent("v2", dep("redis", "1.x", "https://nowhere.invalid")), "app/charts/r.tgz": string(chartFile(t, "redis", "1.0.0"))}, nil, nil, ""},
		"not in the repository": {map[string]string{"app/Chart.yaml": parent("v2", dep("redis", "3.x", srv.URL))}, nil, source.ErrNotFound, "dependency redis 3.x"},
		"no repository":         {map[string]string{"app/Chart.yaml": parent("v2", dep("redis", "3.x", ""))}, nil, source.ErrNotFound, "charts"},
		"an alias":              {map[string]string{"app/Chart.yaml": parent("v2", dep("redis", "3.x", "@stable"))}, nil, source.ErrInvalid, "@stable"},
		"out of the artifact":   {map[string]string{"app/Chart.yaml": parent("v2", dep("lib", "", "file://../../lib"))}, nil, source.ErrUnsafe, "leads out"},
		"an absolute path":      {map[string]string{"app/Chart.yaml": parent("v2", dep("lib", "", "file:///lib"))}, nil, source.ErrUnsafe, "leads out"},
		"itself":                {map[string]string{"app/Chart.yaml": parent("v2", dep("app", "", "file://."))}, nil, source.ErrInvalid, "itself"},
		"a circle":              {map[string]string{"app/Chart.yaml": parent("v2", dep("b", "", "file://../b")), "b/Chart.yaml": "name: b\nversion: 1.0.0\n" + list(dep("app", "", "file://../app"))}, nil, source.ErrTooLarge, "nested"},
		"another chart there":   {map[string]string{"app/Chart.yaml": parent("v2", dep("redis", "", "file://../lib"))}, nil, source.ErrInvalid, "holds the chart lib"},
		"another version there": {map[string]string{"app/Chart.yaml": parent("v2", dep("lib", "7.x", "file://../lib"))}, nil, source.ErrInvalid, "lib 0.1.0"},
		"too many":              {map[string]string{"app/Chart.yaml": parent("v2", strings.Repeat(dep("redis", "1.x", srv.URL), 101))}, nil, source.ErrTooLarge, "101"},
		"a damaged package":     {map[string]string{"app/Chart.yaml": parent("v2", dep("redis", "1.x", srv.URL)), "app/charts/r.tgz": "x"}, nil, source.ErrCorrupt, "r.tgz"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			maps.Copy(x.files, library)
			built, err := helmrepo.Build(t.Context(), folder(t, x.files), helmrepo.BuildOptions{Path: "app", Dependencies: helmrepo.Dependencies{Dir: dir}})
			if x.err != nil {
				wantError(t, err, x.err, x.says)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, n := range names(t, built) {
				if at, ok := strings.CutSuffix(n, "/Chart.yaml"); ok && !strings.HasSuffix(at, "/sub") {
					got = append(got, at)
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(x.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestHelmLoadsWhatIsPackaged(t *testing.T) {
	t.Parallel()
	a := folder(t, map[string]string{
		"app/Chart.yaml": parent("v2", dep("lib", "", "file://../lib")), "app/values.yaml": "a: 1\n", "app/templates/x.yaml": "x: y\n",
		"lib/Chart.yaml": "apiVersion: v2\nname: lib\nversion: 0.1.0\n", "prod.yaml": "a: 2\n",
	})
	built, err := helmrepo.Build(t.Context(), a, helmrepo.BuildOptions{Path: "app", ValuesFiles: []string{"prod.yaml"}, Strategy: helmrepo.StrategyRevision})
	if err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	if _, err := helmrepo.WritePackage(t.Context(), &first, built); err != nil {
		t.Fatal(err)
	}
	if _, err := helmrepo.WritePackage(t.Context(), &second, built); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Errorf("not reproducible: %v", err)
	}
	c, err := loader.LoadArchive(&first)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	if c.Metadata.Version != "1.0.0+1eabc9a41ca0" || c.Values["a"] != float64(2) || len(c.Templates) != 1 ||
		len(c.Dependencies()) != 1 || c.Dependencies()[0].Name() != "lib" {
		t.Errorf("%+v", c)
	}
}

func TestBuildsThatAreRefused(t *testing.T) {
	t.Parallel()
	good := folder(t, map[string]string{"Chart.yaml": plain})
	for name, x := range map[string]struct {
		a    *source.Artifact
		opts helmrepo.BuildOptions
		is   error
	}{
		"nothing":          {nil, helmrepo.BuildOptions{}, source.ErrInvalid},
		"strategy":         {good, helmrepo.BuildOptions{Strategy: "x"}, source.ErrInvalid},
		"no chart":         {folder(t, map[string]string{"x": "y"}), helmrepo.BuildOptions{}, source.ErrNotFound},
		"no folder":        {good, helmrepo.BuildOptions{Path: "none"}, source.ErrNotFound},
		"outside":          {good, helmrepo.BuildOptions{Path: "../.."}, nil},
		"metadata":         {good, helmrepo.BuildOptions{VersionMetadata: "a b"}, source.ErrInvalid},
		"no digest":        {good.WithRevision("folder"), helmrepo.BuildOptions{Strategy: helmrepo.StrategyRevision}, source.ErrInvalid},
		"no YAML":          {folder(t, map[string]string{"Chart.yaml": "a: ["}), helmrepo.BuildOptions{}, source.ErrCorrupt},
		"no name":          {folder(t, map[string]string{"Chart.yaml": "version: 1.0.0\n"}), helmrepo.BuildOptions{}, source.ErrCorrupt},
		"name of a path":   {folder(t, map[string]string{"Chart.yaml": "name: ../x\nversion: 1.0.0\n"}), helmrepo.BuildOptions{}, source.ErrCorrupt},
		"no version":       {folder(t, map[string]string{"Chart.yaml": "name: x\n"}), helmrepo.BuildOptions{}, source.ErrCorrupt},
		"large Chart.yaml": {folder(t, map[string]string{"Chart.yaml": plain + strings.Repeat("#", 6<<20)}), helmrepo.BuildOptions{}, source.ErrTooLarge},
	} {
		_, err := helmrepo.Build(t.Context(), x.a, x.opts)
		if x.is == nil && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if x.is != nil {
			wantError(t, err, x.is)
		}
	}
	_, err := helmrepo.WritePackage(t.Context(), &bytes.Buffer{}, folder(t, map[string]string{"x": "y"}))
	wantError(t, err, source.ErrNotFound)
}

func TestAFailedDependencyEndsTheOthers(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	a := folder(t, map[string]string{"Chart.yaml": parent("v2", dep("a", "1", "https://x.invalid"), dep("b", "1", "https://x.invalid"))})
	_, err := helmrepo.Build(t.Context(), a, helmrepo.BuildOptions{Dependencies: helmrepo.DependencyFunc(func(ctx context.Context, d helmrepo.Dependency) (*source.Artifact, error) {
		if d.Name == "b" {
			return nil, broken
		}
		<-ctx.Done()
		return nil, ctx.Err()
	})})
	wantError(t, err, broken, "dependency b 1")
	_, err = helmrepo.Build(t.Context(), a, helmrepo.BuildOptions{})
	wantError(t, err, source.ErrInvalid, "BuildOptions.Dependencies")
}
