package source_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gitopskit/gitopskit/source"
)

func TestParseRevision(t *testing.T) {
	sha1, sha256 := strings.Repeat("1a", 20), strings.Repeat("2b", 32)
	for in, want := range map[string]struct{ revision, name, digest string }{
		"main@sha1:" + sha1:            {"main@sha1:" + sha1, "main", "sha1:" + sha1},
		"feature/x@sha1:" + sha1:       {"feature/x@sha1:" + sha1, "feature/x", "sha1:" + sha1},
		"a@b@sha1:" + sha1:             {"a@b@sha1:" + sha1, "a@b", "sha1:" + sha1},
		"refs/heads/main@sha1:" + sha1: {"refs/heads/main@sha1:" + sha1, "refs/heads/main", "sha1:" + sha1},
		"sha1:" + sha1:                 {"sha1:" + sha1, "", "sha1:" + sha1},
		"latest@sha256:" + sha256:      {"latest@sha256:" + sha256, "latest", "sha256:" + sha256},
		"sha256:" + sha256:             {"sha256:" + sha256, "", "sha256:" + sha256},
		"6.5.1":                        {"6.5.1", "6.5.1", ""},
		"main/" + sha1:                 {"main@sha1:" + sha1, "main", "sha1:" + sha1},
		"feature/x/" + sha1:            {"feature/x@sha1:" + sha1, "feature/x", "sha1:" + sha1},
		"HEAD/" + sha1:                 {"sha1:" + sha1, "", "sha1:" + sha1},
		sha1:                           {"sha1:" + sha1, "", "sha1:" + sha1},
		sha256:                         {"sha256:" + sha256, "", "sha256:" + sha256},
	} {
		r, err := source.ParseRevision(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if string(r) != want.revision || r.Name() != want.name || r.Digest() != want.digest {
			t.Errorf("%s: %s, name %q, digest %q", in, r, r.Name(), r.Digest())
		}
	}
	for _, in := range []string{"", "main@sha1:abc", "main@", "main@sha256:" + sha1, "@sha1:" + sha1, "sha1:xyz", "a\nb"} {
		if r, err := source.ParseRevision(in); !errors.Is(err, source.ErrInvalid) {
			t.Errorf("%q: %q, %v", in, r, err)
		}
	}
}

func FuzzParseRevision(f *testing.F) {
	f.Add("main@sha1:" + strings.Repeat("1a", 20))
	f.Add("main/" + strings.Repeat("1a", 20))
	f.Fuzz(func(t *testing.T, s string) {
		r, err := source.ParseRevision(s)
		if err != nil {
			return
		}
		again, err := source.ParseRevision(string(r))
		if err != nil || again != r {
			t.Errorf("%q gives %q, which gives %q, %v", s, r, again, err)
		}
	})
}
