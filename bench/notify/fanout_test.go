package notify

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gitopskit/gitopskit/notify"
	"github.com/gitopskit/gitopskit/notify/provider"
)

const (
	eventCount   = 10_000
	destinations = 5
	serverVar    = "NOTIFY_BENCH_SERVER"
)

var (
	inclusion = []string{`^(Applied|Health|Reconcil|Helm).*`, `.*(finished|succeeded|failed) in \d+(\.\d+)?m?s.*`}
	exclusion = []string{`waiting.*socket`, `.*(unable to clone|context deadline exceeded).*`, `^Dependencies do not meet ready condition`}
)

// line is a figure as it is printed: ratio is peer / ours, more is better.
type line struct {
	Name     string  `json:"name"`
	N        int     `json:"n"`
	Ours     float64 `json:"ours"`
	PeerName string  `json:"peer_name"`
	Peer     float64 `json:"peer"`
	Ratio    float64 `json:"ratio"`
	Unit     string  `json:"unit"`
	Requests int64   `json:"requests"`
}

func report(l line) {
	if l.Ours > 0 {
		l.Ratio = float64(int(l.Peer/l.Ours*100)) / 100
	}
	if err := json.NewEncoder(os.Stdout).Encode(l); err != nil {
		panic(err)
	}
}

func TestMain(m *testing.M) {
	if os.Getenv(serverVar) != "" {
		serve()
		return
	}
	m.Run()
}

// serve takes posts until its input ends: /0 … /4 count, /hang hangs, /count
// answers how many there were and begins anew.
func serve() {
	var count atomic.Int64
	hold := make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch r.URL.Path {
		case "/hang":
			select {
			case <-r.Context().Done():
			case <-hold:
			}
		case "/count":
			fmt.Fprint(w, count.Swap(0))
		default:
			count.Add(1)
		}
	})
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = nil
	srv.StartTLS()
	plain := httptest.NewServer(h)
	fmt.Fprintln(os.Stdout, srv.URL, plain.URL)
	_ = pem.Encode(os.Stdout, &pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	fmt.Fprintln(os.Stdout)
	_, _ = io.Copy(io.Discard, os.Stdin)
	close(hold)
}

type server struct {
	secure, plain string
	ca            []byte
	client        *http.Client
}

func startServer(b *testing.B) *server {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0]) //nolint:gosec // this test program
	cmd.Env = append(os.Environ(), serverVar+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	lines := bufio.NewScanner(out)
	lines.Scan()
	urls := strings.Fields(lines.Text())
	s := &server{secure: urls[0], plain: urls[1], client: &http.Client{}}
	for lines.Scan() && lines.Text() != "" {
		s.ca = append(append(s.ca, lines.Bytes()...), '\n')
	}
	b.Cleanup(s.client.CloseIdleConnections)
	return s
}

func (s *server) count(b *testing.B) int64 {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, s.plain+"/count", nil)
	if err != nil {
		b.Fatal(err)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	var n int64
	if _, err := fmt.Fscan(resp.Body, &n); err != nil {
		b.Fatal(err)
	}
	return n
}

func events() []notify.Event {
	out := make([]notify.Event, eventCount)
	for i := range out {
		out[i] = notify.Event{
			InvolvedObject: notify.Object{APIVersion: "kustomize.toolkit.fluxcd.io/v1", Kind: "Kustomization", Namespace: "apps", Name: fmt.Sprint("app-", i%500), UID: fmt.Sprint("uid-", i%500)},
			Severity:       notify.SeverityInfo, Timestamp: time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC), Reason: "ReconciliationSucceeded",
			Message:  fmt.Sprintf("Reconciliation finished in %dms, next run in 10m0s", i),
			Metadata: map[string]string{"kustomize.toolkit.fluxcd.io/revision": fmt.Sprintf("main@sha1:%040x", i)}, ReportingController: "kustomize-controller",
		}
	}
	return out
}

