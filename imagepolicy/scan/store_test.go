package scan

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitopskit/gitopskit/imagepolicy"
	"github.com/gitopskit/gitopskit/internal/servers"
)

func semver(t testing.TB, versions string) *imagepolicy.Policy {
	return policy(t, imagepolicy.Spec{Kind: imagepolicy.Semver, Range: versions})
}

func policy(t testing.TB, spec imagepolicy.Spec) *imagepolicy.Policy {
	t.Helper()
	p, err := imagepolicy.New(spec)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// world is a registry, and a store that processes open one after another.
type world struct {
	t      *testing.T
	reg    *servers.Tags
	client *Client
	dir    string
	now    time.Time
}

func newWorld(t *testing.T, opts servers.TagsOptions, tags ...string) *world {
	reg := servers.NewTags(t, opts, tags...)
	return &world{t: t, reg: reg, client: newClient(t, ClientOptions{Insecure: []string{reg.Host}}), dir: t.TempDir(), now: time.Now().Truncate(time.Second)}
}

// process opens the image as a new process does.
func (w *world) process(exclude ...string) *Image {
	w.t.Helper()
	store, err := OpenStore(w.dir)
	if err != nil {
		w.t.Fatal(err)
	}
	i := newImage(w.t, w.client, ImageOptions{Name: w.reg.Host + "/org/app", Store: store, Exclude: exclude})
	i.now = func() time.Time { return w.now }
	return i
}

func (w *world) file() string {
	w.t.Helper()
	names, err := filepath.Glob(filepath.Join(w.dir, "*.tags"))
	if err != nil || len(names) != 1 {
		w.t.Fatalf("%q, error %v", names, err)
	}
	return names[0]
}

func (w *world) content() []byte {
	w.t.Helper()
	data, err := os.ReadFile(w.file())
	if err != nil {
		w.t.Fatal(err)
	}
	return data
}

func TestSoakGoesOnInTheNextProcess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, servers.TagsOptions{}, "1.0.0", "1.1.0")
	begun := w.now
	first := w.process()
	scanned(t, first)
	want := Want{Policy: semver(t, "*"), Soak: time.Hour}
	_, err := first.Choose(t.Context(), want)
	if !errors.Is(err, imagepolicy.ErrNoTag) || !errors.Is(err, ErrTooYoung) || errors.Is(err, ErrNotSigned) || !strings.Contains(err.Error(), "1.1.0: not seen for long enough: since "+begun.UTC().Format(time.RFC3339)+", wanted is 1h0m0s") {
		t.Errorf("got %v", err)
	}
	w.now = w.now.Add(50 * time.Minute)
	w.reg.Set("1.0.0", "1.1.0", "1.2.0")
	second := w.process()
	if r := scanned(t, second); !slices.Equal(r.Added, []string{"1.2.0"}) {
		t.Errorf("%+v", r)
	}
	w.now = w.now.Add(20 * time.Minute)
	third := w.process()
	choice, err := third.Choose(t.Context(), want)
	if err != nil || choice.Tag != "1.1.0" || choice.Tags != 3 {
		t.Errorf("got %+v, error %v", choice, err)
	}
	if len(choice.Passed) != 1 || choice.Passed[0].Tag != "1.2.0" || !choice.Passed[0].Until.Equal(begun.Add(110*time.Minute)) {
		t.Errorf("passed: %+v", choice.Passed)
	}
	w.now = w.now.Add(time.Hour)
	if choice, err = third.Choose(t.Context(), want); err != nil || choice.Tag != "1.2.0" || len(choice.Passed) != 0 {
		t.Errorf("got %+v, error %v", choice, err)
	}
}

func TestNothingNewWritesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, servers.TagsOptions{PageSize: 10}, numbered(95)...)
	i := w.process()
	scanned(t, i)
	before := w.content()
	for range 5 {
		if r := scanned(t, i); r.Full {
			t.Fatalf("%+v", r)
		}
	}
	if !bytes.Equal(before, w.content()) {
		t.Errorf("scans that found nothing wrote %q", w.content()[len(before):])
	}
	w.reg.Set(append(numbered(95), "zz")...)
	scanned(t, i)
	if got := string(w.content()[len(before):]); got != fmt.Sprintf("+ %d zz\n", w.now.Unix()) {
		t.Errorf("one new tag wrote %q", got)
	}
	again := w.process()
	if diff := cmp.Diff(i.Tags().Tags(), again.Tags().Tags()); diff != "" {
		t.Error(diff)
	}
	if r := scanned(t, again); r.Full || r.Requests > 3 {
		t.Errorf("the next process read all again: %+v", r)
	}
}

func TestDamagedStoreIsBegunAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, servers.TagsOptions{}, "1", "2", "3")
	scanned(t, w.process())
	whole := w.content()
	for n := range whole {
		if testing.Short() && n%7 != 0 {
			continue
		}
		for name, data := range map[string][]byte{"cut": whole[:n], "wrong": append(append(bytes.Clone(whole[:n]), '\x00'), whole[n+1:]...)} {
			if err := os.WriteFile(w.file(), data, 0o600); err != nil {
				t.Fatal(err)
			}
			i := w.process()
			if n%7 == 0 {
				scanned(t, i)
				if diff := cmp.Diff([]string{"1", "2", "3"}, i.Tags().Tags()); diff != "" {
					t.Fatalf("%s at %d: %s", name, n, diff)
				}
				if diff := cmp.Diff(i.Tags().Tags(), w.process().Tags().Tags()); diff != "" {
					t.Fatalf("%s at %d, after a scan: %s", name, n, diff)
				}
			}
		}
	}
}

func TestOtherExclusionsReadAllAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, servers.TagsOptions{PageSize: 2}, "1", "2", "3", "4", "5", "6.sig")
	scanned(t, w.process())
	i := w.process("^[12]")
	if r := scanned(t, i); !r.Full {
		t.Errorf("%+v", r)
	}
	if diff := cmp.Diff([]string{"3", "4", "5", "6.sig"}, i.Tags().Tags()); diff != "" {
		t.Error(diff)
	}
	for _, again := range []*Image{w.process("^[12]"), w.process()} {
		if r := scanned(t, again); r.Full {
			t.Errorf("both are stored, but: %+v", r)
		}
	}
}

func TestTwoProcessesOfOneStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, servers.TagsOptions{}, "1")
	a, b := w.process(), w.process()
	scanned(t, a)
	scanned(t, b)
	for n, i := range []*Image{a, b, a, b, b, a} {
		w.reg.Set("1", strings.Repeat("2", n+1))
		scanned(t, i)
		if diff := cmp.Diff(i.Tags().Tags(), w.process().Tags().Tags()); diff != "" {
			t.Fatalf("after write %d: %s", n, diff)
		}
	}
}

func TestStoreIsRewrittenWhenMostOfItIsOutdated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, servers.TagsOptions{}, "a")
	i := w.process()
	for n := range 700 {
		w.reg.Set(numbered(n + 1)[n])
		scanned(t, i)
	}
	if size := len(w.content()); size > 40_000 {
		t.Errorf("the store of one tag has %d bytes", size)
	}
	if diff := cmp.Diff([]string{"000699"}, w.process().Tags().Tags()); diff != "" {
		t.Error(diff)
	}
}

func FuzzJournal(f *testing.F) {
	f.Add([]byte(journalHead + "i {\"image\":\"a\"}\nb 1\nt x\n+ 2 y\n- x\nc 5 6 sha256:00 y\np [{\"after\":\"\"}]\nf 9\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := reader{memory: newMemory(), tags: map[string]bool{}}
		if r.read(data) != nil {
			return
		}
		for tag := range r.tags {
			if !isTag(tag) {
				t.Errorf("%q is no tag", tag)
			}
		}
	})
}
