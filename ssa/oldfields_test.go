package ssa_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
)

// gadgetVersion is a version of the definition of gadgets.
func gadgetVersion(name string, storage bool, fields string) string {
	stored := "false"
	if storage {
		stored = "true"
	}
	return "  - {name: " + name + ", served: true, storage: " + stored + ", schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {" + fields + "}}}}}}\n"
}

const (
	gadgetDefinition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: gadgets.NS.example.com}\nspec:\n" +
		"  group: NS.example.com\n  scope: Namespaced\n  names: {kind: Gadget, plural: gadgets, singular: gadget}\n  versions:\n"
	newFields = "size: {type: integer}, color: {type: string}, note: {type: string}, left: {type: string}, fresh: {type: string}"
	oldFields = "size: {type: integer}, color: {type: string}, note: {type: string}, left: {type: string}, legacy: {type: string}"
)

// gadget returns a gadget of a version.
func gadget(version, name, spec string) string {
	return "apiVersion: NS.example.com/" + version + "\nkind: Gadget\nmetadata: {name: " + name + ", namespace: NS}\nspec: {" + spec + "}\n"
}

func (c *cluster) gadgets(version string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: c.ns + ".example.com", Version: version, Resource: "gadgets"}
}

// writtenInOldVersion makes two gadgets that three managers have written in
// v1alpha1: this package, another applier, and somebody who edits.
func (c *cluster) writtenInOldVersion(definition ssa.ApplyOptions, stored string) {
	c.t.Helper()
	c.mustApply(definition, gadgetDefinition+gadgetVersion("v1alpha1", stored == "v1alpha1", oldFields)+gadgetVersion("v1", stored == "v1", newFields))
	eventually(c.t.(*testing.T), "gadgets are served", func() bool {
		_, err := c.apply(ssa.ApplyOptions{}, gadget("v1alpha1", "g", "size: 3, legacy: x, left: over"), gadget("v1alpha1", "h", "size: 3, legacy: x, left: over"))
		return err == nil
	})
	old := c.gadgets("v1alpha1")
	for _, name := range []string{"g", "h"} {
		u := c.objects(gadget("v1alpha1", name, "color: red"))[0]
		if _, err := c.client.Resource(old).Namespace(c.ns).Apply(c.t.Context(), name, u, metav1.ApplyOptions{FieldManager: "other"}); err != nil {
			c.t.Fatal(err)
		}
		c.edit(old, name, `{"spec":{"note":"mine"}}`)
	}
}

// dropOldVersion has the gadgets stored in v1, and takes v1alpha1 out of their
// definition.
func (c *cluster) dropOldVersion(definition ssa.ApplyOptions) {
	c.t.Helper()
	crd := "gadgets." + c.ns + ".example.com"
	c.mustApply(definition, gadgetDefinition+gadgetVersion("v1alpha1", false, oldFields)+gadgetVersion("v1", true, newFields)+gadgetVersion("v2", false, newFields))
	// What serves the objects may not have heard of that yet, and store them in the
	// old version. One more version shows when it has.
	eventually(c.t.(*testing.T), "the new definition is in use", func() bool {
		_, err := c.client.Resource(c.gadgets("v2")).Namespace(c.ns).Get(c.t.Context(), "g", getOptions)
		return err == nil
	})
	for _, name := range []string{"g", "h"} {
		c.edit(c.gadgets("v1"), name, `{"metadata":{"annotations":{"stored":"again"}}}`)
	}
	if _, err := c.client.Resource(definitions).Patch(c.t.Context(), crd, types.MergePatchType, []byte(`{"status":{"storedVersions":["v1"]}}`), metav1.PatchOptions{}, "status"); err != nil {
		c.t.Fatal(err)
	}
	c.mustApply(definition, gadgetDefinition+gadgetVersion("v1", true, newFields))
	eventually(c.t.(*testing.T), "the old version is no longer served", func() bool {
		_, err := c.client.Resource(c.gadgets("v1alpha1")).Namespace(c.ns).Get(c.t.Context(), "g", getOptions)
		return err != nil
	})
}

