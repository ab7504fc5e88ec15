package ssa_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
)

// faults answers some of the requests itself, or loses the answer of others.
type faults struct {
	share float64
	seen  atomic.Int64
}

func (f *faults) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		if rand.Float64() >= f.share {
			return next.RoundTrip(req)
		}
		f.seen.Add(1)
		switch rand.IntN(6) {
		case 0:
			return refusal(req, http.StatusConflict, "Conflict"), nil
		case 1:
			resp := refusal(req, http.StatusTooManyRequests, "TooManyRequests")
			resp.Header.Set("Retry-After", "1")
			return resp, nil
		case 2:
			return refusal(req, http.StatusInternalServerError, "InternalError"), nil
		case 3: // the request never arrives
			return nil, fmt.Errorf("dial: %w", syscall.ECONNREFUSED)
		case 4: // it arrives, and its answer does not
			if resp, err := next.RoundTrip(req); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
			return nil, fmt.Errorf("read: %w", syscall.ECONNRESET)
		}
		return refusal(req, http.StatusGatewayTimeout, "Timeout"), nil
	})
}

func refusal(req *http.Request, code int, reason string) *http.Response {
	body := fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"message":"made up","code":%d}`, reason, code)
	return &http.Response{
		StatusCode: code, Status: http.StatusText(code), Request: req, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader([]byte(body))),
	}
}

// faultSet returns n ConfigMaps of a version, beginning at an offset.
func faultSet(ns string, offset, n int, version string) []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	for i := range n {
		u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "data": map[string]any{"version": version}}}
		u.SetNamespace(ns)
		u.SetName(fmt.Sprintf("f%d", offset+i))
		out = append(out, u)
	}
	return out
}

// converge applies a set until that succeeds, and after each attempt checks
// that nothing is there which the inventory does not list.
func converge(t *testing.T, a *ssa.Applier, client dynamic.Interface, ns string, store inventory.Store, set []*unstructured.Unstructured) {
	t.Helper()
	convergeSeen(t, a, client, ns, store, store, set)
}

// convergeSeen is converge for a store that fails too; it is looked at by another
// way.
func convergeSeen(t *testing.T, a *ssa.Applier, client dynamic.Interface, ns string, store, look inventory.Store, set []*unstructured.Unstructured) {
	t.Helper()
	opts := ssa.ApplyOptions{Set: "f", Inventory: store, Prune: true, OwnerLabels: map[string]string{"owner": "f"}}
	for attempt := 1; ; attempt++ {
		_, err := a.Apply(t.Context(), set, opts)
		live := listOwned(t, client, ns)
		inv, loadErr := look.Load(t.Context())
		if loadErr != nil {
			t.Fatal(loadErr)
		}
		for name := range live {
			if !inv.Has(inventory.Ref{Kind: "ConfigMap", Namespace: ns, Name: name}) {
				t.Fatalf("attempt %d (%v): nobody owns %s", attempt, err, name)
			}
		}
		if err == nil {
			compareOwned(t, live, set)
			return
		}
		if attempt == 100 {
			t.Fatalf("does not converge: %v", err)
		}
		pause(t, 50*time.Millisecond)
	}
}

func listOwned(t *testing.T, client dynamic.Interface, ns string) map[string]string {
	t.Helper()
	for {
		list, err := client.Resource(configMaps).Namespace(ns).List(t.Context(), metav1.ListOptions{LabelSelector: "owner=f"})
		if err != nil && t.Context().Err() == nil {
			pause(t, 50*time.Millisecond) // the API server is away
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for _, u := range list.Items {
			out[u.GetName()], _, _ = unstructured.NestedString(u.Object, "data", "version")
		}
		return out
	}
}

func compareOwned(t *testing.T, live map[string]string, set []*unstructured.Unstructured) {
	t.Helper()
	if len(live) != len(set) {
		t.Errorf("%d objects are there, %d in the set", len(live), len(set))
	}
	for _, o := range set {
		want, _, _ := unstructured.NestedString(o.Object, "data", "version")
		if live[o.GetName()] != want {
			t.Errorf("%s is %q, want %q", o.GetName(), live[o.GetName()], want)
		}
	}
}

func TestConvergesWhereOneRequestInTenFails(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	f := &faults{share: 0.1}
	cfg := rest.CopyConfig(c.cfg)
	cfg.Wrap(f.wrap)
	a, err := ssa.New(cfg, ssa.Options{})
	if err != nil {
		t.Fatal(err)
	}
	store, err := inventory.NewConfigMap(cfg, c.ns, "inventory")
	if err != nil {
		t.Fatal(err)
	}
	look, err := inventory.NewConfigMap(c.cfg, c.ns, "inventory")
	if err != nil {
		t.Fatal(err)
	}
	convergeSeen(t, a, c.client, c.ns, store, look, faultSet(c.ns, 0, 60, "1"))
	convergeSeen(t, a, c.client, c.ns, store, look, faultSet(c.ns, 30, 60, "2"))
	if f.seen.Load() == 0 {
		t.Error("no request has failed")
	}
}

// The first request to create an object is carried out and its answer lost, and
// the second is refused: the refusal does not mean that nothing is there.
func TestARefusalAfterALostAnswerDoesNotOrphan(t *testing.T) {
	c := newCluster(t, ssa.Options{})
	var patches atomic.Int64
	cfg := rest.CopyConfig(c.cfg)
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			if req.Method != http.MethodPatch {
				return next.RoundTrip(req)
			}
			if patches.Add(1) > 1 {
				return refusal(req, http.StatusForbidden, "Forbidden"), nil
			}
			resp, err := next.RoundTrip(req)
			if err != nil {
				return nil, err
			}
			_ = resp.Body.Close()
			return nil, fmt.Errorf("read: %w", syscall.ECONNRESET)
		})
	})
	a, err := ssa.New(cfg, ssa.Options{})
	if err != nil {
		t.Fatal(err)
	}
	store := &inventory.Memory{}
	res, err := a.Apply(t.Context(), faultSet(c.ns, 0, 1, "1"), ssa.ApplyOptions{Set: "f", Inventory: store, SkipValidation: true})
	if !errors.Is(err, ssa.ErrForbidden) {
		t.Errorf("err = %v", err)
	}
	ref := inventory.Ref{Kind: "ConfigMap", Namespace: c.ns, Name: "f0"}
	if inv, err := store.Load(t.Context()); err != nil || !inv.Has(ref) || !res.Inventory.Has(ref) {
		t.Errorf("nobody owns what is there: %v, %v", inv, err)
	}
}

func TestUnavailableAPIStopsOnlyWhatNeedsIt(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	broken := "apiVersion: apiregistration.k8s.io/v1\nkind: APIService\nmetadata: {name: v1.NS.broken.example.com}\nspec: {group: NS.broken.example.com, version: v1, groupPriorityMinimum: 100, versionPriority: 100, insecureSkipTLSVerify: true, service: {name: nowhere, namespace: NS}}\n"
	store := &inventory.Memory{}
	c.mustApply(ssa.ApplyOptions{Set: "api", Inventory: store}, broken)
	t.Cleanup(func() {
		if _, err := c.applier.Apply(context.Background(), nil, ssa.ApplyOptions{Set: "api", Inventory: store, Prune: true}); err != nil {
			t.Error(err)
		}
	})
	fresh, err := ssa.New(c.cfg, ssa.Options{}) // which has to ask discovery
	if err != nil {
		t.Fatal(err)
	}
	gadget := "apiVersion: NS.broken.example.com/v1\nkind: Gadget\nmetadata: {name: g, namespace: NS}\n"
	res, err := fresh.Apply(t.Context(), c.objects(configA, gadget), ssa.ApplyOptions{ContinueOnError: true})
	if err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("err = %v", err)
	}
	if res.Objects[0].Action != ssa.Create || res.Objects[1].Err == nil {
		t.Errorf("%v", res.Objects)
	}

	// Its objects are not forgotten: they may be there still.
	owned := &inventory.Memory{}
	ref := inventory.Ref{Group: c.ns + ".broken.example.com", Kind: "Gadget", Namespace: c.ns, Name: "g"}
	if err := owned.Save(t.Context(), inventory.New(inventory.Entry{Ref: ref, Version: "v1"})); err != nil {
		t.Fatal(err)
	}
	res, err = fresh.Apply(t.Context(), nil, ssa.ApplyOptions{Inventory: owned, Prune: true})
	inv, _ := owned.Load(t.Context())
	if err == nil || !inv.Has(ref) {
		t.Errorf("pruned although the API did not answer: %v, %v", err, res.Objects)
	}
}
