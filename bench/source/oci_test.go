package source_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	fluxoci "github.com/fluxcd/pkg/oci"
	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/gitopskit/gitopskit/internal/servers"
	"github.com/gitopskit/gitopskit/source"
	sourcearchive "github.com/gitopskit/gitopskit/source/archive"
	"github.com/gitopskit/gitopskit/source/oci"
)

// randomArtifact holds 100 MB that do not compress.
func randomArtifact(b *testing.B) *source.Artifact {
	b.Helper()
	r := rand.NewChaCha8([32]byte{2})
	blobs := map[string][]byte{}
	var entries []sourcearchive.Entry
	for i := range 100 {
		data := make([]byte, 1<<20)
		_, _ = r.Read(data)
		id := fmt.Sprint("id:", i)
		blobs[id] = data
		entries = append(entries, sourcearchive.Entry{Path: fmt.Sprintf("f%03d", i), Mode: 0o644, Size: 1 << 20, ID: id})
	}
	a, err := source.NewArtifact(source.Contents{Revision: "r", Entries: entries, Open: func(_ context.Context, e sourcearchive.Entry) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(blobs[e.ID])), nil
	}})
	if err != nil {
		b.Fatal(err)
	}
	return a
}

func BenchmarkOCI(b *testing.B) {
	reg := servers.NewRegistry(b, servers.RegistryOptions{})
	client, err := oci.NewClient(oci.ClientOptions{Insecure: []string{reg.Host}})
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	url := "oci://" + reg.Host + "/app"
	digest, err := client.Push(b.Context(), url+":v1", randomArtifact(b), oci.PushOptions{})
	if err != nil {
		b.Fatal(err)
	}
	ref, err := name.NewDigest(reg.Host+"/app@"+digest, name.Insecure)
	if err != nil {
		b.Fatal(err)
	}
	img, err := remote.Image(ref)
	if err != nil {
		b.Fatal(err)
	}
	m, err := img.Manifest()
	if err != nil {
		b.Fatal(err)
	}
	const mb = 100
	layer := "http://" + reg.Host + "/v2/app/blobs/" + m.Layers[0].Digest.String()
	saved := func(b *testing.B) {
		var dir folder
		for b.Loop() {
			f, err := os.Create(filepath.Join(dir.next(b), "layer"))
			if err != nil {
				b.Fatal(err)
			}
			download(b, layer, m.Layers[0].Digest.Hex, f)
		}
	}
	discarded := func(b *testing.B) {
		for b.Loop() {
			download(b, layer, m.Layers[0].Digest.Hex, nil)
		}
	}
	extract := func(b *testing.B) int { return fetchLayer(b, reg, client, url, oci.Extract) }
	keep := func(b *testing.B) int { return fetchLayer(b, reg, client, url, oci.Copy) }
	b.Run("layer", func(b *testing.B) { compare(b, mb, "plain HTTP download to a file, with sha256", saved, extract) })
	b.Run("layer-copied", func(b *testing.B) { compare(b, mb, "plain HTTP download to a file, with sha256", saved, keep) })
	b.Run("layer-discarded", func(b *testing.B) { compare(b, mb, "plain HTTP download to nowhere, with sha256", discarded, extract) })
	b.Run("layer-flux", func(b *testing.B) {
		compare(b, mb, "fluxcd/pkg/oci pull", func(b *testing.B) {
			peer := fluxoci.NewClient([]crane.Option{crane.Insecure})
			var dir folder
			for b.Loop() {
				if _, err := peer.Pull(b.Context(), reg.Host+"/app:v1", dir.next(b)); err != nil {
					b.Fatal(err)
				}
			}
		}, extract)
	})
}

// fetchLayer returns the requests of one fetch.
func fetchLayer(b *testing.B, reg *servers.Registry, client *oci.Client, url string, operation oci.Operation) int {
	var dir folder
	for b.Loop() {
		cached := dir.next(b)
		b.StopTimer()
		reg.Reset()
		cache, err := oci.OpenCache(cached)
		if err != nil {
			b.Fatal(err)
		}
		s, err := oci.New(oci.Options{URL: url, Reference: oci.Reference{Tag: "v1"}, Client: client, Cache: cache, Layer: oci.Layer{Operation: operation}})
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		take(b, s)
	}
	return len(reg.Requests())
}

// folder is an empty one for a round, made outside the time that is measured.
// The files of the round before are emptied: else each round takes memory for its
// pages that the machine never touched, and that is what would be timed. They
// are not removed, since file systems avoid what was freed a moment ago.
type folder struct{ last string }

func (f *folder) next(b *testing.B) string {
	b.Helper()
	b.StopTimer()
	defer b.StartTimer()
	if f.last != "" {
		err := filepath.WalkDir(f.last, func(p string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			return os.Truncate(p, 0)
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	f.last = b.TempDir()
	return f.last
}

// download reads a blob, checks its digest and writes it to the file, if there
// is one.
func download(b *testing.B, url, want string, f *os.File) {
	b.Helper()
	res, err := http.Get(url)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	h := sha256.New()
	var w io.Writer = h
	if f != nil {
		defer f.Close()
		w = io.MultiWriter(f, h)
	}
	if _, err := io.CopyBuffer(w, struct{ io.Reader }{res.Body}, make([]byte, 256<<10)); err != nil {
		b.Fatal(err)
	}
	if hex.EncodeToString(h.Sum(nil)) != want {
		b.Fatal("wrong digest")
	}
}
