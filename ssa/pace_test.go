package ssa_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"

	"github.com/gitopskit/gitopskit/ssa"
)

// wrapped returns an Applier for the cluster whose requests go through wrap.
func (c *cluster) wrapped(opts ssa.Options, wrap func(req *http.Request, next http.RoundTripper) (*http.Response, error)) *ssa.Applier {
	c.t.Helper()
	cfg := rest.CopyConfig(c.cfg)
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) { return wrap(req, next) })
	})
	a, err := ssa.New(cfg, opts)
	if err != nil {
		c.t.Fatal(err)
	}
	return a
}

// One request is told that there are too many. Those that were under way then
// may still arrive, and no others before the second is over.
func TestAllRequestsPauseWhenThereAreTooMany(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	const concurrency = 4
	var mu sync.Mutex
	var told time.Time
	early := 0
	a := c.wrapped(ssa.Options{Concurrency: concurrency}, func(req *http.Request, next http.RoundTripper) (*http.Response, error) {
		mu.Lock()
		first := told.IsZero() && req.Method == http.MethodPatch
		if first {
			told = time.Now()
		} else if !told.IsZero() && time.Since(told) < time.Second {
			early++
		}
		mu.Unlock()
		if first {
			resp := refusal(req, http.StatusTooManyRequests, "TooManyRequests")
			resp.Header.Set("Retry-After", "1")
			return resp, nil
		}
		return next.RoundTrip(req)
	})
	res, err := a.Apply(t.Context(), faultSet(c.ns, 0, 40, "1"), ssa.ApplyOptions{SkipValidation: true})
	if err != nil || res.Count(ssa.Create) != 40 {
		t.Fatalf("%s, err = %v", res.Summary(), err)
	}
	if early >= concurrency {
		t.Errorf("%d requests within the pause, where %d can have been under way", early, concurrency-1)
	}
}

func TestRateLimitErrorsNameTheObject(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	a := c.wrapped(ssa.Options{}, func(req *http.Request, next http.RoundTripper) (*http.Response, error) {
		if req.Method == http.MethodPatch && strings.Contains(req.URL.Path, "/configmaps/b") {
			return refusal(req, http.StatusTooManyRequests, "TooManyRequests"), nil
		}
		return next.RoundTrip(req)
	})
	_, err := a.Apply(t.Context(), c.objects(configA, configB), ssa.ApplyOptions{})
	var failed *ssa.Error
	if !errors.As(err, &failed) || !apierrors.IsTooManyRequests(failed.Err) || failed.Ref.Name != "b" || !strings.Contains(err.Error(), fmt.Sprintf("ConfigMap/%s/b", c.ns)) {
		t.Errorf("err = %v", err)
	}
}
