package oci_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/oci"
)

// FuzzReferences: whatever is written there, a source opens or says what is
// wrong, and no URL names a tag, a digest or credentials.
func FuzzReferences(f *testing.F) {
	f.Add("oci://ghcr.io/org/app", "1.x", "", "")
	f.Add("oci://localhost:5000/app", "", "^v", "sha256:"+strings.Repeat("a", 64))
	f.Add("oci://user:pw@host/app:tag", "((", "(", "sha256:x")
	client, err := oci.NewClient(oci.ClientOptions{})
	if err != nil {
		f.Fatal(err)
	}
	cache, err := oci.OpenCache(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, url, semver, filter, digest string) {
		_, err := oci.New(oci.Options{
			URL: url, Client: client, Cache: cache, Reference: oci.Reference{SemVer: semver, SemVerFilter: filter, Digest: digest},
		})
		if err != nil {
			if !errors.Is(err, source.ErrInvalid) {
				t.Errorf("%q: %v", url, err)
			}
			return
		}
		rest, ok := strings.CutPrefix(url, "oci://")
		host, repository, _ := strings.Cut(rest, "/")
		if !ok || strings.Contains(host, "@") || strings.ContainsAny(repository, ":@ ") {
			t.Errorf("%q is taken for a repository", url)
		}
	})
}