// gadgetOwners returns who owns fields of a gadget, a line for each entry.
func (c *cluster) gadgetOwners(name string) []string {
	c.t.Helper()
	var out []string
	for _, e := range c.get(c.gadgets("v1"), name).GetManagedFields() {
		version := e.APIVersion[strings.LastIndex(e.APIVersion, "/")+1:]
		out = append(out, fmt.Sprintf("%s %s %s %s", e.Manager, e.Operation, version, e.FieldsV1.GetRawString()))
	}
	slices.Sort(out)
	return out
}

func TestFieldsOwnedInAVersionThatIsNoLongerDefined(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	definition := ssa.ApplyOptions{Set: "d", Inventory: &inventory.Memory{}}
	defer c.cleanUp(definition)
	c.writtenInOldVersion(definition, "v1alpha1")
	c.dropOldVersion(definition)

	c.bringToNewVersion([]string{
		`gitopskit Apply v1 {"f:spec":{"f:size":{}}}`,
		`other Apply v1 {"f:spec":{"f:color":{}}}`,
		`somebody Update v1 {"f:metadata":{"f:annotations":{".":{},"f:stored":{}}},"f:spec":{"f:note":{}}}`,
	}, "size: 4")
}

func TestFieldsOwnedInAVersionThatDoesNotKnowAField(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	definition := ssa.ApplyOptions{Set: "d", Inventory: &inventory.Memory{}}
	defer c.cleanUp(definition)
	c.writtenInOldVersion(definition, "v1")

	c.bringToNewVersion([]string{
		`gitopskit Apply v1 {"f:spec":{"f:fresh":{},"f:size":{}}}`,
		`other Apply v1 {"f:spec":{"f:color":{}}}`,
		`somebody Update v1 {"f:spec":{"f:note":{}}}`,
	}, "size: 4, fresh: z")
}

// bringToNewVersion applies both gadgets in v1, one validated and one not, and
// checks what has become of them.
func (c *cluster) bringToNewVersion(owners []string, spec string) {
	c.t.Helper()
	g, h := gadget("v1", "g", spec), gadget("v1", "h", spec)
	before := c.get(c.gadgets("v1"), "g").GetResourceVersion()
	plan, err := c.applier.Plan(c.t.Context(), c.objects(g), ssa.ApplyOptions{})
	if err != nil || plan.Objects[0].Action != ssa.Update || !strings.Contains(plan.Objects[0].Reason, "API version") {
		c.t.Fatalf("plan: %v, %v", plan.Objects, err)
	}
	if c.get(c.gadgets("v1"), "g").GetResourceVersion() != before {
		c.t.Fatal("the plan has changed the object")
	}
	if _, err := c.apply(ssa.ApplyOptions{}, strings.Replace(g, "size: 4", "size: wrong", 1)); err == nil || !strings.Contains(err.Error(), "spec.size") {
		c.t.Errorf("an invalid object: %v", err)
	}
	for name, res := range map[string]*ssa.Result{
		"g": c.mustApply(ssa.ApplyOptions{}, g),
		"h": c.mustApply(ssa.ApplyOptions{SkipValidation: true}, h),
	} {
		if o := res.Objects[0]; o.Action != ssa.Update || !strings.Contains(o.Reason, "API version") {
			c.t.Errorf("%s: %v", name, o)
		}
		if d := cmp.Diff(owners, c.gadgetOwners(name)); d != "" {
			c.t.Errorf("owners of %s (-want +got):\n%s", name, d)
		}
		for field, want := range map[string]string{"color": "red", "note": "mine", "left": "(none)"} {
			if got := c.field(c.gadgets("v1"), name, "spec", field); got != want {
				c.t.Errorf("%s: %s is %s, want %s", name, field, got, want)
			}
		}
	}
	if res := c.mustApply(ssa.ApplyOptions{}, g, h); res.Changed() {
		c.t.Errorf("second apply: %v", res.Objects)
	}
}
