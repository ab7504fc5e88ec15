package scan

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/gitopskit/gitopskit/internal/servers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newClient(t testing.TB, opts ClientOptions) *Client {
	t.Helper()
	c, err := NewClient(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func newImage(t testing.TB, c *Client, opts ImageOptions) *Image {
	t.Helper()
	i, err := c.Image(opts)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func scanned(t testing.TB, i *Image) Result {
	t.Helper()
	r, err := i.Scan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func numbered(n int) []string {
	tags := make([]string, n)
	for i := range tags {
		tags[i] = fmt.Sprintf("%06d", i)
	}
	return tags
}

func TestRescanOfManyTagsIsTwoRequests(t *testing.T) {
	t.Parallel()
	tags := numbered(20_500)
	reg := servers.NewTags(t, servers.TagsOptions{Token: true}, tags...)
	i := newImage(t, newClient(t, ClientOptions{Insecure: []string{reg.Host}}), ImageOptions{Name: reg.Host + "/org/app"})
	if r := scanned(t, i); !r.Full || r.Tags != 20_500 || len(r.Added) != 20_500 {
		t.Fatalf("%v, %d tags, %d added", r.Full, r.Tags, len(r.Added))
	}
	reg.Reset()
	if r := scanned(t, i); r.Full || r.Requests != 2 || len(reg.Requests()) != 2 || len(r.Added)+len(r.Removed) > 0 {
		t.Errorf("%+v asked for %q", r, reg.Requests())
	}
	reg.Set(append(tags, "zzz")...)
	if r := scanned(t, i); !slices.Equal(r.Added, []string{"zzz"}) || r.Requests != 2 {
		t.Errorf("%+v", r)
	}
}

func TestEachPageComesUp(t *testing.T) {
	t.Parallel()
	tags := numbered(100)
	reg := servers.NewTags(t, servers.TagsOptions{PageSize: 10}, tags...)
	i := newImage(t, newClient(t, ClientOptions{Insecure: []string{reg.Host}}), ImageOptions{Name: reg.Host + "/app"})
	scanned(t, i)
	now := append(slices.Delete(slices.Clone(tags), 43, 44), "000012a", "000099a")
	reg.Set(now...)
	for n := range 12 {
		if r := scanned(t, i); r.Full {
			t.Fatalf("scan %d was full", n)
		}
	}
	slices.Sort(now)
	if diff := cmp.Diff(now, i.Tags().Tags()); diff != "" {
		t.Error(diff)
	}
	i.now = func() time.Time { return time.Now().Add(time.Hour) }
	if r := scanned(t, i); !r.Full || r.Requests != 11 {
		t.Errorf("an hour later: %+v", r)
	}
}

// TestScansFindWhatIsThere changes a registry at random: a full scan always finds
// what is there, and so do enough partial ones.
func TestScansFindWhatIsThere(t *testing.T) {
	t.Parallel()
	rounds := 40
	if testing.Short() {
		rounds = 8
	}
	for _, opts := range []servers.TagsOptions{{PageSize: 7}, {PageSize: 7, ETags: true}, {PageSize: 7, Unordered: true}, {PageSize: 1000, ETags: true}} {
		t.Run(fmt.Sprintf("%+v", opts), func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, uint64(opts.PageSize)))
			reg := servers.NewTags(t, opts)
			client := newClient(t, ClientOptions{Insecure: []string{reg.Host}})
			some := newImage(t, client, ImageOptions{Name: reg.Host + "/app", Exclude: []string{"^9"}})
			all := newImage(t, client, ImageOptions{Name: reg.Host + "/app", Exclude: []string{"^9"}, FullEvery: -1})
			there := map[string]bool{}
			for range rounds {
				for range r.IntN(30) {
					tag := fmt.Sprint(r.IntN(1000))
					if there[tag] = true; r.IntN(3) == 0 {
						delete(there, tag)
					}
				}
				var tags, want []string
				for tag := range there {
					tags = append(tags, tag)
					if tag[0] != '9' {
						want = append(want, tag)
					}
				}
				slices.Sort(want)
				reg.Set(tags...)
				if found := scanned(t, all); !found.Full || !slices.Equal(all.Tags().Tags(), want) {
					t.Fatal(cmp.Diff(want, all.Tags().Tags()))
				}
				for range 2 + len(some.memory.pages)*2 {
					scanned(t, some)
				}
				if diff := cmp.Diff(want, some.Tags().Tags()); diff != "" {
					t.Fatalf("partial scans: %s\n%v", diff, some.memory.pages)
				}
			}
		})
	}
}

func TestUnchangedPagesAreNotSentAgain(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	reg := servers.NewTags(t, servers.TagsOptions{PageSize: 10, ETags: true, Wrap: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(&bodies{w, &sent}, r)
		})
	}}, numbered(50)...)
	i := newImage(t, newClient(t, ClientOptions{Insecure: []string{reg.Host}}), ImageOptions{Name: reg.Host + "/app", FullEvery: -1})
	scanned(t, i)
	before := sent.Load()
	if r := scanned(t, i); !r.Full || r.Tags != 50 || sent.Load() != before {
		t.Errorf("%+v, %d bytes were sent again", r, sent.Load()-before)
	}
	reg.Set(append(numbered(50), "000012a")...)
	if r := scanned(t, i); !slices.Equal(r.Added, []string{"000012a"}) || sent.Load() == before {
		t.Errorf("%+v", r)
	}
}

