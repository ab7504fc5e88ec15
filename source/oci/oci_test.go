package oci_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/gitopskit/gitopskit/internal/servers"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/archive"
	"github.com/gitopskit/gitopskit/source/oci"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// artifact makes one of files whose content is their ID.
func artifact(t testing.TB, files map[string]string) *source.Artifact {
	t.Helper()
	var entries []archive.Entry
	for name, content := range files {
		entries = append(entries, archive.Entry{Path: name, Mode: 0o644, Size: int64(len(content)), ID: "raw:" + content})
	}
	a, err := source.NewArtifact(source.Contents{
		Revision: "main@sha1:1eabc9a41ca088515cab83f1cce49eb43e84b67f", Entries: entries,
		Open: func(_ context.Context, e archive.Entry) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(strings.TrimPrefix(e.ID, "raw:"))), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func client(t testing.TB, opts oci.ClientOptions) *oci.Client {
	t.Helper()
	c, err := oci.NewClient(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func cache(t testing.TB) *oci.Cache {
	t.Helper()
	c, err := oci.OpenCache(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func open(t testing.TB, opts oci.Options) *oci.Source {
	t.Helper()
	if opts.Cache == nil {
		opts.Cache = cache(t)
	}
	s, err := oci.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func take(t testing.TB, s source.Source) *source.Artifact {
	t.Helper()
	rev, err := s.Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.Fetch(t.Context(), rev)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func files(t testing.TB, a *source.Artifact) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := fs.WalkDir(a.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(a.FS(), p)
		out[p] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPushAndFetch(t *testing.T) {
	reg := servers.NewRegistry(t, servers.RegistryOptions{})
	c := client(t, oci.ClientOptions{Insecure: []string{reg.Host}})
	url := "oci://" + reg.Host + "/org/app"
	content := map[string]string{"deploy/a.yaml": "a", "b.yaml": "b"}
	digest, err := c.Push(t.Context(), url+":v1.0.0", artifact(t, content), oci.PushOptions{Source: "https://example.com/x"})
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.Push(t.Context(), url+":v1.1.0", artifact(t, content), oci.PushOptions{Source: "https://example.com/x"})
	if err != nil || again != digest {
		t.Errorf("not reproducible: %s, %s, %v", digest, again, err)
	}
	newer, err := c.Push(t.Context(), url+":v1.2.0", artifact(t, map[string]string{"b.yaml": "newer"}), oci.PushOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Tag(t.Context(), url+":v1.0.0", "latest", "stable"); err != nil {
		t.Fatal(err)
	}
	tags, err := c.Tags(t.Context(), url)
	if diff := cmp.Diff([]string{"latest", "stable", "v1.0.0", "v1.1.0", "v1.2.0"}, tags); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for name, x := range map[string]struct {
		ref  oci.Reference
		want string
		file string
	}{
		"latest by default": {oci.Reference{}, "latest@" + digest, "b"},
		"tag":               {oci.Reference{Tag: "stable"}, "stable@" + digest, "b"},
		"range beats tag":   {oci.Reference{SemVer: "1.x", Tag: "stable"}, "v1.2.0@" + newer, "newer"},
		"range with filter": {oci.Reference{SemVer: "1.x", SemVerFilter: `1\.[01]\.`}, "v1.1.0@" + digest, "b"},
		"digest beats all":  {oci.Reference{Digest: digest, SemVer: "1.x"}, digest, "b"},
	} {
		a := take(t, open(t, oci.Options{URL: url, Reference: x.ref, Client: c}))
		if a.Revision().String() != x.want || files(t, a)["b.yaml"] != x.file {
			t.Errorf("%s: %s", name, a.Revision())
		}
	}
	a := take(t, open(t, oci.Options{URL: url, Client: c}))
	if diff := cmp.Diff(content, files(t, a)); diff != "" {
		t.Error(diff)
	}
	meta := a.Metadata()
	if meta[oci.AnnotationSource] != "https://example.com/x" || meta[oci.AnnotationCreated] != "1970-01-01T00:00:00Z" ||
		meta[oci.AnnotationRevision] != "main@sha1:1eabc9a41ca088515cab83f1cce49eb43e84b67f" {
		t.Errorf("annotations %v", meta)
	}
	if d, err := source.Diff(artifact(t, content), a); err != nil || len(d) != 0 {
		t.Errorf("diff of the same: %v, %v", d, err)
	}
	d, err := source.Diff(artifact(t, map[string]string{"b.yaml": "x", "c": "c"}), a)
	if diff := cmp.Diff([]source.Difference{{Path: "b.yaml", Kind: source.Changed}, {Path: "c", Kind: source.Removed}, {Path: "deploy/a.yaml", Kind: source.Added}}, d); diff != "" || err != nil {
		t.Error(diff, err)
	}
	left := open(t, oci.Options{URL: url, Client: c, Ignore: "deploy/"})
	if diff := cmp.Diff(map[string]string{"b.yaml": "b"}, files(t, take(t, left))); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsKeptCostsNoRequest(t *testing.T) {
	reg := servers.NewRegistry(t, servers.RegistryOptions{})
	c := client(t, oci.ClientOptions{Insecure: []string{reg.Host}})
	url := "oci://" + reg.Host + "/app"
	digest, err := c.Push(t.Context(), url+":latest", artifact(t, map[string]string{"a": "1"}), oci.PushOptions{})
	if err != nil {
		t.Fatal(err)
	}
	kept := cache(t)
	s := open(t, oci.Options{URL: url, Reference: oci.Reference{Digest: digest}, Client: c, Cache: kept})
	first := take(t, s)
	reg.Reset()
	second := take(t, s)
	if got := reg.Requests(); len(got) != 0 {
		t.Errorf("requests for what is kept: %v", got)
	}
	if first.ContentDigest() != second.ContentDigest() {
		t.Error("the digest changed")
	}
	damage(t, kept, second)
	if got := files(t, take(t, s)); got["a"] != "1" {
		t.Errorf("after damage: %v", got)
	}
}

// damage changes a kept file and sees that reading it fails.
func damage(t *testing.T, _ *oci.Cache, a *source.Artifact) {
	t.Helper()
	dir := filepath.Dir(t.TempDir())
	found := false
	_ = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Base(p) == "a" {
			found = true
			return os.WriteFile(p, []byte("2"), 0o600)
		}
		return nil
	})
	if !found {
		t.Fatal("found no kept file to damage")
	}
	if _, err := fs.ReadFile(a.FS(), "a"); !errors.Is(err, source.ErrCorrupt) {
		t.Errorf("damage is not noticed: %v", err)
	}
}

func TestOneIdentityDoesNotReadAnothersCache(t *testing.T) {
	reg := servers.NewRegistry(t, servers.RegistryOptions{})
	kept := cache(t)
	url := "oci://" + reg.Host + "/app"
	of := func(change func(*oci.ClientOptions)) *oci.Client {
		o := oci.ClientOptions{Insecure: []string{reg.Host}, Credentials: func(context.Context, string) (string, string, error) { return "", "", nil }}
		change(&o)
		return client(t, o)
	}
	ann := of(func(o *oci.ClientOptions) { o.Identity = "ann" })
	digest, err := ann.Push(t.Context(), url+":latest", artifact(t, map[string]string{"a": "1"}), oci.PushOptions{})
	if err != nil {
		t.Fatal(err)
	}
	take(t, open(t, oci.Options{URL: url, Client: ann, Cache: kept}))
	for name, change := range map[string]func(*oci.ClientOptions){
		"another":            func(o *oci.ClientOptions) { o.Identity = "bob" },
		"none":               func(*oci.ClientOptions) {},
		"another's password": func(o *oci.ClientOptions) { o.Auth = oci.Auth{Username: "ann", Password: "x"} },
	} {
		reg.Reset()
		take(t, open(t, oci.Options{URL: url, Reference: oci.Reference{Digest: digest}, Client: of(change), Cache: kept}))
		if len(reg.Requests()) == 0 {
			t.Errorf("%s: read what ann fetched without asking the registry", name)
		}
	}
}

func TestLayers(t *testing.T) {
	reg := servers.NewRegistry(t, servers.RegistryOptions{})
	c := client(t, oci.ClientOptions{Insecure: []string{reg.Host}})
	url := "oci://" + reg.Host + "/app"
	if _, err := c.Push(t.Context(), url+":latest", artifact(t, map[string]string{"a": "1"}), oci.PushOptions{}); err != nil {
		t.Fatal(err)
	}
	a := take(t, open(t, oci.Options{URL: url, Client: c, Layer: oci.Layer{MediaType: oci.MediaTypeContent, Operation: oci.Copy, FileName: "chart.tgz"}}))
	got := files(t, a)
	dir := filepath.Join(t.TempDir(), "x")
	if _, err := archive.Extract(t.Context(), strings.NewReader(got["chart.tgz"]), dir, archive.ExtractOptions{}); err != nil || len(got) != 1 {
		t.Errorf("copied layer: %v", err)
	}
	s := open(t, oci.Options{URL: url, Client: c, Layer: oci.Layer{MediaType: "application/other"}})
	rev, err := s.Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Fetch(t.Context(), rev)
	wantError(t, err, source.ErrNotFound, "application/other", oci.MediaTypeContent)
	s = open(t, oci.Options{URL: url, Client: c, MaxLayerBytes: 10})
	_, err = s.Fetch(t.Context(), rev)
	wantError(t, err, source.ErrTooLarge, "MaxLayerBytes")
}

func wantError(t *testing.T, err, is error, words ...string) {
	t.Helper()
	if !errors.Is(err, is) {
		t.Errorf("%v\nis not: %v", err, is)
		return
	}
	var se *source.Error
	if !errors.As(err, &se) {
		t.Errorf("%T is no *source.Error", err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%v\ndoes not say: %s", err, w)
		}
	}
}

func TestTLSAndPasswords(t *testing.T) {
	reg := servers.NewRegistry(t, servers.RegistryOptions{TLS: true, Username: "ann", Password: "s3cret"})
	url := "oci://" + reg.Host + "/app"
	config := func(host string) []byte {
		return fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, host, base64.StdEncoding.EncodeToString([]byte("ann:s3cret")))
	}
	good := client(t, oci.ClientOptions{CA: reg.CA, Auth: oci.Auth{Username: "ann", Password: "s3cret"}})
	if _, err := good.Push(t.Context(), url+":latest", artifact(t, map[string]string{"a": "1"}), oci.PushOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, auth := range map[string]oci.Auth{
		"docker config":          {DockerConfig: config(reg.Host)},
		"docker config with URL": {DockerConfig: config("https://" + reg.Host + "/v2/")},
		"docker config by path":  {DockerConfig: config(reg.Host + "/app")},
	} {
		if got := files(t, take(t, open(t, oci.Options{URL: url, Client: client(t, oci.ClientOptions{CA: reg.CA, Auth: auth})}))); got["a"] != "1" {
			t.Errorf("%s: %v", name, got)
		}
	}
	var asked atomic.Value
	plugged := client(t, oci.ClientOptions{CA: reg.CA, Credentials: func(_ context.Context, repo string) (string, string, error) {
		asked.Store(repo)
		return "ann", "s3cret", nil
	}})
	take(t, open(t, oci.Options{URL: url, Client: plugged}))
	if asked.Load() != reg.Host+"/app" {
		t.Errorf("asked for %v", asked.Load())
	}
	for name, x := range map[string]struct {
		opts oci.ClientOptions
		is   error
	}{
		"wrong password":  {oci.ClientOptions{CA: reg.CA, Auth: oci.Auth{Username: "ann", Password: "wr0ng-pw"}}, source.ErrAuth},
		"none":            {oci.ClientOptions{CA: reg.CA}, source.ErrAuth},
		"look-alike host": {oci.ClientOptions{CA: reg.CA, Auth: oci.Auth{DockerConfig: config("x" + reg.Host)}}, source.ErrAuth},
		"other path":      {oci.ClientOptions{CA: reg.CA, Auth: oci.Auth{DockerConfig: config(reg.Host + "/ap")}}, source.ErrAuth},
		"unknown CA":      {oci.ClientOptions{Auth: oci.Auth{Username: "ann", Password: "s3cret"}}, source.ErrTLS},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := open(t, oci.Options{URL: url, Client: client(t, x.opts)}).Resolve(t.Context())
			wantError(t, err, x.is)
			if strings.Contains(fmt.Sprint(err), "wr0ng-pw") {
				t.Errorf("the password is in the error: %v", err)
			}
		})
	}
}

func TestDockersLogin(t *testing.T) {
	reg := servers.NewRegistry(t, servers.RegistryOptions{TLS: true, Username: "ann", Password: "s3cret"})
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	url := "oci://" + reg.Host + "/app"
	push := func() error {
		_, err := client(t, oci.ClientOptions{CA: reg.CA, Keychain: true}).Push(t.Context(), url+":latest", artifact(t, map[string]string{"a": "1"}), oci.PushOptions{})
		return err
	}
	wantError(t, push(), source.ErrAuth)
	helper := "#!/bin/sh\nread host\nprintf '{\"ServerURL\":\"%s\",\"Username\":\"ann\",\"Secret\":\"s3cret\"}' \"$host\"\n"
	if err := os.WriteFile(filepath.Join(dir, "docker-credential-ours"), []byte(helper), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, config := range map[string]string{
		"config.json": fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, reg.Host, base64.StdEncoding.EncodeToString([]byte("ann:s3cret"))),
		"helper":      fmt.Sprintf(`{"credHelpers":{%q:"ours"}}`, reg.Host),
	} {
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := push(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPlainHTTPOnlyByName(t *testing.T) {
	reg := servers.NewRegistry(t, servers.RegistryOptions{})
	_, err := open(t, oci.Options{URL: "oci://" + reg.Host + "/app", Client: client(t, oci.ClientOptions{})}).Resolve(t.Context())
	wantError(t, err, source.ErrInvalid, "Insecure")
}

func TestWhatDoesNotExist(t *testing.T) {
	reg := servers.NewRegistry(t, servers.RegistryOptions{})
	c := client(t, oci.ClientOptions{Insecure: []string{reg.Host}})
	url := "oci://" + reg.Host + "/app"
	if _, err := c.Push(t.Context(), url+":v1.0.0", artifact(t, map[string]string{"a": "1"}), oci.PushOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []oci.Reference{{Tag: "none"}, {}, {SemVer: ">2"}} {
		_, err := open(t, oci.Options{URL: url, Reference: ref, Client: c}).Resolve(t.Context())
		wantError(t, err, source.ErrNotFound, url)
	}
}

// tamper answers requests for blobs with other bytes.
func tamper(change func([]byte) []byte) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/blobs/sha256:") {
				next.ServeHTTP(w, r)
				return
			}
			rec := httptest.NewRecorder()
			next.ServeHTTP(rec, r)
			_, _ = w.Write(change(rec.Body.Bytes()))
		})
	}
}

func TestTamperedLayersAreRefused(t *testing.T) {
	var pad bytes.Buffer
	for name, change := range map[string]func([]byte) []byte{
		"padding after the archive": func(b []byte) []byte { return append(b, make([]byte, 1<<10)...) },
		"cut off":                   func(b []byte) []byte { return b[:len(b)-1] },
		"one bit":                   func(b []byte) []byte { b = bytes.Clone(b); b[len(b)/2] ^= 1; return b },
		"something else":            func([]byte) []byte { return []byte("hello") },
		"nothing":                   func([]byte) []byte { return pad.Bytes() },
	} {
		t.Run(name, func(t *testing.T) {
			reg := servers.NewRegistry(t, servers.RegistryOptions{Wrap: tamper(change)})
			c := client(t, oci.ClientOptions{Insecure: []string{reg.Host}})
			url := "oci://" + reg.Host + "/app"
			if _, err := c.Push(t.Context(), url+":latest", artifact(t, map[string]string{"a": strings.Repeat("abc", 1000)}), oci.PushOptions{}); err != nil {
				t.Fatal(err)
			}
			s := open(t, oci.Options{URL: url, Client: c})
			rev, err := s.Resolve(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Fetch(t.Context(), rev); !errors.Is(err, source.ErrCorrupt) {
				t.Errorf("%v", err)
			}
		})
	}
}

type verifier struct {
	err  error
	seen string
}

func (v *verifier) Verify(_ context.Context, _ *oci.Client, repository, digest string) (string, error) {
	v.seen = repository + "@" + digest
	return "somebody", v.err
}

func TestVerifierDecides(t *testing.T) {
	reg := servers.NewRegistry(t, servers.RegistryOptions{})
	c := client(t, oci.ClientOptions{Insecure: []string{reg.Host}})
	url := "oci://" + reg.Host + "/app"
	digest, err := c.Push(t.Context(), url+":latest", artifact(t, map[string]string{"a": "1"}), oci.PushOptions{})
	if err != nil {
		t.Fatal(err)
	}
	v := &verifier{}
	s := open(t, oci.Options{URL: url, Client: c, Verifier: v})
	a := take(t, s)
	if a.Metadata()[oci.MetadataSigner] != "somebody" || v.seen != reg.Host+"/app@"+digest {
		t.Errorf("%v, %s", a.Metadata(), v.seen)
	}
	// What was accepted is not asked about again, and costs no request.
	v.err = fmt.Errorf("%w: nobody signed", source.ErrVerification)
	reg.Reset()
	if again, err := s.Fetch(t.Context(), a.Revision()); err != nil || again.Metadata()[oci.MetadataSigner] != "somebody" || len(reg.Requests()) != 0 {
		t.Errorf("%v, %v, requests %v", again, err, reg.Requests())
	}
	// Another source asks, and what is refused is asked about each time.
	s = open(t, oci.Options{URL: url, Client: c, Verifier: v})
	_, err = s.Fetch(t.Context(), a.Revision())
	wantError(t, err, source.ErrVerification, "nobody signed")
	v.err = nil
	if _, err := s.Fetch(t.Context(), a.Revision()); err != nil {
		t.Error(err)
	}
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	c, k := client(t, oci.ClientOptions{}), cache(t)
	for name, o := range map[string]oci.Options{
		"no URL":         {Client: c, Cache: k},
		"scheme":         {URL: "https://example.com/x", Client: c, Cache: k},
		"tag in the URL": {URL: "oci://example.com/x:v1", Client: c, Cache: k},
		"digest":         {URL: "oci://example.com/x", Client: c, Cache: k, Reference: oci.Reference{Digest: "sha256:x"}},
		"range":          {URL: "oci://example.com/x", Client: c, Cache: k, Reference: oci.Reference{SemVer: "nonsense"}},
		"no client":      {URL: "oci://example.com/x", Cache: k},
		"no cache":       {URL: "oci://example.com/x", Client: c},
		"operation":      {URL: "oci://example.com/x", Client: c, Cache: k, Layer: oci.Layer{Operation: "x"}},
		"file name":      {URL: "oci://example.com/x", Client: c, Cache: k, Layer: oci.Layer{FileName: "../x"}},
	} {
		_, err := oci.New(o)
		if !errors.Is(err, source.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := oci.New(oci.Options{URL: "oci://localhost:5000/app", Client: c, Cache: k}); err != nil {
		t.Errorf("a port's colon is taken for a tag: %v", err)
	}
	_, err := oci.NewClient(oci.ClientOptions{Auth: oci.Auth{DockerConfig: []byte(`{"auths": top-secret}`)}})
	if !errors.Is(err, source.ErrInvalid) || strings.Contains(err.Error(), "top-secret") {
		t.Error(err)
	}
}

func TestWhatIsAttachedIsRead(t *testing.T) {
	reg := servers.NewRegistry(t, servers.RegistryOptions{})
	c := client(t, oci.ClientOptions{Insecure: []string{reg.Host}})
	repo := reg.Host + "/app"
	digest, err := c.Push(t.Context(), repo+":v1", artifact(t, map[string]string{"a": "1"}), oci.PushOptions{Annotations: map[string]string{"k": "v"}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := c.Manifest(t.Context(), "oci://"+repo+":v1")
	if err != nil || m.Digest != digest || m.Config.MediaType != oci.MediaTypeConfig || len(m.Layers) != 1 || m.Annotations["k"] != "v" {
		t.Fatalf("%+v, %v", m, err)
	}
	data, err := c.Blob(t.Context(), repo, m.Layers[0].Digest, m.Layers[0].Size)
	if err != nil || int64(len(data)) != m.Layers[0].Size {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	_, err = c.Blob(t.Context(), repo, m.Layers[0].Digest, m.Layers[0].Size-1)
	wantError(t, err, source.ErrTooLarge)
	_, err = c.Manifest(t.Context(), repo+":none")
	wantError(t, err, source.ErrNotFound)
	attached, err := c.Referrers(t.Context(), repo, digest)
	if err != nil || len(attached) != 0 {
		t.Errorf("%v, %v", attached, err)
	}
	_, err = c.Referrers(t.Context(), repo, "sha256:x")
	wantError(t, err, source.ErrInvalid)
}
