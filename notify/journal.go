package notify

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"
)

// JournalOptions configures [OpenJournal].
type JournalOptions struct {
	// Fsync waits for the disk at each write, so that what was accepted
	// survives a power failure and not only the end of the process.
	Fsync bool
	// Window is how long keys of events are kept against repetitions; 5
	// minutes where zero.
	Window time.Duration
}

// Journal is a Store in one file, to which lines are appended and which is
// written anew when most of them are of no more use. One process may use it at a
// time.
type Journal struct {
	path string
	opts JournalOptions

	mu      sync.Mutex
	file    *os.File
	lock    *os.File
	pending map[string]*entry
	recent  []RecentKey
	failing *recent[Failing]
	seq     uint64
	lines   int
	err     error // of a write that left the file's end unknown
}

type entry struct {
	seq    uint64
	stored Stored
}

// line is one line of the file, behind eight hex digits of its CRC-32 and a
// space. Key comes with Put.
type line struct {
	Key  *RecentKey `json:"key,omitempty"`
	Put  []Delivery `json:"put,omitempty"`
	Fail *Failing   `json:"fail,omitempty"`
	Mark *State     `json:"mark,omitempty"`
	IDs  []string   `json:"ids,omitempty"`
}

// journalFile is the file's name in its folder.
const journalFile = "events.journal"

// OpenJournal opens or makes the journal in a folder. A line that a crash cut
// short ends the file there; its event was never acknowledged. Errors wrap
// [ErrStore].
func OpenJournal(dir string, o JournalOptions) (*Journal, error) {
	if o.Window <= 0 {
		o.Window = 5 * time.Minute
	}
	j := &Journal{path: filepath.Join(dir, journalFile), opts: o, pending: map[string]*entry{}, failing: newRecent[Failing](0, 10*maxFailing)}
	if err := j.open(dir); err != nil {
		return nil, &Error{Op: "open journal", Ref: dir, Err: errors.Join(ErrStore, err)}
	}
	return j, nil
}

func (j *Journal) open(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	lock, err := os.OpenFile(j.path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if ok, err := tryLock(lock); err != nil || !ok {
		return errors.Join(errors.New("another process uses it"), err, lock.Close())
	}
	j.lock = lock
	if err := j.recover(); err != nil {
		return errors.Join(err, lock.Close())
	}
	return nil
}

// recover reads the file and opens it behind its last whole line.
func (j *Journal) recover() error {
	f, err := os.OpenFile(j.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	good, err := j.replay(f)
	if err == nil {
		err = f.Truncate(good)
	}
	if err == nil {
		_, err = f.Seek(good, io.SeekStart)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	j.file = f
	j.forget(time.Now().Add(-j.opts.Window))
	return nil
}

// replay reads the file and returns where its whole lines end.
func (j *Journal) replay(r io.Reader) (good int64, err error) {
	in := bufio.NewReaderSize(r, 1<<16)
	for {
		text, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return good, nil
		}
		if err != nil {
			return good, err
		}
		l, ok := decodeLine(text)
		if !ok {
			if _, err := in.Peek(1); errors.Is(err, io.EOF) {
				return good, nil // cut short by a crash
			}
			return good, fmt.Errorf("damaged at byte %d: move %s away to begin anew", good, j.path)
		}
		j.apply(l)
		good += int64(len(text))
	}
}

func decodeLine(text []byte) (line, bool) {
	text = bytes.TrimSuffix(text, []byte("\n"))
	if len(text) < 9 || text[8] != ' ' {
		return line{}, false
	}
	sum, err := strconv.ParseUint(string(text[:8]), 16, 32)
	if err != nil || uint32(sum) != crc32.ChecksumIEEE(text[9:]) {
		return line{}, false
	}
	var l line
	return l, json.Unmarshal(text[9:], &l) == nil
}

func encodeLine(l line) ([]byte, error) {
	body, err := json.Marshal(l)
	if err != nil {
		return nil, err
	}
	return append(fmt.Appendf(nil, "%08x %s", crc32.ChecksumIEEE(body), body), '\n'), nil
}

// apply does in memory what a line says.
func (j *Journal) apply(l line) {
	j.lines++
	if l.Key != nil {
		j.recent = append(j.recent, *l.Key)
	}
	for _, d := range l.Put {
		j.seq++
		j.pending[d.ID] = &entry{seq: j.seq, stored: Stored{Delivery: d}}
		j.noteHealth(d)
	}
	if l.Fail != nil {
		j.failing.add(l.Fail.key(), *l.Fail, l.Fail.Since)
	}
	if l.Mark == nil {
		return
	}
	for _, id := range l.IDs {
		switch e := j.pending[id]; {
		case e == nil:
		case *l.Mark == Delivered || *l.Mark == Dead:
			delete(j.pending, id)
		default:
			e.stored.Sending = *l.Mark == Sending
		}
	}
}

// Load returns what is kept.
func (j *Journal) Load(context.Context) (Kept, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	k := Kept{Recent: slices.Clone(j.recent), Failing: j.failing.values()}
	for _, e := range j.sorted() {
		k.Pending = append(k.Pending, e.stored)
	}
	return k, nil
}

func (j *Journal) sorted() []*entry {
	list := make([]*entry, 0, len(j.pending))
	for _, e := range j.pending {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b *entry) int { return cmp.Compare(a.seq, b.seq) })
	return list
}

// Put keeps deliveries.
func (j *Journal) Put(_ context.Context, key RecentKey, ds []Delivery) error {
	return j.write(line{Key: &key, Put: ds})
}

// Mark notes what became of deliveries.
func (j *Journal) Mark(_ context.Context, s State, ids []string) error {
	return j.write(line{Mark: &s, IDs: ids})
}

func (j *Journal) write(l line) error {
	text, err := encodeLine(l)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return j.err
	}
	if err := j.append(text); err != nil {
		return err
	}
	j.apply(l)
	if j.lines%1024 == 0 {
		j.forget(time.Now().Add(-j.opts.Window))
	}
	if j.lines > compactAfter+2*(len(j.pending)+len(j.recent)+j.failing.size()) {
		return j.compact()
	}
	return nil
}

// append writes a line; where that fails midway, the half is cut off.
func (j *Journal) append(text []byte) error {
	at, err := j.file.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = j.file.Write(text)
	}
	if err == nil && j.opts.Fsync {
		err = j.file.Sync()
	}
	if err == nil {
		return nil
	}
	undo := j.file.Truncate(at)
	if undo == nil {
		_, undo = j.file.Seek(at, io.SeekStart)
	}
	if undo != nil {
		j.err = fmt.Errorf("journal unusable: %w", errors.Join(err, undo))
	}
	return err
}

// Close closes the file. Call it after Run has returned.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err == nil {
		j.err = os.ErrClosed
	}
	return errors.Join(j.file.Close(), j.lock.Close())
}
