package helmrepo_test

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/gitopskit/gitopskit/internal/servers"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/helmrepo"
	"github.com/gitopskit/gitopskit/source/oci"
)

func TestOCIChart(t *testing.T) {
	reg := servers.NewRegistry(t, servers.RegistryOptions{})
	for _, version := range []string{"1.0.0", "1.1.0+build.5", "2.0.0-rc.1"} {
		layer := static.NewLayer(chartFile(t, "app", version), types.MediaType(helmrepo.MediaTypeChart))
		img, err := mutate.Append(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), "application/vnd.cncf.helm.config.v1+json"), mutate.Addendum{Layer: layer})
		if err != nil {
			t.Fatal(err)
		}
		ref, err := name.ParseReference(reg.Host+"/charts/app:"+strings.ReplaceAll(version, "+", "_"), name.Insecure)
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.Write(ref, img); err != nil {
			t.Fatal(err)
		}
	}
	client, err := oci.NewClient(oci.ClientOptions{Insecure: []string{reg.Host}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	cache, err := oci.OpenCache(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for wanted, want := range map[string]string{"": "1.1.0+build.5", "1.0.0": "1.0.0", "1.1.0+build.5": "1.1.0+build.5", ">=2.0.0-0": "2.0.0-rc.1"} {
		c, err := helmrepo.NewOCIChart(helmrepo.OCIChartOptions{URL: "oci://" + reg.Host + "/charts/app", Version: wanted, Client: client, Cache: cache})
		if err != nil {
			t.Fatal(err)
		}
		rev, err := c.Resolve(t.Context())
		if err != nil || rev.Name() != want {
			t.Errorf("%q: %s, %v", wanted, rev, err)
			continue
		}
		a, err := c.Fetch(t.Context(), rev)
		if err != nil {
			t.Error(err)
			continue
		}
		data, err := fs.ReadFile(a.FS(), "Chart.yaml")
		if err != nil || !strings.Contains(string(data), "version: "+want) {
			t.Errorf("%q: %s, %v", wanted, data, err)
		}
	}
	c, err := helmrepo.NewOCIChart(helmrepo.OCIChartOptions{URL: "oci://" + reg.Host + "/charts/app", Version: "9.x", Client: client, Cache: cache})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Resolve(t.Context())
	wantError(t, err, source.ErrNotFound, "9.x")
}
