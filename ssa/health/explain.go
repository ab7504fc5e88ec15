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
	explainTime = 5 * time.Second
	explainMost = 10 // objects whose pods are looked at
)

var podResource = schema.GroupVersionResource{Version: "v1", Resource: "pods"}

// explain adds to the messages of workloads that are not ready what their pods
// complain of.
func (w *Waiter) explain(ctx context.Context, b *board) {
	ctx, cancel := context.WithTimeout(ctx, explainTime)
	defer cancel()
	n := 0
	for i, o := range b.observed {
		if o.Status == Current || o.Ref.Namespace == "" || n == explainMost {
			continue
		}
		n++
		if trouble := w.podTrouble(ctx, o); trouble != "" {
			b.observed[i].Message = orElse(o.Message, string(o.Status)) + "; " + trouble
		}
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
