package notify_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitopskit/gitopskit/notify"
)

func openJournal(t *testing.T, dir string) *notify.Journal {
	t.Helper()
	j, err := notify.OpenJournal(dir, notify.JournalOptions{Fsync: true})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func put(t *testing.T, j *notify.Journal, id string) {
	t.Helper()
	err := j.Put(t.Context(), notify.RecentKey{Key: id, Time: time.Now()}, []notify.Delivery{{ID: id, Destination: "a", Event: event("x", id)}})
	if err != nil {
		t.Fatal(err)
	}
}

func pendingIDs(t *testing.T, j *notify.Journal) (ids []string, keys int) {
	t.Helper()
	k, err := j.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range k.Pending {
		ids = append(ids, fmt.Sprint(s.ID, s.Sending))
	}
	return ids, len(k.Recent)
}

func TestJournalKeepsWhatIsPending(t *testing.T) {
	dir := t.TempDir()
	j := openJournal(t, dir)
	for _, id := range []string{"1", "2", "3", "4"} {
		put(t, j, id)
	}
	for s, id := range map[notify.State]string{notify.Delivered: "1", notify.Dead: "3", notify.Sending: "2"} {
		if err := j.Mark(t.Context(), s, []string{id}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := notify.OpenJournal(dir, notify.JournalOptions{}); !errors.Is(err, notify.ErrStore) {
		t.Errorf("opened twice: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.Put(t.Context(), notify.RecentKey{}, nil); err == nil {
		t.Error("a closed journal takes events")
	}
	j = openJournal(t, dir)
	defer j.Close()
	ids, keys := pendingIDs(t, j)
	if diff := cmp.Diff([]string{"2true", "4false"}, ids); diff != "" || keys != 4 {
		t.Error(keys, diff)
	}
}

func TestJournalCutShortAndDamaged(t *testing.T) {
	dir := t.TempDir()
	j := openJournal(t, dir)
	put(t, j, "1")
	put(t, j, "2")
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "events.journal")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	first := strings.Index(string(whole), "\n") + 1
	for n := first; n < len(whole); n++ {
		if err := os.WriteFile(file, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		j := openJournal(t, dir)
		put(t, j, "3")
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		j = openJournal(t, dir)
		if ids, _ := pendingIDs(t, j); cmp.Diff([]string{"1false", "3false"}, ids) != "" {
			t.Fatalf("cut at %d: %v", n, ids)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	bad := append([]byte(nil), whole...)
	bad[first/2] ^= 1
	if err := os.WriteFile(file, bad, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := notify.OpenJournal(dir, notify.JournalOptions{}); !errors.Is(err, notify.ErrStore) || !strings.Contains(err.Error(), "damaged at byte 0") {
		t.Errorf("damage in the middle: %v", err)
	}
}

func TestJournalStaysSmall(t *testing.T) {
	dir := t.TempDir()
	j, err := notify.OpenJournal(dir, notify.JournalOptions{Window: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	put(t, j, "first")
	n := 20_000
	if testing.Short() {
		n = 5_000 // written anew once
	}
	for i := range n {
		id := fmt.Sprint(i)
		put(t, j, id)
		if err := j.Mark(t.Context(), notify.Delivered, []string{id}); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "events.journal"))
	if err != nil || info.Size() > 8<<20 {
		t.Errorf("%d bytes, %v", info.Size(), err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = openJournal(t, dir)
	defer j.Close()
	if ids, _ := pendingIDs(t, j); cmp.Diff([]string{"firstfalse"}, ids) != "" {
		t.Error(ids)
	}
}

type brokenStore struct{}

func (brokenStore) Load(context.Context) (notify.Kept, error) { return notify.Kept{}, nil }
func (brokenStore) Put(context.Context, notify.RecentKey, []notify.Delivery) error {
	return errors.New("disk full")
}
func (brokenStore) Mark(context.Context, notify.State, []string) error { return nil }

func TestHandlerAnswersWhatHappened(t *testing.T) {
	body := `{"involvedObject":{"kind":"Kustomization","namespace":"apps","name":"x"},"severity":"info","timestamp":"2026-05-04T03:02:01Z","message":"m","reason":"r","reportingController":"c"}`
	d, stop := running(t, notify.Options{})
	broken, err := notify.New(t.Context(), notify.Options{Store: brokenStore{}, Destinations: []notify.Destination{{Name: "a", Sender: &sink{}}}})
	if err != nil {
		t.Fatal(err)
	}
	post := func(d *notify.Dispatcher, method, body string) int {
		w := httptest.NewRecorder()
		notify.Handler(d).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, "/", strings.NewReader(body)))
		return w.Code
	}
	for _, c := range []struct {
		name, method, body string
		d                  *notify.Dispatcher
		want               int
	}{
		{"taken", http.MethodPost, body, d, 202},
		{"a repetition", http.MethodPost, body, d, 429},
		{"no event", http.MethodPost, `{}`, d, 400},
		{"no JSON", http.MethodPost, `{`, d, 400},
		{"too large", http.MethodPost, `{"message":"` + strings.Repeat("x", notify.MaxEventBytes) + `"}`, d, 413},
		{"not posted", http.MethodGet, ``, d, 405},
		{"not kept", http.MethodPost, body, broken, 500},
		{"not kept, and no repetition therefore", http.MethodPost, body, broken, 500},
	} {
		if got := post(c.d, c.method, c.body); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	stop()
	if got := post(d, http.MethodPost, strings.Replace(body, `"m"`, `"n"`, 1)); got != 503 {
		t.Errorf("stopped: %d", got)
	}
}
