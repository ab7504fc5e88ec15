package ssa_test

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
)

// BenchmarkUnchangedWhileWatching measures an Apply that has nothing to do, of
// 200 objects whose live side is known.
func BenchmarkUnchangedWhileWatching(b *testing.B) {
	c := newCluster(b, ssa.Options{})
	c.watching()
	var objects []*unstructured.Unstructured
	for i := range 100 {
		objects = append(objects, c.objects(fmt.Sprintf(`
apiVersion: v1
kind: ConfigMap
metadata: {name: c%d, namespace: NS, labels: {app: web}}
data: {key: one, other: two}
---
apiVersion: v1
kind: Service
metadata: {name: s%d, namespace: NS, labels: {app: web}}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}`, i, i))...)
	}
	opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Prune: true}
	for {
		c.take()
		if _, err := c.applier.Apply(b.Context(), objects, opts); err != nil {
			b.Fatal(err)
		}
		if len(c.take()) == 0 {
			break
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.applier.Apply(b.Context(), objects, opts); err != nil {
			b.Fatal(err)
		}
	}
	if n := len(c.take()); n > 0 {
		b.Errorf("%d requests", n)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(objects)), "ns/object")
}
