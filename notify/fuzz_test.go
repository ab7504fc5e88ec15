package notify_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitopskit/gitopskit/notify"
)

// FuzzJournal opens files of any content: either that fails, or the journal works.
func FuzzJournal(f *testing.F) {
	dir := f.TempDir()
	j, err := notify.OpenJournal(dir, notify.JournalOptions{})
	if err != nil {
		f.Fatal(err)
	}
	ds := []notify.Delivery{{ID: "1", Destination: "a", Event: failed("x", "broken")}, {ID: "2", Destination: "b", Event: event("y", "fine")}}
	if err := errors.Join(j.Put(f.Context(), notify.RecentKey{Key: "k", Time: time.Now()}, ds),
		j.Mark(f.Context(), notify.Sending, []string{"1"}), j.Mark(f.Context(), notify.Delivered, []string{"2"}), j.Close()); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(dir, "events.journal"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole, false)
	f.Add(whole[:len(whole)-3], false)
	f.Add(append(bytes.Clone(whole), "00000000 {}\n"...), false)
	f.Add([]byte("\n\n"), false)
	f.Add([]byte(`{"put":[{"id":"1"}]}`+"\n"+`{"mark":7,"ids":["1"]}`+"\n"+`{"key":null,"fail":{}}`), true)
	f.Fuzz(func(t *testing.T, content []byte, summed bool) {
		if summed { // lines of JSON with the right sums
			var lines []byte
			for l := range bytes.Lines(content) {
				l = bytes.TrimSuffix(l, []byte("\n"))
				lines = fmt.Appendf(lines, "%08x %s\n", crc32.ChecksumIEEE(l), l)
			}
			content = lines
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "events.journal"), content, 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := notify.OpenJournal(dir, notify.JournalOptions{})
		if err != nil {
			if !errors.Is(err, notify.ErrStore) {
				t.Errorf("no ErrStore: %v", err)
			}
			return
		}
		before, _ := pendingIDs(t, j)
		put(t, j, "new")
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if j, err = notify.OpenJournal(dir, notify.JournalOptions{}); err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		if after, _ := pendingIDs(t, j); cmp.Diff(withoutNew(before), withoutNew(after)) != "" || after[len(after)-1] != "newfalse" {
			t.Errorf("%q before, %q after", before, after)
		}
	})
}

func withoutNew(ids []string) []string {
	out := []string{}
	for _, id := range ids {
		if !strings.HasPrefix(id, "new") {
			out = append(out, id)
		}
	}
	return out
}

// FuzzReadEvent reads events of any content: what is taken can be matched, told
// apart, written, and read again as the same event.
func FuzzReadEvent(f *testing.F) {
	for _, e := range []notify.Event{event("x", "fine"), failed("y", strings.Repeat("broken ü", 10))} {
		e.Metadata = map[string]string{"kustomize.toolkit.fluxcd.io/revision": "main@sha1:0123", "event.toolkit.fluxcd.io/team": "shop"}
		text, err := json.Marshal(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"involvedObject":{"kind":"A","name":"b"},"message":"m","reason":"r","severity":"trace","timestamp":null}`))
	rule, err := notify.Compile(notify.Rule{Severity: notify.SeverityTrace, Sources: []notify.Source{{Kind: "*"}}, Metadata: map[string]string{"a": "b"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := notify.ReadEvent(bytes.NewReader(text))
		if err != nil {
			if !errors.Is(err, notify.ErrInvalid) && !errors.Is(err, notify.ErrTooLarge) {
				t.Errorf("untyped: %v", err)
			}
			return
		}
		if _, ok := rule.Match(e); !ok {
			t.Errorf("a rule for all does not match %+v", e)
		}
		written, err := json.Marshal(e)
		if err != nil {
			return // a year that RFC 3339 cannot write
		}
		again, err := notify.ReadEvent(bytes.NewReader(written))
		if err != nil || again.Key() != e.Key() {
			t.Errorf("%s: %v\n%+v\n%+v", written, err, e, again)
		}
	})
}

// FuzzMask masks any secret in any text, in each form that a decoder would undo.
func FuzzMask(f *testing.F) {
	f.Add("xoxb-1234-abcd", "token=", "&x=1")
	f.Add("https://hooks.example.com/services/T00/B00/XyZ?sig=a%2Fb12345", "Post \"", "\": EOF")
	f.Add("p&ss/w\"ord+ü <1>", "user:", "")
	f.Fuzz(func(t *testing.T, secret, before, after string) {
		secret = strings.TrimSpace(secret)
		if len(secret) < 8 || strings.ContainsAny(secret, "*") { // the mask beside what is left would look like it
			return
		}
		m := notify.NewMasker(secret)
		asJSON, err := json.Marshal(secret)
		if err != nil {
			t.Fatal(err)
		}
		for name, form := range map[string]string{
			"plain": secret, "query": url.QueryEscape(secret), "path": url.PathEscape(secret), "json": string(asJSON[1 : len(asJSON)-1]),
		} {
			if masked := m.String(before + form + after); strings.Contains(masked, form) || !strings.Contains(masked, notify.Mask) {
				t.Errorf("%s of %q: %q", name, secret, masked)
			}
		}
		text := base64.StdEncoding.EncodeToString([]byte(before + secret + after))
		if masked := m.String(text); !strings.Contains(masked, notify.Mask) {
			t.Errorf("base64 of %q behind %q: %q", secret, before, masked)
		}
		if plain := m.String(before); strings.Contains(plain, secret) {
			t.Errorf("%q is left in %q", secret, plain)
		}
	})
}
