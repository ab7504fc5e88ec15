package ssa

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// keptKinds hold data or other objects: deleting one deletes more than itself.
var keptKinds = map[string]bool{
	"Namespace": true, "CustomResourceDefinition": true, "PersistentVolume": true, "PersistentVolumeClaim": true,
}

func (r *run) mayRecreate(o *object) bool {
	return o.marks&markRecreate != 0 || r.opts.RecreateImmutable && !keptKinds[o.ref.Kind]
}

// validateReplacement makes sure that the object could be created before the
// one that is there is given up.
func (r *run) validateReplacement(ctx context.Context, o *object, cause error) *Error {
	err := r.a.client.dryCreate(ctx, o, renamed(o.desired, ""))
	if err != nil && !r.onlyInTheWay(ctx, o, err) {
		return apiError("validate", o, err)
	}
	o.action, o.sure = Recreate, true
	r.result.Objects[o.index].Reason = describe(cause, causesOf(cause))
	return nil
}

// onlyInTheWay reports whether a replacement is refused for nothing but what
// the present object has, such as a port of the nodes, or for the name under
// which it was tried: those of definitions are given by their content.
func (r *run) onlyInTheWay(ctx context.Context, o *object, err error) bool {
	causes := causesOf(err)
	if !apierrors.IsInvalid(err) || len(causes) == 0 {
		return false
	}
	var held []string
	for _, c := range causes {
		switch {
		case c.Field == "metadata.name":
			continue
		case !strings.Contains(c.Message, "already allocated"):
			return false
		case held == nil:
			live, err := r.a.client.get(ctx, o)
			if err != nil {
				return false
			}
			held = allocated(live.Object)
		}
		if !slices.ContainsFunc(words(c.Message), func(w string) bool { return slices.Contains(held, w) }) {
			return false
		}
	}
	return true
}

// allocated returns the ports and addresses that a Service has.
func allocated(service map[string]any) []string {
	var out []string
	for _, ip := range list(service, "spec", "clusterIPs") {
		out = append(out, fmt.Sprint(ip))
	}
	for _, p := range list(service, "spec", "ports") {
		out = append(out, fmt.Sprint(at(p, "nodePort")))
	}
	return append(out, fmt.Sprint(at(service, "spec", "healthCheckNodePort")))
}

// words splits a message where neither an address nor a number goes on.
func words(message string) []string {
	split := func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) && c != '.' && c != ':' }
	out := strings.FieldsFunc(message, split)
	for i, w := range out {
		out[i] = strings.Trim(w, ".:")
	}
	return out
}
