package archive_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitopskit/gitopskit/source/archive"
)

// tarGz makes an archive of headers with bodies, with nothing checked.
func tarGz(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var buf bytes.Buffer
	gz := gzip.NewWriter(&buf)
	tw := tar.NewWriter(gz)
	for _, h := range headers {
		body := h.Uname // carries the content in these tests
		h.Uname = ""
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(body))
		}
		if err := tw.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, body); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(tw.Close(), gz.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func extract(t testing.TB, data []byte, opts archive.ExtractOptions) (dir string, stats archive.Stats, err error) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "out")
	stats, err = archive.Extract(t.Context(), bytes.NewReader(data), dir, opts)
	return dir, stats, err
}

func TestExtractRefuses(t *testing.T) {
	link := func(name, target string) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target}
	}
	file := func(name string) tar.Header { return tar.Header{Name: name, Mode: 0o644, Uname: "x"} }
	folder := func(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755} }
	chain := []tar.Header{file("x")}
	for i := range 60 {
		chain = append(chain, link(fmt.Sprint("l", i), fmt.Sprint("l", i+1)))
	}
	for name, headers := range map[string][]tar.Header{
		"chain that no lookup follows":    append(chain, link("l60", "x")),
		"parent":                          {file("../x")},
		"parent inside":                   {file("a/../../x")},
		"parent that stays":               {file("a/../x")},
		"absolute":                        {file("/tmp/x")},
		"backslash":                       {file(`a\..\..\x`)},
		"drive":                           {file(`C:x`)},
		"double slash":                    {file(`a//x`)},
		"dot inside":                      {file(`a/./x`)},
		"not UTF-8":                       {file("a\xff")},
		"device":                          {{Name: "dev", Typeflag: tar.TypeBlock}},
		"character device":                {{Name: "dev", Typeflag: tar.TypeChar}},
		"pipe":                            {{Name: "fifo", Typeflag: tar.TypeFifo}},
		"link to an absolute path":        {link("l", "/etc")},
		"link outside":                    {link("l", "../x")},
		"link outside from below":         {folder("a"), link("a/l", "../../x")},
		"link with a backslash":           {link("l", `..\x`)},
		"link to nothing":                 {link("l", "")},
		"file through a link":             {folder("a"), link("l", "a"), file("l/x")},
		"folder through a link":           {folder("a"), link("l", "a"), folder("l/x")},
		"link through a link":             {folder("a"), link("l", "a"), link("l/m", "x")},
		"chain that leads outside":        {folder("a"), folder("a/b"), link("up", "a/b"), link("a/b/up", "../.."), link("l", "a/b/up/../x")},
		"chain of two":                    {folder("a"), link("a/root", ".."), link("out", "a/root/../../x")},
		"loop":                            {link("l", "m"), link("m", "l")},
		"hard link outside":               {{Name: "h", Typeflag: tar.TypeLink, Linkname: "../../etc/passwd"}},
		"hard link absolute":              {{Name: "h", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"}},
		"hard link to a link":             {link("l", "x"), {Name: "h", Typeflag: tar.TypeLink, Linkname: "l"}},
		"name twice":                      {file("x"), file("x")},
		"file over a link":                {link("x", "y"), file("x")},
		"file over a folder":              {folder("x"), file("x")},
		"folder over a file":              {file("x"), folder("x")},
		"file below a file":               {file("x"), file("x/y")},
		"name of more than a path's size": {file(strings.Repeat("a/", 2100) + "x")},
	} {
		t.Run(name, func(t *testing.T) {
			dir, _, err := extract(t, tarGz(t, headers...), archive.ExtractOptions{})
			if !errors.Is(err, archive.ErrUnsafe) {
				t.Errorf("error %v", err)
			}
			if entries, _ := os.ReadDir(filepath.Dir(dir)); len(entries) > 0 {
				t.Errorf("left behind: %v", entries)
			}
		})
	}
}

func TestExtractBounds(t *testing.T) {
	zeros := tarGz(t, tar.Header{Name: "bomb", Uname: strings.Repeat("\x00", 40<<20)})
	var many []tar.Header
	for i := range 11 {
		many = append(many, tar.Header{Name: fmt.Sprint(i)})
	}
	for name, c := range map[string]struct {
		data   []byte
		limits archive.Limits
	}{
		"ratio":                   {zeros, archive.Limits{}},
		"bytes":                   {zeros, archive.Limits{Bytes: 1 << 20, Ratio: 1 << 20}},
		"headers count":           {tarGz(t, many...), archive.Limits{Bytes: 512 * 10}},
		"entries":                 {tarGz(t, many...), archive.Limits{Entries: 10}},
		"padding after the end":   {append(tarGz(t, many[0]), gz(t, make([]byte, 4<<20))...), archive.Limits{Bytes: 1 << 20}},
		"a long name is no entry": {tarGz(t, tar.Header{Name: strings.Repeat("n", 900<<10)}), archive.Limits{Bytes: 100 << 10}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := extract(t, c.data, archive.ExtractOptions{Limits: c.limits})
			if !errors.Is(err, archive.ErrTooLarge) {
				t.Errorf("error %v", err)
			}
		})
	}
	if _, _, err := extract(t, zeros, archive.ExtractOptions{Limits: archive.Limits{Bytes: -1}}); err == nil {
		t.Error("a negative limit is taken")
	}
}

