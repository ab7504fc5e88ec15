package ssa

import (
	"errors"
	"fmt"
)

// ErrOwned is wrapped by errors about objects that ApplyOptions.Adopt does not
// let be touched, since they are somebody else's by their labels.
var ErrOwned = errors.New("the object has another owner")

// An Adoption says which objects may be treated as ours, going by the labels of
// ApplyOptions.OwnerLabels.
type Adoption string

// The policies.
const (
	// MustMatch: those that carry all owner labels with our values.
	MustMatch Adoption = "must-match"
	// AdoptUnowned: those too that carry none of the owner labels, whatever
	// their values.
	AdoptUnowned Adoption = "adopt-unowned"
	// AdoptAny: all.
	AdoptAny Adoption = "adopt-any"
)

func (p Adoption) check(option string) error {
	switch p {
	case "", MustMatch, AdoptUnowned, AdoptAny:
		return nil
	}
	return fmt.Errorf("ssa: ApplyOptions.%s: %q is none of %s, %s, %s", option, p, MustMatch, AdoptUnowned, AdoptAny)
}

// allows reports whether an object with these labels may be treated as that of
// the owner.
func (p Adoption) allows(labels, owner map[string]string) bool {
	if p == AdoptAny {
		return true
	}
	matched, foreign := 0, 0
	for k, want := range owner {
		switch got, ok := labels[k]; {
		case ok && got == want:
			matched++
		case ok:
			foreign++
		}
	}
	return matched == len(owner) || p == AdoptUnowned && foreign == 0
}

// adoption returns the policy for objects of the set.
func (o *ApplyOptions) adoption() Adoption {
	if o.Adopt == "" {
		return AdoptAny
	}
	return o.Adopt
}

// pruneAdoption returns the policy for objects that left the set.
func (o *ApplyOptions) pruneAdoption() Adoption {
	if o.PruneAdopt == "" {
		return MustMatch
	}
	return o.PruneAdopt
}

func (r *run) notOurs(o *object, labels map[string]string) *Error {
	if r.opts.adoption().allows(labels, r.opts.OwnerLabels) {
		return nil
	}
	found := map[string]string{}
	for k := range r.opts.OwnerLabels {
		if v, ok := labels[k]; ok {
			found[k] = v
		}
	}
	return &Error{Op: "validate", Ref: o.ref, Origin: o.origin,
		Err: fmt.Errorf("%w: its labels are %v; ApplyOptions.Adopt is %s", ErrOwned, found, r.opts.adoption())}
}
