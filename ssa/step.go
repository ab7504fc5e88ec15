package ssa

// A Step is a part of an Apply. Steps come in the order of the constants, but for
// a wait before pruning (see ApplyOptions.PruneWhenReady); those with nothing to
// do are left out.
type Step string

// The steps.
const (
	StepRead     Step = "read"     // the inventory, and the live side of all objects
	StepValidate Step = "validate" // what may have to be written
	StepWrite    Step = "write"    // what has to be written
	StepPrune    Step = "prune"    // what left the set
	StepWait     Step = "wait"     // until all that have a status are ready
)

func (r *run) begin(step Step, objects int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.opts.OnStep != nil && objects > 0 {
		r.opts.OnStep(step, objects)
	}
}

// tellSettled reports the objects of which it is known that nothing is to be
// done with them.
func (r *run) tellSettled() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range r.objects {
		if o.action == Unchanged || o.action == Skip {
			r.tell(o.index)
		}
	}
}