// A sparse file is small in the archive and has any size when it is read.
func TestExtractBoundsSparseFiles(t *testing.T) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	body := append([]byte("1\n0\n0\n"), make([]byte, 512)...)[:512] // one piece of data, of no bytes
	if err := w.WriteHeader(&tar.Header{Name: "sparse", Mode: 0o644, Size: 512, Typeflag: tar.TypeReg, Format: tar.FormatPAX, PAXRecords: map[string]string{
		"XNU.sparse.major": "1", "XNU.sparse.minor": "0", "XNU.sparse.name": "bomb", "XNU.sparse.realsize": "1099511627776",
	}}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	raw := bytes.ReplaceAll(buf.Bytes(), []byte("XNU.sparse"), []byte("GNU.sparse"))
	if h, err := tar.NewReader(bytes.NewReader(raw)).Next(); err != nil || h.Name != "bomb" || h.Size != 1<<40 {
		t.Fatalf("no sparse file: %+v, %v", h, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // before the disk is full, should it be written
	defer cancel()
	_, err := archive.Extract(ctx, bytes.NewReader(gz(t, raw)), filepath.Join(t.TempDir(), "out"), archive.ExtractOptions{})
	if !errors.Is(err, archive.ErrUnsafe) {
		t.Errorf("error %v", err)
	}
}

func gz(t testing.TB, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestExtractFindsDamage(t *testing.T) {
	good := tarGz(t, tar.Header{Name: "a", Uname: strings.Repeat("content", 10000)})
	flipped := bytes.Clone(good)
	flipped[len(flipped)-6] ^= 1 // in the checksum, which only a full read sees
	for name, data := range map[string][]byte{
		"nothing": nil, "no gzip": []byte("hello"), "cut off": good[:len(good)/2], "cut off in the checksum": good[:len(good)-3],
		"checksum": flipped, "gzip of no tar": gz(t, bytes.Repeat([]byte("x"), 2000)), "rubbish after the end": append(bytes.Clone(good), 1, 2, 3),
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := extract(t, data, archive.ExtractOptions{}); !errors.Is(err, archive.ErrCorrupt) {
				t.Errorf("error %v", err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := archive.Extract(ctx, bytes.NewReader(good), filepath.Join(t.TempDir(), "x"), archive.ExtractOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestExtractKeepsWhatAnArtifactMayHold(t *testing.T) {
	dir, stats, err := extract(t, tarGz(t,
		tar.Header{Name: "./", Typeflag: tar.TypeDir},
		tar.Header{Name: "./run.sh", Mode: 0o4711, Uname: "#!"},
		tar.Header{Name: "empty/", Typeflag: tar.TypeDir, Mode: 0o700},
		tar.Header{Name: "deep/in/file", Mode: 0o600, Uname: "text"},
		tar.Header{Name: "deep/link", Typeflag: tar.TypeSymlink, Linkname: "../run.sh"},
		tar.Header{Name: "dangling", Typeflag: tar.TypeSymlink, Linkname: "not/there"},
		tar.Header{Name: "hard", Typeflag: tar.TypeLink, Linkname: "deep/in/file"},
	), archive.ExtractOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := archive.Stats{Files: 3, Folders: 3, Links: 2, Bytes: 6}
	if diff := cmp.Diff(want, stats); diff != "" {
		t.Error(diff)
	}
	for name, mode := range map[string]fs.FileMode{
		"run.sh": 0o755, "deep/in/file": 0o644, "hard": 0o644, "empty": fs.ModeDir | 0o755, "deep/link": 0o755,
	} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	src := fstest.MapFS{
		"a.yaml":  {Data: []byte("a"), Mode: 0o600},
		"bin/run": {Data: []byte("#!"), Mode: 0o700},
		"bin-x":   {Data: []byte("between bin and bin/run when sorted")},
		"long/" + strings.Repeat("name/", 60) + "x": {Data: []byte("long")},
		"big":  {Data: bytes.Repeat([]byte("0123456789abcdef"), 300_000)},
		"ünï":  {Data: []byte("text")},
		"void": {Mode: fs.ModeDir | 0o755},
	}
	entries, open, err := archive.Scan(src, nil)
	if err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	for _, buf := range []*bytes.Buffer{&first, &second} {
		info, err := archive.Write(t.Context(), buf, entries, open, archive.WriteOptions{Concurrency: 1 + buf.Len()})
		if err != nil {
			t.Fatal(err)
		}
		if info.Size != int64(buf.Len()) {
			t.Errorf("size %d of %d", info.Size, buf.Len())
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("two archives of one tree differ")
	}
	dir, _, err := extract(t, first.Bytes(), archive.ExtractOptions{})
	if err != nil {
		t.Fatal(err)
	}
	back, _, err := archive.Scan(os.DirFS(dir), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range entries {
		entries[i].ID, back[i].ID = "", ""
	}
	if diff := cmp.Diff(entries, back); diff != "" {
		t.Error(diff)
	}
}

// memoryCache counts what is kept and found.
type memoryCache struct {
	mu           sync.Mutex
	kept         map[string][]byte
	hits, stores int
}

func (m *memoryCache) Load(key string) ([]byte, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.kept[key]
	if ok {
		m.hits++
	}
	return data, ok
}

func (m *memoryCache) Store(key string, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept[key] = data
	m.stores++
}

func TestOneChangedFileCompressesOneSegment(t *testing.T) {
	var entries []archive.Entry
	for i := range 2000 {
		entries = append(entries, archive.Entry{Path: fmt.Sprintf("f%04d", i), Mode: 0o644, Size: 10_000, ID: fmt.Sprint(i)})
	}
	open := func(_ context.Context, e archive.Entry) (io.ReadCloser, error) {
		return io.NopCloser(io.LimitReader(strings.NewReader(strings.Repeat(e.ID+" ", 10_000)), e.Size)), nil
	}
	cache := &memoryCache{kept: map[string][]byte{}}
	write := func() archive.Info {
		t.Helper()
		info, err := archive.Write(t.Context(), io.Discard, entries, open, archive.WriteOptions{Cache: cache})
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	first := write()
	all := cache.stores
	entries[1000].ID = "changed"
	cached := write()
	if got := cache.stores - all; got != 1 {
		t.Errorf("%d of %d segments were compressed", got, all)
	}
	cache = &memoryCache{kept: map[string][]byte{}}
	if fresh := write(); fresh != cached || fresh == first {
		t.Errorf("with cache %v, without %v, before %v", cached, fresh, first)
	}
}

func TestLinksThatLeadOutsideAreLeftOutOfArchives(t *testing.T) {
	entries := []archive.Entry{
		{Path: "in", Mode: fs.ModeSymlink, Target: "x"},
		{Path: "out", Mode: fs.ModeSymlink, Target: "../x"},
		{Path: "x", Mode: 0o644},
	}
	open := func(context.Context, archive.Entry) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("")), nil
	}
	var buf bytes.Buffer
	if _, err := archive.Write(t.Context(), &buf, entries, open, archive.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	_, stats, err := extract(t, buf.Bytes(), archive.ExtractOptions{})
	if err != nil || stats.Links != 1 || stats.Files != 1 {
		t.Errorf("%+v, %v", stats, err)
	}
}

func TestWriteRefuses(t *testing.T) {
	open := func(context.Context, archive.Entry) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("four")), nil
	}
	for name, entries := range map[string][]archive.Entry{
		"outside":     {{Path: "../x", Mode: 0o644}},
		"not sorted":  {{Path: "b", Mode: 0o644, Size: 4}, {Path: "a", Mode: 0o644, Size: 4}},
		"twice":       {{Path: "a", Mode: 0o644, Size: 4}, {Path: "a", Mode: 0o644, Size: 4}},
		"wrong size":  {{Path: "a", Mode: 0o644, Size: 3}},
		"wrong size2": {{Path: "a", Mode: 0o644, Size: 5}},
		"device":      {{Path: "a", Mode: fs.ModeDevice}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := archive.Write(t.Context(), io.Discard, entries, open, archive.WriteOptions{}); err == nil {
				t.Error("no error")
			}
		})
	}
}
