package source_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/gitopskit/gitopskit/bench/internal/result"
	"github.com/gitopskit/gitopskit/internal/gitserver"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/git"
)

const childURL = "GITOPSKIT_BENCH_URL"

func TestMain(m *testing.M) {
	if url := os.Getenv(childURL); url != "" {
		if err := fetchOnce(url, git.Transport(os.Getenv("GITOPSKIT_BENCH_TRANSPORT"))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func fetchOnce(url string, transport git.Transport) error {
	dir, err := os.MkdirTemp("", "first-clone-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	m, err := git.OpenMirrors(dir, git.MirrorOptions{})
	if err != nil {
		return err
	}
	s, err := git.New(git.Options{URL: url, Reference: git.Reference{Branch: "main"}, Transport: transport, Mirrors: m, Timeout: -1, NoDefaultIgnore: true})
	if err != nil {
		return err
	}
	ctx, cancel := signalContext()
	defer cancel()
	rev, err := s.Resolve(ctx)
	if err != nil {
		return err
	}
	var a *source.Artifact
	if a, err = s.Fetch(ctx, rev); err != nil {
		return err
	}
	fmt.Println(a.Size())
	return nil
}

// BenchmarkGitFirstClone tells the peak memory of a process that clones 500 MB
// of blobs that do not compress, the largest of 100 MB, and of its children.
func BenchmarkGitFirstClone(b *testing.B) {
	srv := gitserver.New(b, gitserver.Options{})
	repo := srv.Repo("blobs")
	r := rand.NewChaCha8([32]byte{1})
	for i, mb := range []int{100, 100, 100, 100, 50, 50} {
		writeRandom(b, filepath.Join(repo.Work, fmt.Sprint("blob", i)), r, mb)
	}
	repo.Git("config", "core.compression", "0")
	repo.Git("config", "core.bigFileThreshold", "1m")
	repo.Commit(nil)
	for _, transport := range []git.Transport{git.TransportGoGit, git.TransportGit} {
		b.Run(string(transport), func(b *testing.B) {
			peak := 0.0
			for b.Loop() {
				peak = max(peak, child(b, repo.URL(), transport))
			}
			b.ReportMetric(peak, "peak-MB")
			result.Report(b, result.Line{Name: "git/first-clone/" + string(transport), N: 500, Ours: peak, Unit: "MB of memory at most", Requests: -1})
		})
	}
}

func writeRandom(b *testing.B, name string, r *rand.ChaCha8, mb int) {
	b.Helper()
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	buf := make([]byte, 1<<20)
	for range mb {
		_, _ = r.Read(buf)
		if _, err := w.Write(buf); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
}

// child returns the most memory, in MB, that the process or one of its
// children had.
func child(b *testing.B, url string, transport git.Transport) float64 {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childURL+"="+url, "GITOPSKIT_BENCH_TRANSPORT="+string(transport))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		b.Fatal(err)
	}
	if size, err := strconv.Atoi(strings.TrimSpace(string(out))); err != nil || size < 400<<20 {
		b.Fatalf("fetched %s bytes", out)
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		b.Skip("this system tells no memory of processes")
	}
	return float64(usage.Maxrss) / 1024
}
