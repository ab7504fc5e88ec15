package source_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"helm.sh/helm/v3/pkg/repo"

	"github.com/gitopskit/gitopskit/source/helmrepo"
)

// bigIndex writes an index of some 30 MB as helm repo index writes it.
func bigIndex() []byte {
	var s bytes.Buffer
	r := rand.New(rand.NewPCG(3, 4))
	s.WriteString("apiVersion: v1\nentries:\n")
	for chart := 0; s.Len() < 30<<20; chart++ {
		fmt.Fprintf(&s, "  chart-%04d:\n", chart)
		for v := range 50 {
			fmt.Fprintf(&s, "  - apiVersion: v2\n    appVersion: 1.%d.0\n    created: \"2026-01-02T03:04:05.%09dZ\"\n    description: A chart of %x for %x\n"+
				"    digest: %064x\n    home: https://example.com/%d\n    keywords:\n    - one\n    - two\n    maintainers:\n    - email: a@example.com\n      name: A\n"+
				"    name: chart-%04d\n    sources:\n    - https://example.com/x\n    type: application\n    urls:\n    - https://example.com/charts/chart-%04d-1.%d.0.tgz\n    version: 1.%d.0\n",
				v, v, r.Uint64(), r.Uint64(), r.Uint64(), chart, chart, chart, v, v)
		}
	}
	s.WriteString("generated: \"2026-01-02T03:04:05Z\"\n")
	return s.Bytes()
}

func BenchmarkHelmRepo(b *testing.B) {
	file := filepath.Join(b.TempDir(), "index.yaml")
	if err := os.WriteFile(file, bigIndex(), 0o600); err != nil {
		b.Fatal(err)
	}
	b.Run("index", func(b *testing.B) {
		compare(b, 30<<20, "Helm: repo.LoadIndexFile", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				index, err := repo.LoadIndexFile(file)
				if err != nil {
					b.Fatal(err)
				}
				if v, err := index.Get("chart-0100", ">=1.0.0"); err != nil || v.Version != "1.49.0" {
					b.Fatal(v, err)
				}
			}
		}, func(b *testing.B) int {
			b.ReportAllocs()
			for b.Loop() {
				f, err := os.Open(file)
				if err != nil {
					b.Fatal(err)
				}
				all, err := helmrepo.ReadIndex(f, "chart-0100")
				_ = f.Close()
				if err != nil || len(all) != 50 {
					b.Fatal(len(all), err)
				}
			}
			return -1
		})
	})
}