// ours dispatches all and returns how long it took until the destinations that do
// not hang had all, and the peak of the heap.
func ours(b *testing.B, base string, ca []byte, hang bool) (time.Duration, uint64) {
	b.Helper()
	rule, err := notify.Compile(notify.Rule{Sources: []notify.Source{{Kind: "Kustomization", Name: "*"}}, Inclusion: inclusion, Exclusion: exclusion})
	if err != nil {
		b.Fatal(err)
	}
	pool := provider.NewPool()
	defer pool.Close()
	var o notify.Options
	for i := range destinations {
		address := fmt.Sprint(base, "/", i)
		overflow := notify.Wait
		if hang && i == 0 {
			address, overflow = base+"/hang", notify.DropOldest
		}
		s, err := provider.New(provider.Config{Type: "generic", Address: address, TLS: provider.TLS{CA: ca}, HTTP: pool})
		if err != nil {
			b.Fatal(err)
		}
		o.Destinations = append(o.Destinations, notify.Destination{Name: fmt.Sprint(i), Sender: s, Rules: []*notify.Matcher{rule}, Overflow: overflow, Workers: 2, Timeout: time.Minute})
	}
	o.DrainTimeout = -1
	d, err := notify.New(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	peak := watchHeap()
	begun := time.Now()
	go func() { ended <- d.Run(ctx) }()
	for _, e := range events() {
		if _, err := d.Dispatch(ctx, e); err != nil {
			b.Fatal(err)
		}
	}
	for !delivered(d, hang) {
		runtime.Gosched()
		<-time.After(time.Millisecond)
	}
	took := time.Since(begun)
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	return took, peak()
}

func delivered(d *notify.Dispatcher, hang bool) bool {
	for i, s := range d.Stats() {
		if !(hang && i == 0) && s.Delivered < eventCount {
			return false
		}
	}
	return true
}

// usual is the usual way. A destination that hangs holds a goroutine for each
// event until the timeout.
func usual(b *testing.B, base string, ca []byte, hang bool) (time.Duration, uint64) {
	b.Helper()
	var wg sync.WaitGroup
	slots := make(chan struct{}, 64)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var hung sync.WaitGroup
	peak := watchHeap()
	begun := time.Now()
	for _, e := range events() {
		for i := range destinations {
			if !passes(e) {
				continue
			}
			if hang && i == 0 {
				hung.Go(func() { waitAsThePostWould(ctx, e) })
				continue
			}
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				if err := post(ctx, fmt.Sprint(base, "/", i), ca, e); err != nil {
					b.Error(err)
				}
			})
		}
	}
	wg.Wait()
	took := time.Since(begun)
	heap := peak()
	cancel()
	hung.Wait()
	return took, heap
}

// waitAsThePostWould holds what a post that hangs holds at least: its body and a
// goroutine; without the connection, of which there would be too many.
func waitAsThePostWould(ctx context.Context, e notify.Event) {
	body, err := json.Marshal(e)
	<-ctx.Done()
	runtime.KeepAlive(body)
	_ = err
}

func passes(e notify.Event) bool {
	ok := false
	for _, p := range inclusion {
		if re, err := regexp.Compile(p); err == nil && re.MatchString(e.Message) {
			ok = true
		}
	}
	for _, p := range exclusion {
		if re, err := regexp.Compile(p); err == nil && re.MatchString(e.Message) {
			return false
		}
	}
	return ok
}

func post(ctx context.Context, url string, ca []byte, e notify.Event) error {
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	transport := &http.Transport{}
	if strings.HasPrefix(url, "https") {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(ca)
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := (&http.Client{Transport: transport, Timeout: 15 * time.Second}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// watchHeap returns a function that ends the watching and tells the peak of the
// heap above what it was.
func watchHeap() func() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before, peak := m.HeapAlloc, m.HeapAlloc
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapAlloc)
			}
		}
	}()
	return func() uint64 { close(stop); <-done; return peak - before }
}

func BenchmarkFanout(b *testing.B) {
	s := startServer(b)
	for range b.N {
		for _, c := range []struct {
			name, base string
			ca         []byte
			hang       bool
		}{
			{"notify/fanout", s.secure, s.ca, false},
			{"notify/fanout-plain-http", s.plain, nil, false},
			{"notify/fanout-one-hangs", s.secure, s.ca, true},
		} {
			want := int64(eventCount * destinations)
			if c.hang {
				want -= eventCount
			}
			us, ourHeap := ours(b, c.base, c.ca, c.hang)
			sent := s.count(b)
			peer, peerHeap := usual(b, c.base, c.ca, c.hang)
			if theirs := s.count(b); sent != want || theirs != want {
				b.Fatalf("%s: we sent %d, they %d, want %d", c.name, sent, theirs, want)
			}
			const usualWay = "a client and goroutine for each post"
			report(line{Name: c.name, N: eventCount, Ours: us.Seconds(), PeerName: usualWay, Peer: peer.Seconds(), Unit: "s", Requests: sent})
			report(line{Name: c.name + "-memory", N: eventCount, Ours: float64(ourHeap) / 1e6, PeerName: usualWay, Peer: float64(peerHeap) / 1e6, Unit: "MB", Requests: sent})
		}
	}
}
