package ssa

import (
	"context"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitopskit/gitopskit/inventory"
)

const (
	// fewObjects of one kind are read one by one, more by a list.
	fewObjects = 3
	// fewNamespaces are listed one by one, more with a list of all.
	fewNamespaces = 4
	listPage      = 500
)

// metas are the metadata of live objects; what is not there has no entry.
type metas map[inventory.Ref]*metav1.PartialObjectMetadata

// fetch reads the metadata of all targets that exist, in as few requests as
// can be. An error about one kind is returned for each target of that kind.
func (a *Applier) fetch(ctx context.Context, targets []target) (metas, map[inventory.Ref]error) {
	byGVR := map[schema.GroupVersionResource][]target{}
	for _, t := range targets {
		byGVR[t.gvr] = append(byGVR[t.gvr], t)
	}
	var mu sync.Mutex
	found, failed := metas{}, map[inventory.Ref]error{}
	var wg sync.WaitGroup
	for _, group := range byGVR {
		wg.Go(func() {
			f := fetcher{a: a, targets: group, want: make(map[inventory.Ref]bool, len(group)), found: metas{}, failed: map[inventory.Ref]error{}}
			f.run(ctx)
			mu.Lock()
			defer mu.Unlock()
			for r, m := range f.found {
				found[r] = m
			}
			for r, err := range f.failed {
				failed[r] = err
			}
		})
	}
	wg.Wait()
	return found, failed
}

// fetcher reads objects of one resource.
type fetcher struct {
	a       *Applier
	targets []target
	want    map[inventory.Ref]bool
	found   metas
	failed  map[inventory.Ref]error
}

func (f *fetcher) run(ctx context.Context) {
	namespaces := map[string][]target{}
	for _, t := range f.targets {
		f.want[t.ref] = true
		namespaces[t.namespace()] = append(namespaces[t.namespace()], t)
	}
	if len(f.targets) <= fewObjects {
		f.one(ctx, f.targets)
		return
	}
	if len(namespaces) > fewNamespaces {
		if f.all(ctx, "") == nil {
			return
		}
	}
	for ns, group := range namespaces {
		if len(group) <= fewObjects || f.all(ctx, ns) != nil {
			f.one(ctx, group)
		}
	}
}

// one reads targets one by one.
func (f *fetcher) one(ctx context.Context, targets []target) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, t := range targets {
		wg.Go(func() {
			m, err := f.a.client.getMeta(ctx, t)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				f.failed[t.ref] = err
			} else if m != nil {
				f.found[t.ref] = m
			}
		})
	}
	wg.Wait()
}

// all lists a namespace, or everything. An error means that some were not
// read; they are to be read one by one.
func (f *fetcher) all(ctx context.Context, namespace string) error {
	release, err := f.a.client.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	gvr := f.targets[0].gvr
	opts := metav1.ListOptions{Limit: listPage}
	for {
		var page *metav1.PartialObjectMetadataList
		err := retry(ctx, func() (err error) {
			page, err = f.a.client.metadata.Resource(gvr).Namespace(namespace).List(ctx, opts)
			return err
		})
		if apierrors.IsNotFound(err) {
			return nil // the resource is gone, and so are its objects
		}
		if err != nil {
			return err
		}
		f.keep(page)
		if opts.Continue = page.Continue; opts.Continue == "" {
			return nil
		}
	}
}

func (f *fetcher) keep(page *metav1.PartialObjectMetadataList) {
	group, kind := f.targets[0].ref.Group, f.targets[0].ref.Kind
	for i := range page.Items {
		m := &page.Items[i]
		r := inventory.Ref{Group: group, Kind: kind, Namespace: m.Namespace, Name: m.Name}
		if f.want[r] {
			c := *m
			f.found[r] = &c
		}
	}
}
