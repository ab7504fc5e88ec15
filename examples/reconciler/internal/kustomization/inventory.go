package kustomization

import (
	"context"
	"sync"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/status"
	"github.com/gitopskit/gitopskit/inventory"
)

// inventories remembers the inventory that was last written for each
// Kustomization. The manager's cache may be behind what was just written;
// deciding what to prune, or what not to forget, by an older one would lose
// objects.
type inventories struct {
	mu   sync.Mutex
	last map[types.UID]*inventory.Inventory
}

func (i *inventories) get(uid types.UID) *inventory.Inventory {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.last[uid]
}

func (i *inventories) set(uid types.UID, inv *inventory.Inventory) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.last == nil {
		i.last = map[types.UID]*inventory.Inventory{}
	}
	i.last[uid] = inv.Clone()
}

func (i *inventories) forget(uid types.UID) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.last, uid)
}

// store keeps the inventory in the status of ks, as Flux does.
func (i *inventories) store(r *Reconciler, ks *api.Kustomization) inventory.Store {
	return inventory.Funcs{
		LoadFunc: func(ctx context.Context) (*inventory.Inventory, error) {
			if inv := i.get(ks.UID); inv != nil {
				return inv.Clone(), nil
			}
			fresh := &api.Kustomization{}
			if err := r.Reader.Get(ctx, client.ObjectKeyFromObject(ks), fresh); err != nil {
				return nil, err
			}
			inv, err := read(fresh.Status.Inventory)
			if err != nil {
				return nil, err
			}
			i.set(ks.UID, inv)
			return inv, nil
		},
		SaveFunc: func(ctx context.Context, inv *inventory.Inventory) error {
			before := ks.DeepCopy()
			ks.Status.Inventory = write(inv)
			if last := i.get(ks.UID); last != nil && sameRefs(last, inv) {
				i.set(ks.UID, inv)
				return nil
			}
			if err := status.Patch(ctx, r.Client, before, ks.DeepCopy()); err != nil {
				return err
			}
			i.set(ks.UID, inv)
			return nil
		},
	}
}

// sameRefs reports whether two inventories look the same in Flux's format,
// which has no UIDs.
func sameRefs(a, b *inventory.Inventory) bool {
	if a.Len() != b.Len() {
		return false
	}
	for e := range a.All() {
		other, ok := b.Get(e.Ref)
		if !ok || other.Version != e.Version {
			return false
		}
	}
	return true
}

func read(in *kustomizev1.ResourceInventory) (*inventory.Inventory, error) {
	if in == nil {
		return inventory.New(), nil
	}
	entries := make([]inventory.FluxEntry, len(in.Entries))
	for i, e := range in.Entries {
		entries[i] = inventory.FluxEntry{ID: e.ID, Version: e.Version}
	}
	return inventory.FromFlux(entries)
}

func write(inv *inventory.Inventory) *kustomizev1.ResourceInventory {
	out := &kustomizev1.ResourceInventory{Entries: []kustomizev1.ResourceRef{}}
	for _, e := range inv.Flux() {
		out.Entries = append(out.Entries, kustomizev1.ResourceRef{ID: e.ID, Version: e.Version})
	}
	return out
}
