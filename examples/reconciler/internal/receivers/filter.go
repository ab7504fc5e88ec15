package receivers

import (
	"fmt"

	receiverv1 "github.com/fluxcd/notification-controller/api/v1"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/sources"
	"github.com/gitopskit/gitopskit/notify/receiver"
	"github.com/gitopskit/gitopskit/notify/receiver/celfilter"
)

// filter lets an object through if the Receiver's expression does and that of a
// resource that names the object.
type filter struct {
	all       receiver.Filter // nil: no expression
	resources []resourceFilter
}

type resourceFilter struct {
	kind, namespace, name string
	labels                map[string]string
	filter                receiver.Filter // nil: no expression
}

// newFilter returns nil if a Receiver has no expression.
func newFilter(o *api.Receiver) (receiver.Filter, error) {
	f := &filter{}
	var err error
	if f.all, err = compile("spec.resourceFilter", o.Spec.ResourceFilter); err != nil {
		return nil, err
	}
	some := f.all != nil
	for i, res := range o.Spec.Resources {
		one, err := newResourceFilter(i, res, o.Namespace)
		if err != nil {
			return nil, err
		}
		some = some || one.filter != nil
		f.resources = append(f.resources, one)
	}
	if !some {
		return nil, nil
	}
	return f, nil
}

func newResourceFilter(i int, res receiverv1.ReceiverResource, namespace string) (resourceFilter, error) {
	out := resourceFilter{kind: res.Kind, namespace: res.Namespace, name: res.Name, labels: res.MatchLabels}
	if out.namespace == "" {
		out.namespace = namespace
	}
	var err error
	out.filter, err = compile(fmt.Sprintf("spec.resources[%d].filter", i), res.Filter)
	return out, err
}

func compile(field, expression string) (receiver.Filter, error) {
	if expression == "" {
		return nil, nil
	}
	f, err := celfilter.Compile(expression)
	if err != nil {
		return nil, sources.Stalled("InvalidCELExpression", fmt.Errorf("%s: %w", field, err))
	}
	return f, nil
}

// Match implements receiver.Filter.
func (f *filter) Match(req, res any) (bool, error) {
	if f.all != nil {
		if ok, err := f.all.Match(req, res); !ok || err != nil {
			return false, err
		}
	}
	for _, r := range f.resources {
		if !r.names(res) {
			continue
		}
		if r.filter == nil {
			return true, nil
		}
		if ok, err := r.filter.Match(req, res); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// names reports whether the resource is, or selects, an object.
func (r resourceFilter) names(res any) bool {
	object, _ := res.(map[string]any)
	metadata, _ := object["metadata"].(map[string]any)
	if object["kind"] != r.kind || metadata["namespace"] != r.namespace || r.name != "*" && metadata["name"] != r.name {
		return false
	}
	labels, _ := metadata["labels"].(map[string]any)
	for k, v := range r.labels {
		if labels[k] != v {
			return false
		}
	}
	return true
}
