package cosign_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/oci"
	"github.com/gitopskit/gitopskit/source/oci/cosign"
)

const (
	recorded       = "testdata/cosign-3.1.1"
	recordedDigest = "sha256:bcbae3ab45715c49cb4ffbe25078eaf2d2476c825a33bc917daf1153e6e0ac66"
)

// replay serves what cosign 3.1.1 itself left in a registry, without the
// references that hide names.
func replay(t *testing.T, hide string) (host string) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/" {
			return
		}
		kind, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/org/app/"), "/")
		if kind == "manifests" {
			name = strings.Replace(name, ":", "@", 1)
		} else {
			name = strings.Replace(name, ":", "-", 1)
		}
		data, err := os.ReadFile(filepath.Join(recorded, kind, filepath.Base(name)))
		if err != nil || name == hide {
			http.NotFound(w, r)
			return
		}
		var m struct {
			MediaType string `json:"mediaType"`
		}
		if kind == "manifests" && json.Unmarshal(data, &m) == nil {
			w.Header().Set("Content-Type", m.MediaType)
		}
		_, _ = w.Write(data)
	}))
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

// Signed by: cosign sign --key cosign.key, once as cosign 3 does by default and
// once with --new-bundle-format=false.
func TestWhatCosignItselfSigned(t *testing.T) {
	t.Parallel()
	public, err := os.ReadFile(filepath.Join(recorded, "cosign.pub"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := cosign.ParseKeys(public)
	if err != nil {
		t.Fatal(err)
	}
	tag := strings.Replace(recordedDigest, ":", "-", 1)
	for name, hide := range map[string]string{"as a bundle": tag + ".sig", "under the tag": tag} {
		t.Run(name, func(t *testing.T) {
			host := replay(t, hide)
			client, err := oci.NewClient(oci.ClientOptions{Insecure: []string{host}})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			cache, err := oci.OpenCache(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			v, err := cosign.New(cosign.Options{Keys: keys})
			if err != nil {
				t.Fatal(err)
			}
			s, err := oci.New(oci.Options{URL: "oci://" + host + "/org/app", Reference: oci.Reference{Digest: recordedDigest}, Client: client, Cache: cache, Verifier: v})
			if err != nil {
				t.Fatal(err)
			}
			a, err := s.Fetch(t.Context(), source.Revision(recordedDigest))
			if err != nil || a.Metadata()[oci.MetadataSigner] != "cosign key "+keys[0].String() {
				t.Errorf("%v, %v", a, err)
			}
		})
	}
}
