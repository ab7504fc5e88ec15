package source_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	fluxgit "github.com/fluxcd/pkg/git"
	"github.com/fluxcd/pkg/git/gogit"
	"github.com/fluxcd/pkg/git/repository"
	"github.com/fluxcd/pkg/tar"

	"github.com/gitopskit/gitopskit/bench/internal/result"
	"github.com/gitopskit/gitopskit/internal/gitserver"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/git"
)

const (
	manyFiles = 10_000
	fileSize  = 20 << 10 // 200 MB in all
)

var words = strings.Fields("apiVersion kind metadata name namespace labels spec replicas selector template containers image ports " +
	"protocol env value resources limits requests cpu memory volumeMounts readinessProbe httpGet path port 8080 podinfo true false apps/v1")

// text is like a manifest: words and numbers in lines.
func text(r *rand.Rand, size int) string {
	var s strings.Builder
	for s.Len() < size {
		fmt.Fprintf(&s, "%s%s: %s-%x\n", strings.Repeat("  ", r.IntN(5)), words[r.IntN(len(words))], words[r.IntN(len(words))], r.Uint32())
	}
	return s.String()[:size]
}

func bigRepo(b *testing.B) (*gitserver.Server, *gitserver.Repo) {
	b.Helper()
	srv := gitserver.New(b, gitserver.Options{})
	repo := srv.Repo("mono")
	r := rand.New(rand.NewPCG(1, 2))
	for i := range manyFiles {
		repo.Write(fileName(i), text(r, fileSize))
	}
	repo.Git("config", "core.compression", "1")
	repo.Commit(nil)
	return srv, repo
}

func fileName(i int) string {
	return fmt.Sprintf("team%02d/app%02d/file%02d.yaml", i%25, i/25%20, i/500)
}

// change commits one changed file while the clock stands still.
func change(b *testing.B, repo *gitserver.Repo, path string) {
	b.StopTimer()
	repo.Write(path, text(rand.New(rand.NewPCG(rand.Uint64(), 0)), fileSize))
	repo.Git("add", path)
	repo.Git("commit", "-qm", "change")
	b.StartTimer()
}

