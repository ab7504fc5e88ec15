// Package inventory keeps account of which objects a set owns in a cluster, so
// that what left the set can be pruned and nothing else is.
//
// An Inventory is a set of entries (group, kind, namespace, name, version and
// UID) with union and difference. A Store keeps one: in memory (Memory), in a
// file (File), in a ConfigMap or a Secret (NewConfigMap, NewSecret), in the status
// of a custom resource (NewStatus), in the parent
// of an ApplySet, as kubectl has them (NewApplySet), or wherever the caller likes
// (Funcs). Flux and FromFlux translate to and from the status format of Flux's
// Kustomization.
//
//	store := inventory.File{Path: "inventory.json"}
//	old, err := store.Load(ctx)
//	if err != nil {
//		return err
//	}
//	want := inventory.New(inventory.Entry{
//		Ref:     inventory.Ref{Kind: "ConfigMap", Namespace: "shop", Name: "web"},
//		Version: "v1",
//	})
//	// Before anything is written to the cluster: own both.
//	if err := store.Save(ctx, old.Union(want)); err != nil {
//		return err
//	}
//	for gone := range old.Difference(want).All() {
//		fmt.Println("to prune:", gone.Ref)
//	}
//
// # Guarantees
//
// Equal inventories encode to equal bytes. A store never holds half an
// inventory. What can't be read is an error, never an empty inventory: an
// inventory read as empty would forget what it owns.
//
// # What it does not do
//
// It does not talk to the cluster about the objects that it lists, and it
// deletes nothing: package ssa does.
package inventory
