package cosign_test

import (
	"strings"
	"testing"

	"github.com/gitopskit/gitopskit/source/oci/cosign"
	"github.com/gitopskit/gitopskit/source/oci/internal/signatures"
)

// FuzzSigned: what passes for a signature of a digest names that digest.
func FuzzSigned(f *testing.F) {
	digest := "sha256:" + strings.Repeat("ab", 32)
	f.Add(payload(digest, "cosign container image signature"))
	f.Add([]byte(`{"predicateType":"` + signatures.PredicateSign + `","subject":[{"digest":{"sha256":"` + digest[7:] + `"}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if signatures.CheckPayload(data, digest) == nil || signatures.CheckStatement(data, digest) == nil {
			// JSON may write letters as \u0061.
			if !strings.Contains(string(data), digest[7:]) && !strings.Contains(string(data), `\u`) {
				t.Errorf("%q passes for a signature of %s", data, digest)
			}
		}
		keys, err := cosign.ParseKeys(data)
		if (err == nil) != (len(keys) > 0) {
			t.Errorf("%d keys and %v", len(keys), err)
		}
	})
}
