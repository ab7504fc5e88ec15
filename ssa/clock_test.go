package ssa_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
)

// skew makes the API server look as if its clock were wrong: all times in
// objects are moved, or only the Dates of answers, as by a proxy.
type skew struct {
	times, dates time.Duration
	moved        atomic.Int64
}

var timestamp = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"`)

func (s *skew) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		req = req.Clone(req.Context())
		accept := strings.ReplaceAll(req.Header.Get("Accept"), "application/vnd.kubernetes.protobuf", "application/json")
		req.Header.Set("Accept", accept) // so that times can be found
		resp, err := next.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			resp.Header.Set("Date", date.Add(s.dates).UTC().Format(http.TimeFormat))
		}
		if s.times != 0 && strings.Contains(resp.Header.Get("Content-Type"), "json") {
			resp.Header.Del("Content-Length")
			resp.ContentLength = -1
			resp.Body = &movedBody{skew: s, from: resp.Body, lines: bufio.NewReader(resp.Body)}
		}
		return resp, nil
	})
}

// movedBody is an answer with other times in it, line by line.
type movedBody struct {
	skew  *skew
	from  io.Closer
	lines *bufio.Reader
	ready bytes.Buffer
	err   error
}

func (b *movedBody) Close() error { return b.from.Close() }

func (b *movedBody) Read(p []byte) (int, error) {
	for b.ready.Len() == 0 {
		if b.err != nil {
			return 0, b.err
		}
		var line []byte
		line, b.err = b.lines.ReadBytes('\n')
		b.ready.Write(timestamp.ReplaceAllFunc(line, b.skew.move))
	}
	return b.ready.Read(p)
}

func (s *skew) move(text []byte) []byte {
	t, err := time.Parse(`"`+time.RFC3339+`"`, string(text))
	if err != nil {
		return text
	}
	s.moved.Add(1)
	return []byte(t.Add(s.times).UTC().Format(`"` + time.RFC3339 + `"`))
}

const clockDeployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d, namespace: NS}\nspec: {replicas: 1, progressDeadlineSeconds: 60, selector: {matchLabels: {app: d}}, template: {metadata: {labels: {app: d}}, spec: {containers: [{name: c, image: 'c:1'}]}}}\n"

func TestWrongClocksChangeNothing(t *testing.T) {
	t.Parallel()
	const hours = 5 * time.Hour
	for name, s := range map[string]*skew{
		"the server's clock is hours ahead":    {times: hours, dates: hours},
		"the server's clock is hours behind":   {times: -hours, dates: -hours},
		"a proxy dates answers hours ahead":    {dates: hours},
		"a proxy dates answers hours behind":   {dates: -hours},
		"another server was ahead of this one": {times: hours},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, ssa.Options{})
			cfg := rest.CopyConfig(c.cfg)
			cfg.Wrap(s.wrap)
			var err error
			behind := c.applier // sees the cluster as it is
			if c.applier, err = ssa.New(cfg, ssa.Options{}); err != nil {
				t.Fatal(err)
			}
			drifts := c.watching()
			c.convergesWithClock(behind, drifts)
			if s.times != 0 && s.moved.Load() == 0 {
				t.Error("no time was moved")
			}
		})
	}
}

func (c *cluster) convergesWithClock(other *ssa.Applier, drifts <-chan ssa.Drift) {
	t := c.t.(*testing.T)
	opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Prune: true, Wait: true, WaitTimeout: time.Minute}
	set := []string{configA, clockDeployment}
	if res := c.mustApply(opts, set...); res.Count(ssa.Create) != 2 {
		t.Fatalf("first: %v", res.Objects)
	}
	// Within the second, under the same name, so that only times could tell.
	for i, value := range []string{"other", "another", "a-third"} {
		changed := strings.Replace(configA, "key: one", "key: "+value, 1)
		if _, err := other.Apply(t.Context(), c.objects(changed), ssa.ApplyOptions{}); err != nil {
			t.Fatal(err)
		}
		awaitDrift(t, drifts, "ConfigMap", "a")
		if res := c.mustApply(opts, set...); res.Count(ssa.Update) != 1 || c.field(configMaps, "a", "data", "key") != "one" {
			t.Errorf("edit %d: %v, key is %s", i, res.Objects, c.field(configMaps, "a", "data", "key"))
		}
	}
	if res := c.mustApply(opts, set...); res.Changed() {
		t.Errorf("nothing has changed: %v", res.Objects)
	}
	// Another process, which knows nothing, finds the same.
	if res, err := other.Apply(t.Context(), c.objects(set...), ssa.ApplyOptions{}); err != nil || res.Changed() {
		t.Errorf("another applier: %v, %v", res.Objects, err)
	}
	if res := c.mustApply(opts, clockDeployment); res.Count(ssa.Prune) != 1 {
		t.Errorf("prune: %v", res.Objects)
	}
	if err := c.applier.WaitGone(t.Context(), []inventory.Entry{{Ref: inventory.Ref{Kind: "ConfigMap", Namespace: c.ns, Name: "a"}, Version: "v1"}}, time.Minute); err != nil {
		t.Error(err)
	}
}