type bodies struct {
	http.ResponseWriter
	sent *atomic.Int64
}

func (b *bodies) Write(p []byte) (int, error) {
	b.sent.Add(int64(len(p)))
	return b.ResponseWriter.Write(p)
}

func TestHostileLists(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request)
		want   error
		tags   []string
	}{
		"a link that leads in circles": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", `</v2/app/tags/list?last=a&n=1000>; rel="next"`)
			_, _ = w.Write([]byte(`{"tags":["a"]}`))
		}, errEndless, nil},
		"a link to another host stays here": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("last") == "" {
				w.Header().Set("Link", `<http://192.0.2.1/steal?last=a>; rel="next"`)
				_, _ = w.Write([]byte(`{"tags":["a"]}`))
				return
			}
			_, _ = w.Write([]byte(`{"tags":["b"]}`))
		}, nil, []string{"a", "b"}},
		"what is no tag": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"tags":["ok","a b","-x","a\n- evil","","` + strings.Repeat("a", 129) + `"]}`))
		}, nil, []string{"ok"}},
		"tags that are null": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"tags":null}`)) }, nil, nil},
		"no such repository": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}`))
		}, ErrNotFound, nil},
		"not allowed": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, ErrAuth, nil},
	} {
		t.Run(name, func(t *testing.T) {
			reg := servers.NewTags(t, servers.TagsOptions{Wrap: func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if strings.HasSuffix(r.URL.Path, "/tags/list") {
						c.answer(w, r)
						return
					}
					next.ServeHTTP(w, r)
				})
			}})
			i := newImage(t, newClient(t, ClientOptions{Insecure: []string{reg.Host}}), ImageOptions{Name: reg.Host + "/app"})
			_, err := i.Scan(t.Context())
			if !errors.Is(err, c.want) || err == nil && !slices.Equal(i.Tags().Tags(), c.tags) {
				t.Errorf("got %q, error %v, want %q, error %v", i.Tags().Tags(), err, c.tags, c.want)
			}
			var e *Error
			if err != nil && (!errors.As(err, &e) || e.Ref != reg.Host+"/app") {
				t.Errorf("%v does not name the image", err)
			}
		})
	}
}

func TestBusyRegistryIsLeftAlone(t *testing.T) {
	t.Parallel()
	var busy, after atomic.Int64
	reg := servers.NewTags(t, servers.TagsOptions{Wrap: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v2/" && busy.Add(-1) >= 0 {
				w.Header().Set("Retry-After", fmt.Sprint(after.Load()))
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			next.ServeHTTP(w, r)
		})
	}}, "1.0.0")
	c := newClient(t, ClientOptions{Insecure: []string{reg.Host}})
	i := newImage(t, c, ImageOptions{Name: reg.Host + "/app"})
	busy.Store(1)
	after.Store(1)
	begun := time.Now()
	if r := scanned(t, i); r.Tags != 1 || r.Requests < 3 || time.Since(begun) < time.Second {
		t.Errorf("%+v after %s", r, time.Since(begun))
	}

	busy.Store(1)
	after.Store(3600)
	var e *Error
	_, err := i.Scan(t.Context())
	if !errors.Is(err, ErrRateLimited) || !errors.As(err, &e) || e.RetryAfter != time.Hour {
		t.Errorf("got %v", err)
	}
	reg.Reset()
	_, err = i.Scan(t.Context())
	if !errors.Is(err, ErrRateLimited) || !errors.As(err, &e) || e.RetryAfter == 0 || len(reg.Requests()) != 0 {
		t.Errorf("got %v after %q, want that it is left alone", err, reg.Requests())
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "7": 7 * time.Second, "-1": 0, "soon": 0, "99999999999": 0,
		"Thu, 02 Jan 2025 03:05:05 GMT": time.Minute, "Thu, 02 Jan 2025 03:00:00 GMT": 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func TestScanEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	reg := servers.NewTags(t, servers.TagsOptions{Wrap: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v2/" {
				cancel()
				w.Header().Set("Retry-After", "20")
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			next.ServeHTTP(w, r)
		})
	}})
	i := newImage(t, newClient(t, ClientOptions{Insecure: []string{reg.Host}}), ImageOptions{Name: reg.Host + "/app"})
	if _, err := i.Scan(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func FuzzLink(f *testing.F) {
	f.Add(`</v2/app/tags/list?last=a&n=1000>; rel="next"`, "a")
	f.Add(`<http://other/?last=b>;rel=prev`, "b")
	f.Fuzz(func(t *testing.T, link, tag string) {
		query, err := nextQuery([]string{link})
		if err != nil {
			return
		}
		if beginsAfter(query, tag) && isTag(tag) && !strings.Contains(query, "last") && !strings.Contains(query, "%") {
			t.Errorf("%q begins after %q", query, tag)
		}
	})
}
