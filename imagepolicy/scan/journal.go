package scan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// journal is the file of an image: lines, each of which says one thing and wins
// over those before it. Tags have no spaces.
//
//	gitopskit tags 1              which format this is
//	i JSON                        of which image, without what
//	b SECONDS                     when the first scan was
//	t TAG                         a tag that was found then
//	+ SECONDS TAG                 one that was found later
//	- TAG                         one that is gone
//	c NANOSECONDS SECONDS DIGEST TAG   when it was made, and when that was read
//	p JSON                        the pages of the registry's list
//	f SECONDS                     when all of them were read
//
// A last line without an end was cut off by a crash, and does not count.
type journal struct {
	path  string
	size  int64 // what the file had when this process last looked
	lines int   // how many it has
}

const journalHead = "gitopskit tags 1\n"

// lines are news for the journal.
type lines struct {
	text  bytes.Buffer
	count int
}

func (l *lines) add(format string, args ...any) {
	_, _ = fmt.Fprintf(&l.text, format+"\n", args...)
	l.count++
}

func (l *lines) removed(tag string)              { l.add("- %s", tag) }
func (l *lines) added(tag string, at time.Time)  { l.add("+ %d %s", at.Unix(), tag) }
func (l *lines) full(at time.Time)               { l.add("f %d", at.Unix()) }
func (l *lines) base(at time.Time)               { l.add("b %d", at.Unix()) }
func (l *lines) json(letter string, content any) { l.add("%s %s", letter, mustJSON(content)) }
func (l *lines) pages(p pages)                   { l.json("p", p) }

func (l *lines) created(tag string, d dated) {
	nanoseconds := int64(0)
	if !d.created.IsZero() {
		nanoseconds = d.created.UnixNano()
	}
	l.add("c %d %d %s %s", nanoseconds, d.checked.Unix(), d.digest, tag)
}

// mustJSON is for content of strings, which always can be written.
func mustJSON(content any) []byte {
	data, err := json.Marshal(content)
	if err != nil {
		panic(err)
	}
	return data
}

// identity is what a journal must be of to be believed.
type identity struct {
	Image   string   `json:"image"`
	Exclude []string `json:"exclude"`
}

func (i *Image) identity() identity { return identity{i.Name(), i.opts.Exclude} }

// load reads the journal. One that cannot be read is begun anew.
func (i *Image) load() error {
	if i.opts.Store == nil {
		return nil
	}
	i.journal = &journal{path: i.opts.Store.file(i.identity())}
	data, err := os.ReadFile(i.journal.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fail("read the stored tags of", i.Name(), err)
	}
	r := reader{memory: newMemory(), tags: map[string]bool{}}
	if err := r.read(data); err != nil {
		i.session.client.log.Warn("stored tags cannot be read and are begun anew", "image", i.Name(), "cause", err)
		return nil
	}
	if r.id.Image != i.Name() || !slices.Equal(r.id.Exclude, i.opts.Exclude) {
		return nil
	}
	i.journal.size, i.journal.lines = int64(len(data)), r.lines
	if r.torn {
		i.journal.size = -1 // the next write makes it whole
	}
	tags := make([]string, 0, len(r.tags))
	for tag := range r.tags {
		tags = append(tags, tag)
	}
	i.set.Add(tags...)
	for tag, d := range r.memory.dated {
		i.set.SetCreated(tag, d.created)
	}
	i.memory = r.memory
	i.memory.age(i.now())
	return nil
}

// reader reads a journal.
type reader struct {
	memory memory
	tags   map[string]bool
	id     identity
	lines  int
	torn   bool
}

func (r *reader) read(data []byte) error {
	text, ok := strings.CutPrefix(string(data), journalHead)
	if !ok {
		return errors.New("it is no journal of tags")
	}
	for text != "" {
		line, rest, ended := strings.Cut(text, "\n")
		if !ended {
			r.torn = true
			return nil
		}
		if err := r.line(line); err != nil {
			return fmt.Errorf("line %d: %w", r.lines+2, err)
		}
		r.lines++
		text = rest
	}
	return nil
}

func (r *reader) line(line string) error {
	kind, rest, _ := strings.Cut(line, " ")
	switch kind {
	case "i":
		return json.Unmarshal([]byte(rest), &r.id)
	case "p":
		r.memory.pages = nil
		return json.Unmarshal([]byte(rest), &r.memory.pages)
	case "t":
		return r.tag(rest)
	case "-":
		delete(r.tags, rest)
		r.memory.forget(rest)
		return nil
	}
	number, rest, _ := strings.Cut(rest, " ")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return err
	}
	switch kind {
	case "b":
		r.memory.base = time.Unix(n, 0)
	case "f":
		r.memory.fullAt = time.Unix(n, 0)
	case "+":
		r.memory.seen[rest] = time.Unix(n, 0)
		return r.tag(rest)
	case "c":
		return r.created(n, rest)
	default:
		return fmt.Errorf("nobody writes %q", kind)
	}
	return nil
}

func (r *reader) tag(tag string) error {
	if !isTag(tag) {
		return fmt.Errorf("%q is no tag", tag)
	}
	r.tags[tag] = true
	return nil
}

func (r *reader) created(nanoseconds int64, rest string) error {
	words := strings.Split(rest, " ")
	if len(words) != 3 {
		return errors.New("a date has three words")
	}
	checked, err := strconv.ParseInt(words[0], 10, 64)
	if err != nil {
		return err
	}
	d := dated{digest: words[1], checked: time.Unix(checked, 0)}
	if nanoseconds != 0 {
		d.created = time.Unix(0, nanoseconds)
	}
	r.memory.dated[words[2]] = d
	return nil
}

// write appends news, or writes all anew: at first, when another process wrote in
// between, and when most lines are outdated.
func (i *Image) write(news lines, anew bool) error {
	j := i.journal
	if j == nil || news.count == 0 && !anew {
		return nil
	}
	info, err := os.Stat(j.path)
	if anew || err != nil || info.Size() != j.size || j.lines+news.count > 2*(i.set.Len()+len(i.memory.dated))+1000 {
		return i.rewrite()
	}
	f, err := os.OpenFile(j.path, os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	n, err := f.Write(news.text.Bytes())
	j.size += int64(n)
	j.lines += news.count
	return errors.Join(err, f.Close())
}

// rewrite puts a new file in the place of the old one.
func (i *Image) rewrite() error {
	var all lines
	m := &i.memory
	all.json("i", i.identity())
	all.base(m.base)
	tags := i.set.Tags()
	for _, tag := range tags {
		if at, ok := m.seen[tag]; ok {
			all.added(tag, at)
		} else {
			all.add("t %s", tag)
		}
		if d, ok := m.dated[tag]; ok {
			all.created(tag, d)
		}
	}
	all.pages(m.pages)
	all.full(m.fullAt)
	j := i.journal
	f, err := os.CreateTemp(filepath.Dir(j.path), ".tags-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // it is gone once it was renamed
	_, err = io.WriteString(f, journalHead+all.text.String())
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), j.path); err != nil {
		return err
	}
	j.size, j.lines = int64(len(journalHead)+all.text.Len()), all.count
	return nil
}
