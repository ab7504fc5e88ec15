package helmrepo_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/gitopskit/gitopskit/internal/servers"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/helmrepo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// chartFile makes a chart's file.
func chartFile(t testing.TB, name, version string) []byte {
	t.Helper()
	return chartFileBy(t, name, version, "/")
}

// chartFileBy makes one whose names have another separator.
func chartFileBy(t testing.TB, name, version, separator string) []byte {
	t.Helper()
	var buf bytes.Buffer
	gz := gzip.NewWriter(&buf)
	tw := tar.NewWriter(gz)
	for path, text := range map[string]string{
		name + "/Chart.yaml":            "apiVersion: v2\nname: " + name + "\nversion: " + version + "\n",
		name + "/values.yaml":           "a: 1\n",
		name + "/templates/cm.yaml":     "kind: ConfigMap\n",
		name + "/charts/sub/Chart.yaml": "name: sub\n",
	} {
		if err := tw.WriteHeader(&tar.Header{Name: strings.ReplaceAll(path, "/", separator), Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(tw.Close(), gz.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// site is a folder that nginx serves.
func write(t testing.TB, dir, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, opts helmrepo.Options) *helmrepo.Repository {
	t.Helper()
	if opts.Dir == "" {
		opts.Dir = t.TempDir()
	}
	r, err := helmrepo.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func wantError(t *testing.T, err, is error, words ...string) {
	t.Helper()
	if !errors.Is(err, is) {
		t.Errorf("%v\nis not: %v", err, is)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%v\ndoes not say: %s", err, w)
		}
	}
}

func TestRepositoryServedByNginx(t *testing.T) {
	srv := servers.NewNginx(t)
	old, newer := chartFile(t, "podinfo", "6.4.0"), chartFile(t, "podinfo", "6.5.1")
	write(t, srv.Dir, "podinfo-6.4.0.tgz", old)
	write(t, srv.Dir, "podinfo-6.5.1.tgz", newer)
	index := fmt.Sprintf("apiVersion: v1\nentries:\n  podinfo:\n  - name: podinfo\n    version: 6.5.1\n    digest: %s\n    urls: [podinfo-6.5.1.tgz]\n"+
		"  - name: podinfo\n    version: 6.4.0\n    digest: %s\n    urls:\n    - %s/podinfo-6.4.0.tgz\n", digest(newer), digest(old), srv.URL)
	write(t, srv.Dir, "index.yaml", []byte(index))
	repo := open(t, helmrepo.Options{URL: srv.URL})
	revision, err := repo.Resolve(t.Context())
	if err != nil || revision != source.Revision("sha256:"+digest([]byte(index))) {
		t.Errorf("%s, %v", revision, err)
	}
	srv.Reset()
	if _, err := repo.Resolve(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := srv.Statuses(); len(got) != 1 || got[0] != http.StatusNotModified {
		t.Errorf("an unchanged index: %v", got)
	}
	for version, want := range map[string]string{"": "6.5.1", "*": "6.5.1", "6.4.x": "6.4.0", "6.4.0": "6.4.0", ">=6.4.0 <6.5.0": "6.4.0"} {
		chart, err := repo.Chart(helmrepo.ChartOptions{Name: "podinfo", Version: version})
		if err != nil {
			t.Fatal(err)
		}
		rev, err := chart.Resolve(t.Context())
		if err != nil || string(rev) != want {
			t.Errorf("%q: %s, %v", version, rev, err)
			continue
		}
		a, err := chart.Fetch(t.Context(), rev)
		if err != nil {
			t.Error(err)
			continue
		}
		data, err := fs.ReadFile(a.FS(), "Chart.yaml")
		if err != nil || !strings.Contains(string(data), "version: "+want) {
			t.Errorf("%q: %s, %v", version, data, err)
		}
		if _, err := fs.Stat(a.FS(), "charts/sub/Chart.yaml"); err != nil {
			t.Error(err)
		}
	}
	for _, c := range []helmrepo.ChartOptions{{Name: "none"}, {Name: "podinfo", Version: "7.x"}} {
		chart, err := repo.Chart(c)
		if err != nil {
			t.Fatal(err)
		}
		_, err = chart.Resolve(t.Context())
		wantError(t, err, source.ErrNotFound, c.Name, srv.URL)
	}
}

// fake serves what a table says and notes who got the password.
type fake struct {
	*httptest.Server
	mu     sync.Mutex
	paths  map[string]http.HandlerFunc
	leaked []string
}

func newFake(t testing.TB) *fake {
	t.Helper()
	f := &fake{paths: map[string]http.HandlerFunc{}}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		if r.Header.Get("Authorization") != "" {
			f.leaked = append(f.leaked, r.URL.Path)
		}
		h := f.paths[r.URL.Path]
		f.mu.Unlock()
		if h == nil {
			http.NotFound(w, r)
			return
		}
		h(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) serve(path, body string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.paths[path] = func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }
}

func indexOf(version, url, digest string) string {
	return fmt.Sprintf("entries:\n  app:\n  - name: app\n    version: %s\n    digest: %q\n    urls: [%q]\n", version, digest, url)
}

func fetch(t testing.TB, repo *helmrepo.Repository, opts helmrepo.ChartOptions) (*source.Artifact, error) {
	t.Helper()
	chart, err := repo.Chart(opts)
	if err != nil {
		t.Fatal(err)
	}
	rev, err := chart.Resolve(t.Context())
	if err != nil {
		return nil, err
	}
	return chart.Fetch(t.Context(), rev)
}

func TestCredentialsStayWithTheirHost(t *testing.T) {
	home, other := newFake(t), newFake(t)
	home.serve("/index.yaml", indexOf("1.0.0", other.URL+"/app.tgz", ""))
	other.serve("/app.tgz", string(chartFile(t, "app", "1.0.0")))
	auth := helmrepo.Auth{Username: "ann", Password: "pw"}
	if _, err := fetch(t, open(t, helmrepo.Options{URL: home.URL, Auth: auth}), helmrepo.ChartOptions{Name: "app"}); err != nil {
		t.Fatal(err)
	}
	if len(home.leaked) == 0 || len(other.leaked) != 0 {
		t.Errorf("home got %v, the other host %v", home.leaked, other.leaked)
	}
	if _, err := fetch(t, open(t, helmrepo.Options{URL: home.URL, Auth: auth, PassCredentials: true}), helmrepo.ChartOptions{Name: "app"}); err != nil {
		t.Fatal(err)
	}
	if len(other.leaked) != 1 {
		t.Errorf("with PassCredentials the other host got %v", other.leaked)
	}
	other.leaked = nil
	home.mu.Lock()
	home.paths["/index.yaml"] = func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+"/moved.yaml", http.StatusFound)
	}
	home.mu.Unlock()
	other.serve("/moved.yaml", indexOf("1.0.0", "/app.tgz", ""))
	if _, err := open(t, helmrepo.Options{URL: home.URL, Auth: auth}).Resolve(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(other.leaked) != 0 {
		t.Errorf("a redirect carried the password to %v", other.leaked)
	}
}

func TestChartsThatAreRefused(t *testing.T) {
	good := chartFile(t, "app", "1.0.0")
	for name, c := range map[string]struct {
		body, digest, url string
		is                error
	}{
		"digest":             {string(good), strings.Repeat("0", 64), "app.tgz", source.ErrCorrupt},
		"no archive":         {"hello", "", "app.tgz", source.ErrCorrupt},
		"another chart":      {string(chartFile(t, "other", "1.0.0")), "", "app.tgz", source.ErrCorrupt},
		"too large":          {strings.Repeat("x", 11<<20), "", "app.tgz", source.ErrTooLarge},
		"file URL":           {"", "", "file:///etc/passwd", source.ErrInvalid},
		"gone":               {"", "", "none.tgz", source.ErrNotFound},
		"digest with prefix": {string(good), "sha256:" + digest(good), "app.tgz", nil},
	} {
		t.Run(name, func(t *testing.T) {
			srv := newFake(t)
			srv.serve("/index.yaml", indexOf("1.0.0", c.url, c.digest))
			srv.serve("/app.tgz", c.body)
			_, err := fetch(t, open(t, helmrepo.Options{URL: srv.URL}), helmrepo.ChartOptions{Name: "app"})
			if !errors.Is(err, c.is) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestServersThatDoNotEnd(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/silent") {
			<-r.Context().Done()
			return
		}
		for r.Context().Err() == nil {
			if _, err := w.Write(bytes.Repeat([]byte("#                       \n"), 10_000)); err != nil {
				return
			}
		}
	}))
	defer srv.Close()
	_, err := open(t, helmrepo.Options{URL: srv.URL + "/endless", MaxIndexBytes: 1 << 20}).Resolve(t.Context())
	wantError(t, err, source.ErrTooLarge, "MaxIndexBytes")
	_, err = open(t, helmrepo.Options{URL: srv.URL + "/silent", Timeout: 200 * time.Millisecond}).Resolve(t.Context())
	wantError(t, err, context.DeadlineExceeded, "Timeout")
}

func TestAChartPackagedOnWindows(t *testing.T) {
	data := chartFileBy(t, "app", "1.0.0", `\`)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/index.yaml" {
			fmt.Fprintf(w, "entries: {app: [{name: app, version: 1.0.0, digest: %s, urls: [app.tgz]}]}", digest(data))
			return
		}
		_, _ = w.Write(data)
	}))
	defer srv.Close()
	chart, err := open(t, helmrepo.Options{URL: srv.URL}).Chart(helmrepo.ChartOptions{Name: "app"})
	if err != nil {
		t.Fatal(err)
	}
	a, err := chart.Fetch(t.Context(), "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fs.Stat(a.FS(), "charts/sub/Chart.yaml"); err != nil {
		t.Error(err)
	}
}

func TestIndexesThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		is   error
	}{
		"html":      {"<html><body>login</body></html>", source.ErrCorrupt},
		"empty":     {"", source.ErrCorrupt},
		"no index":  {"a: b\n", source.ErrCorrupt},
		"too large": {"entries:\n" + strings.Repeat("  # filler\n", 6<<20), source.ErrTooLarge},
		"cut JSON":  {`{"entries":{"app":[{"name":"app"`, source.ErrCorrupt},
		"deep JSON": {`{"x":` + strings.Repeat("[", 1<<20), source.ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			srv := newFake(t)
			srv.serve("/index.yaml", indexOf("1.0.0", "x", ""))
			repo := open(t, helmrepo.Options{URL: srv.URL})
			if _, err := repo.Resolve(t.Context()); err != nil {
				t.Fatal(err)
			}
			srv.serve("/index.yaml", c.body)
			_, err := repo.Resolve(t.Context())
			wantError(t, err, c.is)
			srv.serve("/index.yaml", indexOf("1.0.0", "x", ""))
			if all, err := repo.Versions(t.Context(), "app"); err != nil || len(all) != 1 {
				t.Errorf("afterwards: %v, %v", all, err)
			}
		})
	}
}

func TestReadIndex(t *testing.T) {
	want := []helmrepo.ChartVersion{
		{Name: "app", Version: "1.1.0", URLs: []string{"a-1.1.0.tgz"}, Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
		{Name: "app", Version: "1.0.0", URLs: []string{"a-1.0.0.tgz"}},
	}
	for name, text := range map[string]string{
		"as helm writes it": "apiVersion: v1\nentries:\n  aaa:\n  - name: aaa\n    version: 1.0.0\n    urls:\n    - x\n  app:\n  - created: \"2026-01-02T03:04:05Z\"\n" +
			"    description: |\n      app:\n      entries:\n    name: app\n    urls:\n    - a-1.1.0.tgz\n    version: 1.1.0\n  - name: app\n    urls:\n    - a-1.0.0.tgz\n    version: 1.0.0\n" +
			"  apps:\n  - name: apps\n    version: 9.9.9\n    urls: [y]\ngenerated: \"2026\"\n",
		"lists indented, quoted, CRLF": "\xef\xbb\xbf# comment\r\n---\r\nentries:\r\n    \"app\":\r\n        - {name: app, version: 1.1.0, urls: [a-1.1.0.tgz], created: 2026-01-02T03:04:05Z}\r\n\r\n" +
			"        - name: app\r\n          version: 1.0.0\r\n          urls: [a-1.0.0.tgz]\r\n    other:\r\n        - name: other\r\n",
		"JSON": `{"apiVersion":"v1","entries":{"x":[{"deep":{"entries":{"app":[]}}}],"app":[{"name":"app","version":"1.1.0","urls":["a-1.1.0.tgz"],"created":"2026-01-02T03:04:05Z"},` +
			`{"version":"1.0.0","urls":["a-1.0.0.tgz"]},{"version":7},{"name":"app","version":"2.0.0"}]}}`,
		"flow style":                 "entries: {app: [{name: app, version: 1.1.0, urls: [a-1.1.0.tgz], created: 2026-01-02T03:04:05Z}, {name: app, version: 1.0.0, urls: [a-1.0.0.tgz]}]}\n",
		"entries that make no sense": "entries:\n  app:\n  - name: app\n    version: 1.1.0\n    urls: [a-1.1.0.tgz]\n    created: 2026-01-02T03:04:05Z\n  - null\n  - name: [x]\n  - name: app\n    version: 1.0.0\n    urls: [a-1.0.0.tgz]\n",
	} {
		got, err := helmrepo.ReadIndex(strings.NewReader(text), "app")
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// Aliases of aliases stand for 10^12 values; none of them may be made.
func TestIndexesOfAliases(t *testing.T) {
	laughs := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for i := 'b'; i <= 'l'; i++ {
		laughs += fmt.Sprintf("%c: &%c [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", i-1), 10), ","))
	}
	for name, text := range map[string]string{
		"as entries": laughs + "entries: {app: [*l]}\n",
		"as URLs":    laughs + "entries:\n  app:\n  - name: app\n    version: 1.0.0\n    urls: *l\n",
		"in a chart": "entries:\n  app:\n  - name: app\n    version: 1.0.0\n    " + strings.ReplaceAll(strings.TrimSpace(laughs), "\n", "\n    ") + "\n    urls: *l\n",
		"in flow":    "entries: {app: [{name: app, version: 1.0.0, " + strings.ReplaceAll(strings.TrimSpace(laughs), "\n", ", ") + ", urls: *l}]}\n",
	} {
		if got, err := helmrepo.ReadIndex(strings.NewReader(text), "app"); len(got) > 0 || err != nil && !errors.Is(err, source.ErrCorrupt) && !errors.Is(err, source.ErrNotFound) {
			t.Errorf("%s: %d versions, %v", name, len(got), err)
		}
	}
}

func FuzzReadIndex(f *testing.F) {
	f.Add([]byte(indexOf("1.0.0", "x", "")))
	f.Add([]byte(`{"entries":{"app":[{"version":"1.0.0","urls":["x"]}]}}`))
	f.Add([]byte("entries: {app: [{version: 1.0.0, urls: [x]}]}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := helmrepo.ReadIndex(bytes.NewReader(data), "app")
		if err != nil && !errors.Is(err, source.ErrCorrupt) {
			t.Errorf("%v", err)
		}
		for _, v := range got {
			if v.Name != "app" || v.Version == "" || len(v.URLs) == 0 {
				t.Errorf("%+v", v)
			}
		}
	})
}

func TestProvenance(t *testing.T) {
	e, err := openpgp.NewEntity("Ann", "", "ann@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	var public bytes.Buffer
	w, err := armor.Encode(&public, openpgp.PublicKeyType, nil)
	if err == nil {
		err = errors.Join(e.Serialize(w), w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	chart := chartFile(t, "app", "1.0.0")
	prov := func(sum string) string {
		var out bytes.Buffer
		w, err := clearsign.Encode(&out, e.PrivateKey, nil)
		if err == nil {
			_, err = fmt.Fprintf(w, "name: app\nversion: 1.0.0\n\n...\nfiles:\n  app-1.0.0.tgz: sha256:%s\n", sum)
			err = errors.Join(err, w.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	srv := newFake(t)
	srv.serve("/index.yaml", indexOf("1.0.0", "app-1.0.0.tgz", digest(chart)))
	srv.serve("/app-1.0.0.tgz", string(chart))
	opts := helmrepo.ChartOptions{Name: "app", Provenance: public.Bytes()}
	_, err = fetch(t, open(t, helmrepo.Options{URL: srv.URL}), opts)
	wantError(t, err, source.ErrVerification)
	for name, text := range map[string]string{
		"of another file": prov(strings.Repeat("0", 64)), "changed": strings.Replace(prov(digest(chart)), "name: app", "name: bpp", 1), "no signature": "files:\n",
	} {
		srv.serve("/app-1.0.0.tgz.prov", text)
		if _, err := fetch(t, open(t, helmrepo.Options{URL: srv.URL}), opts); !errors.Is(err, source.ErrVerification) {
			t.Errorf("%s: %v", name, err)
		}
	}
	srv.serve("/app-1.0.0.tgz.prov", prov(digest(chart)))
	a, err := fetch(t, open(t, helmrepo.Options{URL: srv.URL}), opts)
	if err != nil || !strings.HasPrefix(a.Metadata()[helmrepo.MetadataSigner], "PGP key ") {
		t.Errorf("%v", err)
	}
}