func openGit(b *testing.B, repo *gitserver.Repo, opts git.Options) *git.Source {
	b.Helper()
	if opts.Mirrors == nil {
		m, err := git.OpenMirrors(b.TempDir(), git.MirrorOptions{})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = m.Close() })
		opts.Mirrors = m
	}
	opts.URL, opts.Timeout = repo.URL(), -1
	if opts.Reference == (git.Reference{}) {
		opts.Reference.Branch = "main"
	}
	s, err := git.New(opts)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func take(b *testing.B, s source.Source) *source.Artifact {
	b.Helper()
	rev, err := s.Resolve(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	a, err := s.Fetch(b.Context(), rev)
	if err != nil {
		b.Fatal(err)
	}
	return a
}

// clone is the peer's way: a fresh shallow clone with a work tree.
func clone(b *testing.B, repo *gitserver.Repo) string {
	b.Helper()
	dir := b.TempDir()
	c, err := gogit.NewClient(dir, &fluxgit.AuthOptions{Transport: fluxgit.HTTP}, gogit.WithDiskStorage(), gogit.WithSingleBranch(true))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	_, err = c.Clone(b.Context(), repo.URL(), repository.CloneConfig{CheckoutStrategy: repository.CheckoutStrategy{Branch: "main"}, ShallowClone: true})
	if err != nil {
		b.Fatal(err)
	}
	return dir
}

func BenchmarkGit(b *testing.B) {
	srv, repo := bigRepo(b)
	b.Run("one-file-changed", func(b *testing.B) { oneFileChanged(b, repo) })
	b.Run("one-file-changed-archive", func(b *testing.B) { oneFileChangedArchive(b, repo) })
	b.Run("unchanged-100-sources", func(b *testing.B) { unchanged(b, srv, repo) })
	b.Run("pinned", func(b *testing.B) { pinned(b, srv, repo) })
	b.Run("outside-path", func(b *testing.B) { outsidePath(b, repo) })
}

// freshClone is the peer's way.
const freshClone = "fluxcd/pkg/git/gogit: fresh shallow clone"

func oneFileChanged(b *testing.B, repo *gitserver.Repo) {
	compare(b, manyFiles, freshClone, func(b *testing.B) {
		for b.Loop() {
			change(b, repo, fileName(7))
			if _, err := os.ReadFile(clone(b, repo) + "/" + fileName(7)); err != nil {
				b.Fatal(err)
			}
		}
	}, func(b *testing.B) int {
		s := openGit(b, repo, git.Options{})
		take(b, s)
		for b.Loop() {
			change(b, repo, fileName(7))
			if _, err := fs.ReadFile(take(b, s).FS(), fileName(7)); err != nil {
				b.Fatal(err)
			}
		}
		return -1
	})
}

func oneFileChangedArchive(b *testing.B, repo *gitserver.Repo) {
	compare(b, manyFiles, freshClone+" and archive", func(b *testing.B) {
		for b.Loop() {
			change(b, repo, fileName(8))
			dir := clone(b, repo)
			if err := os.RemoveAll(dir + "/.git"); err != nil {
				b.Fatal(err)
			}
			if _, err := tar.Tar(dir, io.Discard); err != nil {
				b.Fatal(err)
			}
		}
	}, func(b *testing.B) int {
		s := openGit(b, repo, git.Options{})
		archive(b, take(b, s))
		for b.Loop() {
			change(b, repo, fileName(8))
			archive(b, take(b, s))
		}
		return -1
	})
}

func archive(b *testing.B, a *source.Artifact) {
	b.Helper()
	if _, err := a.WriteArchive(b.Context(), io.Discard); err != nil {
		b.Fatal(err)
	}
}

func unchanged(b *testing.B, srv *gitserver.Server, repo *gitserver.Repo) {
	m, err := git.OpenMirrors(b.TempDir(), git.MirrorOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	all := make([]*git.Source, 100)
	for i := range all {
		all[i] = openGit(b, repo, git.Options{Mirrors: m, MaxListingAge: time.Second, SparsePaths: []string{"team01"}})
		take(b, all[i])
	}
	for b.Loop() {
		b.StopTimer()
		<-time.After(1100 * time.Millisecond) // the last listing becomes too old
		srv.Reset()
		b.StartTimer()
		var wg sync.WaitGroup
		for _, s := range all {
			wg.Go(func() {
				if rev, err := s.Resolve(context.Background()); err != nil {
					b.Error(err)
				} else if _, err := s.Fetch(context.Background(), rev); err != nil {
					b.Error(err)
				}
			})
		}
		wg.Wait()
	}
	b.ReportMetric(float64(len(srv.Requests())), "requests")
	result.Report(b, result.Line{Name: caseName(b), N: len(all), Ours: perOp(b), Unit: "s", Requests: int64(len(srv.Requests()))})
}

func pinned(b *testing.B, srv *gitserver.Server, repo *gitserver.Repo) {
	s := openGit(b, repo, git.Options{Reference: git.Reference{Commit: repo.Head()}})
	take(b, s)
	srv.Reset()
	for b.Loop() {
		take(b, s)
	}
	b.ReportMetric(float64(len(srv.Requests())), "requests")
	result.Report(b, result.Line{Name: caseName(b), N: manyFiles, Ours: perOp(b), Unit: "s", Requests: int64(len(srv.Requests()))})
}

func outsidePath(b *testing.B, repo *gitserver.Repo) {
	s := openGit(b, repo, git.Options{SparsePaths: []string{"team01"}})
	before := take(b, s)
	for b.Loop() {
		change(b, repo, fileName(0))
		if take(b, s).ContentDigest() != before.ContentDigest() {
			b.Fatal("a change outside the path made a new artifact")
		}
	}
	result.Report(b, result.Line{Name: caseName(b), N: manyFiles, Ours: perOp(b), Unit: "s", Requests: -1})
}
