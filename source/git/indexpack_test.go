package git

import (
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitopskit/gitopskit/internal/gitserver"
	"github.com/gitopskit/gitopskit/source"
)

// packOf returns what git pack-objects makes of a repository.
func packOf(t testing.TB, repo *gitserver.Repo, input string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", append([]string{"--git-dir=" + repo.Dir, "pack-objects", "--stdout", "--quiet"}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// history makes a repository with many versions of a few files.
func history(t testing.TB, commits int) *gitserver.Repo {
	t.Helper()
	repo := gitserver.NewRepo(t, t.TempDir(), "app")
	r := rand.New(rand.NewPCG(1, 1))
	lines := make([]string, 300)
	for i := range lines {
		lines[i] = fmt.Sprint("line ", r.Uint64())
	}
	for i := range commits {
		lines[r.IntN(len(lines))] = fmt.Sprint("changed ", i)
		repo.Commit(map[string]string{"a/file": strings.Join(lines, "\n"), "b": fmt.Sprint(i)})
	}
	return repo
}

func index(t testing.TB, data []byte, known *objects) (dir string, err error) {
	t.Helper()
	dir = t.TempDir()
	return dir, indexPack(t.Context(), dir, bytes.NewReader(data), known, 20)
}

func opened(t testing.TB, dir string) *objects {
	t.Helper()
	m := &mirror{dir: dir}
	o, err := m.snapshot()
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestIndexPackAgreesWithGit(t *testing.T) {
	repo := history(t, 40)
	for name, args := range map[string][]string{
		"offset deltas": {"--delta-base-offset"}, "reference deltas": nil, "no deltas": {"--depth=0"},
	} {
		dir, err := index(t, packOf(t, repo, "HEAD\n", append(args, "--revs")...), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		packs, err := filepath.Glob(dir + "/objects/pack/*.idx")
		if err != nil || len(packs) != 1 {
			t.Fatalf("%s: %v", name, packs)
		}
		if out, err := exec.CommandContext(t.Context(), "git", "verify-pack", packs[0]).CombinedOutput(); err != nil {
			t.Errorf("%s: git verify-pack: %v\n%s", name, err, out)
		}
		o := opened(t, dir)
		for id := range strings.FieldsSeq(repo.Git("rev-list", "--objects", "--no-object-names", "HEAD")) {
			raw, _ := parseOID(id)
			if _, _, err := o.readAny(raw); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
}

func TestThinPackIsCompleted(t *testing.T) {
	repo := history(t, 20)
	base, err := index(t, packOf(t, repo, "HEAD~1\n", "--revs"), nil)
	if err != nil {
		t.Fatal(err)
	}
	thin := packOf(t, repo, "HEAD\n^HEAD~1\n", "--revs", "--thin")
	if _, err := index(t, thin, nil); !errors.Is(err, errMissing) {
		t.Fatalf("a thin pack without its bases: %v", err)
	}
	dir, err := index(t, thin, opened(t, base))
	if err != nil {
		t.Fatal(err)
	}
	packs, _ := filepath.Glob(dir + "/objects/pack/*.idx")
	if out, err := exec.CommandContext(t.Context(), "git", "verify-pack", packs[0]).CombinedOutput(); err != nil {
		t.Errorf("git verify-pack: %v\n%s", err, out)
	}
}

func TestIndexPackRefuses(t *testing.T) {
	good := packOf(t, history(t, 5), "HEAD\n", "--revs")
	change := func(at int, to byte) []byte { b := bytes.Clone(good); b[at] ^= to; return b }
	for name, c := range map[string]struct {
		data []byte
		is   error
	}{
		"nothing":          {nil, source.ErrUnreachable},
		"cut in the head":  {good[:7], source.ErrUnreachable},
		"cut":              {good[:len(good)/2], source.ErrUnreachable},
		"cut in the sum":   {good[:len(good)-1], source.ErrUnreachable},
		"no pack":          {[]byte("<html>no pack, but long enough</html>"), source.ErrCorrupt},
		"version":          {change(7, 1), source.ErrCorrupt},
		"bit of the sum":   {change(len(good)-1, 1), source.ErrCorrupt},
		"bit of an object": {change(60, 16), source.ErrCorrupt},
		"more at the end":  {append(bytes.Clone(good), 'x'), source.ErrCorrupt},
		"delta of itself":  {packWith([]byte{0x60 | 4, 0}, "abcd"), source.ErrCorrupt},
		"unknown type":     {packWith([]byte{0x50 | 4}, "abcd"), source.ErrCorrupt},
		"too short":        {packWith([]byte{0x30 | 5}, "abcd"), source.ErrCorrupt},
		"too long":         {packWith([]byte{0x30 | 3}, "abcd"), source.ErrCorrupt},
		"endless size":     {packWith([]byte{0xb0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, "abcd"), source.ErrCorrupt},
	} {
		if _, err := index(t, c.data, nil); !errors.Is(err, c.is) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := indexPack(ctx, t.TempDir(), bytes.NewReader(good), nil, 20); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// packWith makes a pack of one object with a head of its own.
func packWith(head []byte, body string) []byte {
	whole := encodePack([]newObject{{id: "x", kind: typeBlob, data: []byte(body)}}, 20)
	out := append([]byte(nil), whole[:12]...)
	out = append(append(out, head...), whole[13:len(whole)-20]...)
	sum := sha1.Sum(out)
	return append(out, sum[:]...)
}

func FuzzIndexPack(f *testing.F) {
	f.Add(encodePack([]newObject{{id: "x", kind: typeBlob, data: []byte("hello")}}, 20))
	f.Add(packWith([]byte{0x70 | 4}, "abcd"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if dir, err := index(t, data, nil); err == nil {
			o := opened(t, dir)
			for _, p := range o.packs {
				for i := range p.index.len() {
					if _, _, err := o.readAny(p.index.id(i)); err != nil {
						t.Errorf("an object that was indexed cannot be read: %v", err)
					}
				}
			}
		}
	})
}

func FuzzKnownHosts(f *testing.F) {
	f.Add([]byte("example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIq0000000000000000000000000000000000000000000"))
	f.Add([]byte("|1|aGVsbG8=|d29ybGQ= ssh-ed25519 x\n@revoked * x\n[a]:22,!b*? c"))
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := parseKnownHosts(data)
		if err != nil {
			if !errors.Is(err, source.ErrInvalid) {
				t.Error(err)
			}
			return
		}
		_ = k.algorithms("example.com:22")
		_ = k.matching("[::1]:2222", "revoked")
	})
}

func FuzzApplyDelta(f *testing.F) {
	f.Add([]byte("base"), []byte{4, 4, 0x90, 4})
	f.Fuzz(func(_ *testing.T, base, delta []byte) {
		if size, rest, ok := varint(delta); ok && size == int64(len(base)) {
			if result, _, ok := varint(rest); ok && result > 1<<20 {
				return // allowed, but slow to allocate again and again
			}
		}
		_, _ = applyDelta(base, delta)
	})
}

func FuzzPackIndex(f *testing.F) {
	f.Add(make([]byte, 8+1024+40))
	f.Fuzz(func(_ *testing.T, data []byte) {
		x, err := parsePackIndex(data, 20)
		if err != nil {
			return
		}
		for i := range x.len() {
			_, _ = x.find(x.id(i))
		}
	})
}

func FuzzParseURL(f *testing.F) {
	f.Add("https://example.com/x.git")
	f.Add("ssh://git@example.com:22/~user/x")
	f.Fuzz(func(t *testing.T, raw string) {
		e, err := parseURL(raw)
		if err != nil {
			if !errors.Is(err, source.ErrInvalid) {
				t.Error(err)
			}
			return
		}
		if strings.HasPrefix(e.host, "-") || e.scheme != "http" && e.scheme != "https" && e.scheme != "ssh" {
			t.Errorf("%q gives %+v", raw, e)
		}
	})
}

var _ io.Reader = (*packStream)(nil)
