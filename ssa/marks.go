package ssa

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// marks are what an object's labels and annotations say about how it is to be
// treated.
type marks uint8

const (
	markIgnore       marks = 1 << iota // ssa: Ignore, or reconcile: disabled
	markIfNotPresent                   // ssa: IfNotPresent
	markMerge                          // ssa: Merge
	markKeep                           // prune: disabled
	markRecreate                       // force: enabled
	markDepends                        // names other objects that it depends on
	markConfirm                        // prune: confirm
)

// pruneConfirmed is the value that the mark prune: confirm is changed to on the
// live object by somebody who agrees.
const pruneConfirmed = "confirmed"

// markNames are the keys of labels and annotations, made once from the prefix.
type markNames struct {
	ssa, prune, reconcile, force string
}

func newMarkNames(prefix string) markNames {
	return markNames{ssa: prefix + "ssa", prune: prefix + "prune", reconcile: prefix + "reconcile", force: prefix + "force"}
}

func (a *Applier) readMarks(m metav1.Object) marks {
	var out marks
	for _, set := range []map[string]string{m.GetLabels(), m.GetAnnotations()} {
		if len(set) > 0 {
			out |= a.marks.read(set)
		}
	}
	if m.GetAnnotations()[dependsOnAnnotation] != "" {
		out |= markDepends
	}
	return out
}

func (n *markNames) read(set map[string]string) (out marks) {
	switch set[n.ssa] {
	case "Ignore":
		out |= markIgnore
	case "IfNotPresent":
		out |= markIfNotPresent
	case "Merge":
		out |= markMerge
	}
	if set[n.reconcile] == "disabled" {
		out |= markIgnore
	}
	switch set[n.prune] {
	case "disabled":
		out |= markKeep
	case "confirm":
		out |= markConfirm
	}
	if set[n.force] == "enabled" {
		out |= markRecreate
	}
	return out
}
