package oci_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/archive"
	"github.com/gitopskit/gitopskit/source/oci"
)

// hostile is a registry of one artifact that answers as it likes.
type hostile struct {
	manifest, layer []byte
	blob            http.HandlerFunc // instead of the layer
	manifests       http.HandlerFunc // instead of the manifest
	password        string           // what is asked for, if anything
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(s[:])
}

// newHostile serves a layer under a manifest that announces size bytes.
func newHostile(t testing.TB, layer []byte, size int) (*hostile, oci.Options) {
	t.Helper()
	h := &hostile{layer: layer}
	h.manifest = fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"x","digest":%q,"size":2},"layers":[{"mediaType":%q,"digest":%q,"size":%d}]}`,
		sum([]byte("{}")), oci.MediaTypeContent, sum(layer), size)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != h.password {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		switch {
		case r.URL.Path == "/v2/":
		case strings.Contains(r.URL.Path, "/manifests/") && h.manifests != nil:
			h.manifests(w, r)
		case strings.Contains(r.URL.Path, "/manifests/"):
			w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
			w.Header().Set("Docker-Content-Digest", sum(h.manifest))
			_, _ = w.Write(h.manifest)
		case h.blob != nil:
			h.blob(w, r)
		default:
			_, _ = w.Write(h.layer)
		}
	}))
	t.Cleanup(srv.Close)
	host := srv.Listener.Addr().String()
	return h, oci.Options{
		URL: "oci://" + host + "/app", Reference: oci.Reference{Digest: sum(h.manifest)},
		Client: client(t, oci.ClientOptions{Insecure: []string{host}, Timeout: time.Minute}), Cache: cache(t),
	}
}

// layerOf is a tar.gz with the entries.
func layerOf(t testing.TB, entries ...tar.Header) []byte {
	t.Helper()
	var buf bytes.Buffer
	gz := gzip.NewWriter(&buf)
	tw := tar.NewWriter(gz)
	for _, h := range entries {
		h.Mode = 0o644
		if err := tw.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write(make([]byte, h.Size)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(tw.Close(), gz.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestHostileLayers(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		layer []byte
		is    error
	}{
		"leads outside":       {layerOf(t, tar.Header{Name: "../x", Typeflag: tar.TypeReg}), source.ErrUnsafe},
		"absolute":            {layerOf(t, tar.Header{Name: "/x", Typeflag: tar.TypeReg}), source.ErrUnsafe},
		"backslash":           {layerOf(t, tar.Header{Name: `..\x`, Typeflag: tar.TypeReg}), source.ErrUnsafe},
		"through a link":      {layerOf(t, tar.Header{Name: "a", Linkname: "..", Typeflag: tar.TypeSymlink}, tar.Header{Name: "a/x", Typeflag: tar.TypeReg}), source.ErrUnsafe},
		"hard link":           {layerOf(t, tar.Header{Name: "a", Linkname: "/etc/passwd", Typeflag: tar.TypeLink}), source.ErrUnsafe},
		"device":              {layerOf(t, tar.Header{Name: "a", Typeflag: tar.TypeChar}), source.ErrUnsafe},
		"Git's folder":        {layerOf(t, tar.Header{Name: ".git/config", Typeflag: tar.TypeReg}), source.ErrUnsafe},
		"much of little":      {layerOf(t, tar.Header{Name: "a", Size: 64 << 20, Typeflag: tar.TypeReg}), source.ErrTooLarge},
		"no archive":          {[]byte("hello"), source.ErrCorrupt},
		"cut off and sealed":  {layerOf(t, tar.Header{Name: "a", Size: 100, Typeflag: tar.TypeReg})[:30], source.ErrCorrupt},
		"a file and a folder": {layerOf(t, tar.Header{Name: "a", Typeflag: tar.TypeReg}, tar.Header{Name: "a/b", Typeflag: tar.TypeReg}), source.ErrUnsafe},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, opts := newHostile(t, x.layer, len(x.layer))
			root := t.TempDir()
			kept, err := oci.OpenCache(filepath.Join(root, "a", "b", "cache"))
			if err != nil {
				t.Fatal(err)
			}
			opts.Cache = kept
			// What was fetched before is there after.
			good := layerOf(t, tar.Header{Name: "good", Size: 1, Typeflag: tar.TypeReg})
			before, goodOpts := newHostile(t, good, len(good))
			goodOpts.Cache = opts.Cache
			first, err := open(t, goodOpts).Fetch(t.Context(), source.Revision(sum(before.manifest)))
			if err != nil {
				t.Fatal(err)
			}
			opts.Limits = archive.Limits{Bytes: 32 << 20}
			if _, err := open(t, opts).Fetch(t.Context(), source.Revision(sum(h.manifest))); !errors.Is(err, x.is) {
				t.Errorf("%v", err)
			}
			for _, dir := range []string{"", "a", "a/b"} {
				if left, err := os.ReadDir(filepath.Join(root, dir)); err != nil || len(left) != 1 {
					t.Errorf("written outside: %v, %v", left, err)
				}
			}
			if got := files(t, first); len(got) != 1 {
				t.Errorf("what was there before: %v", got)
			}
			before.manifests = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }
			if _, err := open(t, goodOpts).Fetch(t.Context(), source.Revision(sum(before.manifest))); err != nil {
				t.Errorf("what was there before: %v", err)
			}
		})
	}
}

func TestHostileServers(t *testing.T) {
	t.Parallel()
	endless := func(w http.ResponseWriter, r *http.Request) {
		piece := bytes.Repeat([]byte(" "), 1<<20)
		for r.Context().Err() == nil {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}
	silent := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	layer := layerOf(t, tar.Header{Name: "a", Size: 10, Typeflag: tar.TypeReg})
	for name, x := range map[string]struct {
		change  func(*hostile)
		size    int
		timeout time.Duration
		is      error
	}{
		"a manifest without end":       {func(h *hostile) { h.manifests = endless }, len(layer), 0, source.ErrTooLarge},
		"a layer without end":          {func(h *hostile) { h.blob = endless }, len(layer), 0, source.ErrCorrupt},
		"a layer of another size":      {func(*hostile) {}, len(layer) + 1, 0, source.ErrCorrupt},
		"a layer announced as huge":    {func(*hostile) {}, 2 << 30, 0, source.ErrTooLarge},
		"a manifest of another digest": {func(h *hostile) { h.manifest = append(h.manifest, ' ') }, len(layer), 0, source.ErrCorrupt},
		"no answer for the manifest":   {func(h *hostile) { h.manifests = silent }, len(layer), 300 * time.Millisecond, context.DeadlineExceeded},
		"no answer for the layer":      {func(h *hostile) { h.blob = silent }, len(layer), 300 * time.Millisecond, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, opts := newHostile(t, layer, x.size)
			revision := source.Revision(sum(h.manifest))
			x.change(h)
			if x.timeout > 0 {
				host, _, _ := strings.Cut(strings.TrimPrefix(opts.URL, "oci://"), "/")
				opts.Client = client(t, oci.ClientOptions{Insecure: []string{host}, Timeout: x.timeout})
			}
			_, err := open(t, opts).Fetch(t.Context(), revision)
			wantError(t, err, x.is)
		})
	}
}

func TestARedirectDoesNotCarryCredentials(t *testing.T) {
	t.Parallel()
	layer := layerOf(t, tar.Header{Name: "a", Size: 10, Typeflag: tar.TypeReg})
	var leaked []string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a := r.Header.Get("Authorization"); a != "" {
			leaked = append(leaked, a)
		}
		_, _ = w.Write(layer)
	}))
	defer other.Close()
	h, opts := newHostile(t, layer, len(layer))
	h.password = "s3cret"
	h.blob = func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	}
	host, _, _ := strings.Cut(strings.TrimPrefix(opts.URL, "oci://"), "/")
	otherHost := other.Listener.Addr().String()
	opts.Client = client(t, oci.ClientOptions{Insecure: []string{host, otherHost}, Auth: oci.Auth{Username: "ann", Password: "s3cret"}})
	if _, err := open(t, opts).Fetch(t.Context(), source.Revision(sum(h.manifest))); err != nil {
		t.Fatal(err)
	}
	if len(leaked) > 0 {
		t.Errorf("the other host was given %q", leaked)
	}
}

func TestARegistryWithoutHEAD(t *testing.T) {
	t.Parallel()
	layer := layerOf(t, tar.Header{Name: "a", Size: 10, Typeflag: tar.TypeReg})
	h, opts := newHostile(t, layer, len(layer))
	h.manifests = func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		_, _ = w.Write(h.manifest)
	}
	opts.Reference = oci.Reference{Tag: "v1"}
	a := take(t, open(t, opts))
	if want := source.Revision("v1@" + sum(h.manifest)); a.Revision() != want {
		t.Errorf("%s, not %s", a.Revision(), want)
	}
}
