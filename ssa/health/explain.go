package health

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	explainTime  = 5 * time.Second // for one look
	explainMost  = 10              // objects whose pods are looked at
	explainFirst = time.Second     // before the first look of a wait, which then come less and less often
	explainLast  = 30 * time.Second
)

var podResource = schema.GroupVersionResource{Version: "v1", Resource: "pods"}

// keepExplaining looks at the pods again and again until ctx ends.
func (w *Waiter) keepExplaining(ctx context.Context, b *board) {
	for pause := explainFirst; ; pause = min(2*pause, explainLast) {
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
			w.explain(ctx, b)
		}
	}
}

// explain adds to the messages of workloads that are not ready what their pods
// complain of.
func (w *Waiter) explain(ctx context.Context, b *board) {
	ctx, cancel := context.WithTimeout(ctx, explainTime)
	defer cancel()
	for i, o := range b.unready(explainMost) {
		trouble := w.podTrouble(ctx, o)
		if ctx.Err() != nil {
			return
		}
		b.blame(i, trouble)
	}
}

// unready returns the objects whose pods may tell why they are not ready, by
// their index: so many of them at most.
func (b *board) unready(most int) map[int]Observation {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[int]Observation{}
	for i, o := range b.observed {
		if o.Status != Current && o.Status != NotFound && o.Ref.Namespace != "" && len(out) < most {
			out[i] = o.Observation
		}
	}
	return out
}

// blame notes what the pods of an object complain of.
func (b *board) blame(i int, trouble string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if o := &b.observed[i]; o.Status != Current && o.pods != trouble {
		o.pods = trouble
		b.tell(i)
	}
}

// podTrouble returns what the first pod in trouble of a workload complains of.
func (w *Waiter) podTrouble(ctx context.Context, o Observation) string {
	m, err := w.mapper.RESTMappingWithContext(ctx, o.Ref.GroupKind(), o.Version)
	if err != nil {
		return ""
	}
	u, err := w.client.Resource(m.Resource).Namespace(o.Ref.Namespace).Get(ctx, o.Ref.Name, metav1.GetOptions{})
	if err != nil {
		return ""
	}
	match, ok, _ := unstructured.NestedStringMap(u.Object, "spec", "selector", "matchLabels")
	if !ok || len(match) == 0 {
		return ""
	}
	pods, err := w.client.Resource(podResource).Namespace(o.Ref.Namespace).
		List(ctx, metav1.ListOptions{LabelSelector: labels.SelectorFromSet(match).String(), Limit: 100})
	if err != nil {
		return ""
	}
	for i := range pods.Items {
		if r := readPod(&pods.Items[i]); r.Status != Current && r.Message != "" {
			return "pod " + pods.Items[i].GetName() + ": " + r.Message
		}
	}
	return ""
}
