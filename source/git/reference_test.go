package git

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/gitopskit/gitopskit/source"
)

func TestNamesThatGitRefuses(t *testing.T) {
	for _, name := range []string{
		"main", "feature/x", "v1.2.3", "ü", "a@b", "@", "a.b", "a-b", "a{b", "x.locks", "HEAD",
		"", ".a", "a/.b", "a..b", "a.lock", "a.lock/b", "a/", "/a", "a//b", "a.", "a b", "a~1", "a^", "a:b", "a?", "a*", "a[b", `a\b`,
		"a@{1}", "a\x7f", "a\nb", "a\x00b"[:1] + "\x01", "-a", "--upload-pack=x",
	} {
		if name == "" {
			continue // means that no name is set
		}
		refused := exec.CommandContext(t.Context(), "git", "check-ref-format", "refs/heads/"+name).Run() != nil
		err := checkRefName(name)
		if refused && !errors.Is(err, source.ErrInvalid) {
			t.Errorf("%q: git refuses it", name)
		}
		if !refused && err != nil && !strings.HasPrefix(name, "-") { // which would be an option
			t.Errorf("%q: git takes it: %v", name, err)
		}
	}
}

func FuzzReference(f *testing.F) {
	f.Add("refs/heads/main", "v1", "main", ">=1", "^v")
	f.Add("HEAD", "a..b", "-x", "x", "(")
	f.Fuzz(func(t *testing.T, name, tag, branch, version, filter string) {
		r := Reference{Name: name, Tag: tag, Branch: branch, SemVer: version, TagFilter: filter}
		if err := r.check(); err != nil {
			if !errors.Is(err, source.ErrInvalid) {
				t.Errorf("%+v: %v", r, err)
			}
			return
		}
		id := oid(strings.Repeat("\x01", 20))
		l := &listing{refs: map[string]ref{"refs/heads/" + branch: {id: id}, "refs/tags/" + tag: {id: id}, name: {id: id}}}
		p, err := r.pick(t.Context(), l, nil)
		if err != nil {
			return
		}
		if strings.ContainsAny(p.ref, "\n\x00 ") || strings.HasPrefix(p.ref, "-") {
			t.Errorf("%+v picks %q", r, p.ref)
		}
		if rev := p.revision(); rev.Hash() != id.hex() {
			t.Errorf("%+v gives %q", r, rev)
		}
	})
}
