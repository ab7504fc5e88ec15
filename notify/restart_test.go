package notify_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gitopskit/gitopskit/notify"
)

// The test program itself, started with this variable, is the process that is
// killed.
const childVar = "NOTIFY_TEST_CHILD"

type childConfig struct {
	URL, Journal, Dead string
	From, To           int
	AtMostOnce, Dedup  bool
}

// poster sends an event's number to the test's server.
type poster struct {
	url    string
	dedup  bool
	client *http.Client
}

func (p *poster) Deduplicates() bool { return p.dedup }

func (p *poster) Send(ctx context.Context, d notify.Delivery) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader([]byte(d.Event.Message)))
	if err != nil {
		return err
	}
	req.Header.Set("X-Delivery-Id", d.ID)
	resp, err := p.client.Do(req)
	if err != nil {
		return &notify.SendError{InDoubt: true, Err: err}
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != http.StatusOK {
		return &notify.SendError{Status: resp.StatusCode}
	}
	return nil
}

func runAsChild() bool {
	text := os.Getenv(childVar)
	if text == "" {
		return false
	}
	var c childConfig
	if err := errors.Join(json.Unmarshal([]byte(text), &c), c.run()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

func (c childConfig) run() error {
	dead, err := os.OpenFile(c.Dead, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	journal, err := notify.OpenJournal(c.Journal, notify.JournalOptions{})
	if err != nil {
		return err
	}
	d, err := notify.New(context.Background(), notify.Options{
		Store: journal, DrainTimeout: time.Minute,
		OnDeadLetter: func(l notify.DeadLetter) { fmt.Fprintln(dead, l.Event.Message) },
		Destinations: []notify.Destination{{
			Name: "server", Sender: &poster{c.URL, c.Dedup, &http.Client{}}, AtMostOnce: c.AtMostOnce, QueueSize: 6000, Workers: 4,
			Retry: notify.Retry{Attempts: 6, Min: time.Millisecond, Max: 4 * time.Millisecond},
		}},
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	for i := c.From; i < c.To; i++ {
		if _, err := d.Dispatch(ctx, event(fmt.Sprint("o", i%97), strconv.Itoa(i))); err != nil && !errors.Is(err, notify.ErrDuplicate) {
			cancel()
			return err
		}
		fmt.Fprintln(os.Stdout, i)
	}
	cancel()
	return errors.Join(<-ended, journal.Close(), dead.Close())
}

// flaky takes events and fails in three of ten requests: half of them before it
// has taken the event and half of them after, by cutting the connection.
type flaky struct {
	mu     sync.Mutex
	dedup  bool
	n      int
	seen   map[string]bool
	taken  map[int]int
	killAt int
	kill   func()
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	i, err := strconv.Atoi(string(body))
	if err != nil {
		panic(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	if f.kill != nil && f.n >= f.killAt {
		defer f.kill()
		f.kill = nil
	}
	mood := (f.n * 7919) % 20
	if mood < 3 {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	key := r.Header.Get("X-Delivery-Id")
	if !f.dedup || !f.seen[key] {
		f.seen[key] = true
		f.taken[i]++
	}
	if mood < 6 {
		panic(http.ErrAbortHandler)
	}
}

func TestFiveThousandEventsKilledTwice(t *testing.T) {
	cases := map[string]struct {
		atMostOnce, dedup bool
		times             func(taken int, dead bool) bool
	}{
		"exactly once or a dead letter where the destination knows the key": {
			dedup: true, times: func(n int, dead bool) bool { return n == 1 || n == 0 && dead },
		},
		"at most once, and reported where that is not sure": {
			atMostOnce: true, times: func(n int, dead bool) bool { return n == 1 || n == 0 && dead },
		},
		"at least once or a dead letter otherwise": {
			times: func(n int, dead bool) bool { return n >= 1 || dead },
		},
	}
	total := 5000
	if testing.Short() {
		total = 1000
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			taken, dead := restartTwice(t, total, c.atMostOnce, c.dedup)
			sure := 0
			for i := range total {
				if !c.times(taken[i], dead[i]) {
					t.Errorf("event %d arrived %d times, dead letter: %v", i, taken[i], dead[i])
				}
				if taken[i] == 1 && !dead[i] {
					sure++
				}
			}
			t.Logf("%d arrived once, %d dead letters", sure, len(dead))
			if sure < total/2 {
				t.Errorf("only %d arrived once", sure)
			}
		})
	}
}

func restartTwice(t *testing.T, total int, atMostOnce, dedup bool) (map[int]int, map[int]bool) {
	t.Helper()
	f := &flaky{dedup: dedup, seen: map[string]bool{}, taken: map[int]int{}}
	srv := httptest.NewUnstartedServer(f)
	srv.Config.ErrorLog = nil
	srv.Start()
	defer srv.Close()
	dir := t.TempDir()
	c := childConfig{URL: srv.URL, Journal: dir, Dead: dir + "/dead", To: total, AtMostOnce: atMostOnce, Dedup: dedup}
	for _, killAt := range []int{total * 3 / 10, total * 3 / 4, 0} {
		c.From = runChild(t, f, c, killAt)
	}
	dead := map[int]bool{}
	text, err := os.ReadFile(c.Dead)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range bytes.Fields(text) {
		i, err := strconv.Atoi(string(l))
		if err != nil {
			t.Fatal(err)
		}
		dead[i] = true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.taken, dead
}

// runChild returns the first event that the child did not say it has dispatched.
func runChild(t *testing.T, f *flaky, c childConfig, killAt int) int {
	t.Helper()
	config, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0]) //nolint:gosec // this test program
	cmd.Env = append(os.Environ(), childVar+"="+string(config))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if killAt > 0 {
		f.mu.Lock()
		f.killAt, f.kill = killAt, func() { _ = cmd.Process.Kill() }
		f.mu.Unlock()
	}
	next := c.From
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if i, err := strconv.Atoi(lines.Text()); err == nil {
			next = i + 1
		}
	}
	if err := cmd.Wait(); (err == nil) != (killAt == 0) {
		t.Fatalf("child ended with %v, killed at %d\n%s", err, killAt, stderr.String())
	}
	return next
}
