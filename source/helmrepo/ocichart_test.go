package helmrepo_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
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
	"github.com/gitopskit/gitopskit/source/oci/cosign"
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

func TestAnOCIChartMustBeSigned(t *testing.T) {
	reg := servers.NewRegistry(t, servers.RegistryOptions{})
	push := func(tag, mediaType string, annotations map[string]string, data []byte) string {
		t.Helper()
		img, err := mutate.Append(mutate.MediaType(empty.Image, types.OCIManifestSchema1), mutate.Addendum{Layer: static.NewLayer(data, types.MediaType(mediaType)), Annotations: annotations})
		if err != nil {
			t.Fatal(err)
		}
		ref, err := name.ParseReference(reg.Host+"/charts/app:"+tag, name.Insecure)
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.Write(ref, img); err != nil {
			t.Fatal(err)
		}
		d, err := img.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return d.String()
	}
	chart := push("1.0.0", helmrepo.MediaTypeChart, nil, chartFile(t, "app", "1.0.0"))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	keys, err := cosign.ParseKeys(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := cosign.New(cosign.Options{Keys: keys})
	if err != nil {
		t.Fatal(err)
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
	c, err := helmrepo.NewOCIChart(helmrepo.OCIChartOptions{URL: "oci://" + reg.Host + "/charts/app", Version: "1.0.0", Client: client, Cache: cache, Verifier: verifier})
	if err != nil {
		t.Fatal(err)
	}
	rev, err := c.Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Fetch(t.Context(), rev)
	wantError(t, err, source.ErrVerification, "nobody signed")
	payload := []byte(`{"critical":{"type":"cosign container image signature","image":{"docker-manifest-digest":"` + chart + `"}}}`)
	sum := sha256.Sum256(payload)
	sig, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	push(strings.Replace(chart, ":", "-", 1)+".sig", "application/vnd.dev.cosign.simplesigning.v1+json",
		map[string]string{"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(sig)}, payload)
	a, err := c.Fetch(t.Context(), rev)
	if err != nil || a.Metadata()[oci.MetadataSigner] != "cosign key "+keys[0].String() {
		t.Errorf("%v, %v", a, err)
	}
	reg.Reset()
	if _, err := c.Fetch(t.Context(), rev); err != nil || len(reg.Requests()) != 0 {
		t.Errorf("a verified chart that is kept: %v, requests %v", err, reg.Requests())
	}
}
