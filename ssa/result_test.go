package ssa_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
)

func TestTheResultHasEverythingAlsoOfWhatFailed(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	created := c.mustApply(ssa.ApplyOptions{}, bare("a")).Objects[0]
	if created.UID == "" || created.ResourceVersion == "" || created.Duration <= 0 || created.Version != "v1" {
		t.Errorf("created: %+v", created)
	}
	updated := c.mustApply(ssa.ApplyOptions{Diff: true}, strings.Replace(bare("a"), "key: b", "key: c", 1)).Objects[0]
	if updated.UID != created.UID || updated.ResourceVersion == created.ResourceVersion || updated.Duration <= 0 || len(updated.Diff) != 1 {
		t.Errorf("updated: %+v", updated)
	}
	unchanged := c.mustApply(ssa.ApplyOptions{}, strings.Replace(bare("a"), "key: b", "key: c", 1)).Objects[0]
	if unchanged.Action != ssa.Unchanged || unchanged.UID != created.UID || unchanged.ResourceVersion != updated.ResourceVersion {
		t.Errorf("unchanged: %+v", unchanged)
	}
	// Refused when it is written, since it is not validated before.
	res, err := c.apply(ssa.ApplyOptions{SkipValidation: true}, strings.Replace(bare("a"), "{key: b}", "{key: 1}", 1), bare("other"))
	failed, typed := res.Objects[0], (*ssa.Error)(nil)
	if !errors.As(failed.Err, &typed) || !errors.Is(err, ssa.ErrInvalid) || typed.Ref != failed.Ref || failed.Action != ssa.Update ||
		failed.UID != created.UID || failed.ResourceVersion != updated.ResourceVersion || failed.Duration <= 0 {
		t.Errorf("failed: %+v\n%v", failed, err)
	}
	if len(res.Objects) != 2 {
		t.Errorf("%v", res.Objects)
	}
}

// Whether a request that was on its way has come through nobody knows: the
// object may be there, so the result says so and the inventory lists it.
func TestTheResultSaysWhatWasUnderWayWhenItWasStopped(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cfg := rest.CopyConfig(c.cfg)
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			res, err := next.RoundTrip(req)
			if req.Method == http.MethodPatch && req.URL.Query().Get("dryRun") == "" && strings.HasSuffix(req.URL.Path, "/configmaps/a") {
				if err == nil {
					_ = res.Body.Close() // it was written, and the answer is lost
				}
				cancel()
				return nil, context.Canceled
			}
			return res, err
		})
	})
	a, err := ssa.New(cfg, ssa.Options{})
	if err != nil {
		t.Fatal(err)
	}
	store := &inventory.Memory{}
	res, err := a.Apply(ctx, c.objects(bare("a")), ssa.ApplyOptions{Inventory: store})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
	if o := res.Objects[0]; o.Action != ssa.None || !strings.Contains(o.Reason, "may have been") || o.Err != nil {
		t.Errorf("%+v", o)
	}
	if stored, err := store.Load(t.Context()); err != nil || stored.Len() != 1 || c.get(configMaps, "a") == nil {
		t.Errorf("the inventory lists %v, err = %v", stored.Entries(), err)
	}
}
