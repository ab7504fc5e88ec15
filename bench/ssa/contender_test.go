package ssa

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling"
	fluxssa "github.com/fluxcd/pkg/ssa"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitopskit/gitopskit/internal/testcluster"
	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
)

// A contender is a way to apply sets of objects and to remove them again.
type contender interface {
	name() string
	apply(ctx context.Context, objects []*unstructured.Unstructured) error
	prune(ctx context.Context, objects []*unstructured.Unstructured) error
}

// counter counts the requests that a contender sends.
type counter struct{ n atomic.Int64 }

func (c *counter) config(cfg *rest.Config) *rest.Config {
	cfg = rest.CopyConfig(cfg)
	cfg.QPS = -1
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.URL.Query().Get("watch") == "" {
				c.n.Add(1)
			}
			return next.RoundTrip(r)
		})
	})
	return cfg
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// ours is package ssa.
type ours struct {
	applier *ssa.Applier
	opts    ssa.ApplyOptions
}

func newOurs(b *testing.B, cfg *rest.Config, opts ssa.ApplyOptions) *ours {
	b.Helper()
	a, err := ssa.New(cfg, ssa.Options{FieldManager: "bench-ours"})
	if err != nil {
		b.Fatal(err)
	}
	opts.Set, opts.Inventory, opts.Prune = "bench", &inventory.Memory{}, true
	opts.OwnerLabels = map[string]string{"bench/owner": "ours"}
	return &ours{applier: a, opts: opts}
}

func (o *ours) name() string { return "gitopskit" }

func (o *ours) apply(ctx context.Context, objects []*unstructured.Unstructured) error {
	_, err := o.applier.Apply(ctx, objects, o.opts)
	return err
}

func (o *ours) prune(ctx context.Context, _ []*unstructured.Unstructured) error {
	_, err := o.applier.Apply(ctx, nil, o.opts)
	return err
}

// flux is fluxcd/pkg/ssa with a number of workers.
type flux struct {
	manager *fluxssa.ResourceManager
	workers int
}

func newFlux(b *testing.B, cfg *rest.Config, workers int) *flux {
	b.Helper()
	c, err := client.New(cfg, client.Options{Scheme: runtime.NewScheme()})
	if err != nil {
		b.Fatal(err)
	}
	poller := polling.NewStatusPoller(c, c.RESTMapper(), polling.Options{})
	m := fluxssa.NewResourceManager(c, poller, fluxssa.Owner{Field: "bench-flux", Group: "bench.example.com"})
	m.SetConcurrency(workers)
	return &flux{manager: m, workers: workers}
}

func (f *flux) name() string { return fmt.Sprintf("fluxcd/pkg/ssa v0.78 (concurrency %d)", f.workers) }

func (f *flux) apply(ctx context.Context, objects []*unstructured.Unstructured) error {
	own := make([]*unstructured.Unstructured, len(objects)) // it changes what it is given
	for i, o := range objects {
		own[i] = o.DeepCopy()
	}
	f.manager.SetOwnerLabels(own, "bench", "bench")
	_, err := f.manager.ApplyAll(ctx, own, fluxssa.DefaultApplyOptions())
	return err
}

func (f *flux) prune(ctx context.Context, objects []*unstructured.Unstructured) error {
	own := make([]*unstructured.Unstructured, len(objects))
	for i, o := range objects {
		own[i] = o.DeepCopy()
	}
	opts := fluxssa.DefaultDeleteOptions()
	opts.Inclusions = f.manager.GetOwnerLabels("bench", "bench")
	_, err := f.manager.DeleteAll(ctx, own, opts)
	return err
}

// floor sends the bare requests, with a number of workers and nothing else: a
// dry run and an apply for each object, a deletion for each.
type floor struct {
	client   metadata.Interface
	workers  int
	validate bool
}

func newFloor(b *testing.B, cfg *rest.Config, workers int, validate bool) *floor {
	b.Helper()
	m, err := metadata.NewForConfig(cfg)
	if err != nil {
		b.Fatal(err)
	}
	return &floor{client: m, workers: workers, validate: validate}
}

func (f *floor) name() string { return fmt.Sprintf("bare requests (%d workers)", f.workers) }

var resources = map[string]string{
	"ConfigMap": "configmaps", "Secret": "secrets", "ServiceAccount": "serviceaccounts",
	"Service": "services", "Role": "roles", "Deployment": "deployments",
}

var configMapResource = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}

func (f *floor) of(o *unstructured.Unstructured) metadata.ResourceInterface {
	gvk := o.GroupVersionKind()
	gvr := schema.GroupVersionResource{Group: gvk.Group, Version: gvk.Version, Resource: resources[gvk.Kind]}
	return f.client.Resource(gvr).Namespace(o.GetNamespace())
}

func (f *floor) apply(ctx context.Context, objects []*unstructured.Unstructured) error {
	send := func(dryRun ...string) error {
		return f.each(objects, func(o *unstructured.Unstructured) error {
			body, err := json.Marshal(o.Object)
			if err != nil {
				return err
			}
			force := true
			_, err = f.of(o).Patch(ctx, o.GetName(), types.ApplyYAMLPatchType, body, metav1.PatchOptions{FieldManager: "bench-floor", Force: &force, DryRun: dryRun})
			return err
		})
	}
	if f.validate {
		if err := send(metav1.DryRunAll); err != nil {
			return err
		}
	}
	return send()
}

func (f *floor) prune(ctx context.Context, objects []*unstructured.Unstructured) error {
	background := metav1.DeletePropagationBackground
	return f.each(objects, func(o *unstructured.Unstructured) error {
		return f.of(o).Delete(ctx, o.GetName(), metav1.DeleteOptions{PropagationPolicy: &background})
	})
}

func (f *floor) each(objects []*unstructured.Unstructured, do func(*unstructured.Unstructured) error) error {
	next := make(chan *unstructured.Unstructured)
	errs := make([]error, f.workers)
	var wg sync.WaitGroup
	for w := range f.workers {
		wg.Go(func() {
			for o := range next {
				if err := do(o); err != nil {
					errs[w] = err
				}
			}
		})
	}
	for _, o := range objects {
		next <- o
	}
	close(next)
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// kubectl is the program, with server-side apply.
type kubectl struct {
	b       *testing.B
	cluster *testcluster.Cluster
	dir     string
}

func (k *kubectl) name() string { return "kubectl apply --server-side" }

func (k *kubectl) apply(ctx context.Context, objects []*unstructured.Unstructured) error {
	return k.run(ctx, objects, "apply", "--server-side", "--force-conflicts", "--field-manager=bench-kubectl")
}

func (k *kubectl) prune(ctx context.Context, objects []*unstructured.Unstructured) error {
	return k.run(ctx, objects, "delete", "--wait=false")
}

func (k *kubectl) run(_ context.Context, objects []*unstructured.Unstructured, args ...string) error {
	var all bytes.Buffer
	for _, o := range objects {
		data, err := json.Marshal(o.Object)
		if err != nil {
			return err
		}
		all.WriteString("---\n")
		all.Write(data)
		all.WriteString("\n")
	}
	file := filepath.Join(k.dir, "objects.yaml")
	if err := os.WriteFile(file, all.Bytes(), 0o600); err != nil {
		return err
	}
	cmd := k.cluster.Kubectl(k.b, append(args, "-f", file)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("kubectl: %w: %s", err, out[:min(len(out), 500)])
	}
	return nil
}
