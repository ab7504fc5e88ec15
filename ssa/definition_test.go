package ssa_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
)

const (
	widgetDefinition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.NS.example.com}
spec:
  group: NS.example.com
  scope: Namespaced
  names: {kind: Widget, plural: widgets, singular: widget}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {size: {type: integer}}}
`
	widgetA = "apiVersion: NS.example.com/v1\nkind: Widget\nmetadata: {name: a, namespace: NS}\nspec: {size: 3}\n"
	widgetB = "apiVersion: NS.example.com/v1\nkind: Widget\nmetadata: {name: b, namespace: NS}\nspec: {size: 4}\n"
)

var definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

func (c *cluster) widgets() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: c.ns + ".example.com", Version: "v1", Resource: "widgets"}
}

// edit changes an object of the test's namespace behind the Applier's back.
func (c *cluster) edit(gvr schema.GroupVersionResource, name, patch string) {
	c.t.Helper()
	if _, err := c.client.Resource(gvr).Namespace(c.ns).Patch(c.t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "somebody"}); err != nil {
		c.t.Fatal(err)
	}
}

// deleteDefinition deletes the definition of widgets, and does not wait.
func (c *cluster) deleteDefinition() {
	c.t.Helper()
	if err := c.client.Resource(definitions).Delete(c.t.Context(), "widgets."+c.ns+".example.com", metav1.DeleteOptions{}); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) definitionGone() bool {
	_, err := c.client.Resource(definitions).Get(c.t.Context(), "widgets."+c.ns+".example.com", getOptions)
	return isNotFound(err)
}

// awaitDrift returns when a drift of an object is reported; it ignores others.
func awaitDrift(t *testing.T, drifts <-chan ssa.Drift, kind, name string) {
	t.Helper()
	limit := time.After(time.Minute)
	for {
		select {
		case d := <-drifts:
			if d.Ref.Kind == kind && d.Ref.Name == name {
				return
			}
		case <-limit:
			t.Fatalf("not told of the drift of %s %s", kind, name)
		}
	}
}

func TestKindDefinedByTheSameSetIsWatchedAtOnce(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	drifts := c.watching()
	c.mustApply(ssa.ApplyOptions{}, configA) // whatever Watch needs to begin is done
	opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Prune: true}
	c.mustApply(opts, widgetDefinition, widgetA)
	defer c.cleanUp(opts)
	c.edit(c.widgets(), "a", `{"spec":{"size":5}}`)
	awaitDrift(t, drifts, "Widget", "a")
}

func TestDefinitionDeletedUnderAWatch(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	drifts := c.watching()
	opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Prune: true, Wait: true}
	set := []string{widgetDefinition, widgetA, widgetB, configA}
	c.mustApply(opts, set...)
	defer c.cleanUp(opts)

	c.take()
	watches := c.begun()
	c.deleteDefinition()
	awaitDrift(t, drifts, "CustomResourceDefinition", "widgets."+c.ns+".example.com")
	eventually(t, "the definition is gone", c.definitionGone)
	c.edit(configMaps, "a", `{"data":{"key":"edited"}}`)
	awaitDrift(t, drifts, "ConfigMap", "a")
	if asked, begun := c.take(), c.begun()-watches; len(asked) > 10 || begun > 20 {
		t.Errorf("the watch goes round in circles: %d watches, %q", begun, asked)
	}

	res := c.mustApply(opts, set...)
	if res.Count(ssa.Create) != 3 || res.Count(ssa.Update) != 1 {
		t.Errorf("%v", res.Objects)
	}
	if c.get(c.widgets(), "a") == nil || c.get(c.widgets(), "b") == nil {
		t.Error("the objects did not come back")
	}
	c.edit(c.widgets(), "b", `{"spec":{"size":5}}`)
	awaitDrift(t, drifts, "Widget", "b")
	if res := c.mustApply(opts, set...); res.Count(ssa.Update) != 1 || res.Count(ssa.Unchanged) != 3 {
		t.Errorf("%v", res.Objects)
	}
}

func TestDefinitionThatIsBeingDeletedIsCreatedAnewWhenItIsGone(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Prune: true}
	set := []string{widgetDefinition, widgetA, configA}
	c.mustApply(opts, set...)
	defer c.cleanUp(opts)
	before := c.get(c.widgets(), "a").GetUID()

	c.edit(c.widgets(), "a", `{"metadata":{"finalizers":["example.com/hold"]}}`)
	c.deleteDefinition()
	eventually(t, "the widget is deleted", func() bool { return c.get(c.widgets(), "a").GetDeletionTimestamp() != nil })

	// What can't be waited for is told with what holds it.
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	_, err := c.applier.Apply(ctx, c.objects(set...), opts)
	cancel()
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("err = %v", err)
	}
	if inv, _ := opts.Inventory.Load(t.Context()); inv.Len() != 3 {
		t.Errorf("the inventory has %v", inv.Entries())
	}

	plan, err := c.applier.Plan(t.Context(), c.objects(set...), opts)
	if err != nil || plan.Objects[0].Action != ssa.Create || plan.Objects[1].Action != ssa.Create {
		t.Errorf("plan: %v, %v", plan.Objects, err)
	}

	// Somebody else's objects of this kind are refused meanwhile.
	if _, err := c.apply(ssa.ApplyOptions{}, widgetB); !errors.Is(err, ssa.ErrTerminating) {
		t.Errorf("err = %v", err)
	}

	done := make(chan error, 1)
	go func() {
		_, err := c.applier.Apply(t.Context(), c.objects(set...), opts)
		done <- err
	}()
	c.edit(c.widgets(), "a", `{"metadata":{"finalizers":null}}`)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	after := c.get(c.widgets(), "a")
	if after == nil || after.GetUID() == before {
		t.Errorf("the widget was not created anew: %v", after)
	}
}

func TestObjectsOfAKindThatIsNoLongerDefined(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	definition := ssa.ApplyOptions{Set: "d", Inventory: &inventory.Memory{}, Prune: true}
	c.mustApply(definition, widgetDefinition)
	opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Prune: true, ContinueOnError: true}
	eventually(t, "the kind is served", func() bool {
		_, err := c.apply(opts, widgetA)
		return err == nil
	})
	c.deleteDefinition()
	eventually(t, "the definition is gone", c.definitionGone)

	// The handlers of the API server follow after a moment.
	var res *ssa.Result
	eventually(t, "the kind is no longer served", func() bool {
		var err error
		res, err = c.apply(opts, widgetA, configA)
		return errors.Is(err, ssa.ErrUnknownKind)
	})
	if !errors.Is(res.Objects[0].Err, ssa.ErrUnknownKind) || res.Objects[1].Err != nil {
		t.Errorf("%v", res.Objects)
	}
	if inv, _ := opts.Inventory.Load(t.Context()); inv.Len() != 2 {
		t.Errorf("the inventory has %v", inv.Entries())
	}
	c.mustApply(definition, widgetDefinition)
	defer c.cleanUp(definition)
	eventually(t, "the kind is served again", func() bool {
		_, err := c.apply(opts, widgetA, configA)
		return err == nil
	})
	if c.get(c.widgets(), "a") == nil {
		t.Error("the object did not come back")
	}
}

func TestDefinitionThatIsBeingDeletedTakesWhatWasCreatedOnlyWithIt(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Prune: true}
	once := strings.Replace(widgetA, "namespace: NS", "namespace: NS, annotations: {gitopskit.github.io/ssa: IfNotPresent}", 1)
	set := []string{widgetDefinition, once, widgetB}
	c.mustApply(opts, set...)
	defer c.cleanUp(opts)
	if res := c.mustApply(opts, set...); res.Count(ssa.Skip) != 1 || res.Count(ssa.Unchanged) != 2 {
		t.Fatalf("%v", res.Objects)
	}
	c.deleteDefinition()
	if res := c.mustApply(opts, set...); res.Count(ssa.Create) != 3 {
		t.Errorf("%v", res.Objects)
	}
	for _, name := range []string{"a", "b"} {
		if u := c.get(c.widgets(), name); u == nil || u.GetDeletionTimestamp() != nil {
			t.Errorf("%s did not come back", name)
		}
	}
}
