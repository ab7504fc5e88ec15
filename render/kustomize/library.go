package kustomize

import (
	"fmt"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"
)

// runLibrary builds dir with the kustomize library. A panic becomes ErrPanic
// with the file that was read last.
func runLibrary(t *tree, dir string, o Options, ownSchema bool) (m resmap.ResMap, err error) {
	acquire := schema.share
	if ownSchema {
		acquire = schema.own
	}
	defer acquire()()
	defer func() {
		if p := recover(); p != nil {
			m, err = nil, &Error{Op: "build", File: display(t.lastRead), Err: fmt.Errorf("%w: %v", ErrPanic, p)}
		}
	}()
	order := krusty.ReorderOptionNone
	if o.LegacyOrder {
		order = krusty.ReorderOptionUnspecified
	}
	return krusty.MakeKustomizer(&krusty.Options{
		Reorder:          order,
		LoadRestrictions: types.LoadRestrictionsNone,
		PluginConfig:     types.DisabledPluginConfig(),
	}).Run(fileSystem{t}, dir)
}
