package inventory_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/gitopskit/gitopskit/internal/testcluster"
	"github.com/gitopskit/gitopskit/inventory"
)

const withInventory = `{"phase": {"type": "string"}, "inventory": {"type": "object", "properties": {"entries": {"type": "array", "items": {
	"type": "object", "required": ["id", "v"], "properties": {"id": {"type": "string"}, "v": {"type": "string"}}}}}}}`

// owners defines a kind whose status has the given properties, makes an object
// of it named app, and returns the resource with a client for the namespace.
func owners(t *testing.T, c *testcluster.Cluster, ns, plural, properties string) (schema.GroupVersionResource, dynamic.ResourceInterface) {
	t.Helper()
	client, err := dynamic.NewForConfig(c.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	group := strings.ToLower(ns) + ".example.com"
	definition := &unstructured.Unstructured{}
	text := fmt.Sprintf(`{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "%[1]s.%[2]s"},
		"spec": {"group": %[2]q, "scope": "Namespaced", "names": {"plural": %[1]q, "kind": "Owner"}, "versions": [{
			"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
			"schema": {"openAPIV3Schema": {"type": "object", "properties": {"status": {"type": "object", "properties": %[3]s}}}}}]}}`, plural, group, properties)
	if err := json.Unmarshal([]byte(text), &definition.Object); err != nil {
		t.Fatal(err)
	}
	definitions := client.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	if _, err := definitions.Create(t.Context(), definition, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	gvr := schema.GroupVersionResource{Group: group, Version: "v1", Resource: plural}
	objects := client.Resource(gvr).Namespace(ns)
	owner := &unstructured.Unstructured{Object: map[string]any{"apiVersion": group + "/v1", "kind": "Owner", "metadata": map[string]any{"name": "app"}}}
	deadline := time.After(time.Minute)
	for {
		_, err := objects.Create(t.Context(), owner, metav1.CreateOptions{})
		if err == nil {
			return gvr, objects
		}
		select {
		case <-deadline:
			t.Fatal(err)
		case <-time.After(50 * time.Millisecond): // not served yet
		}
	}
}

func TestStatusKeepsWhatWasSavedAndLeavesTheRest(t *testing.T) {
	c := testcluster.Shared(t)
	ns := c.Namespace(t)
	gvr, objects := owners(t, c, ns, "owners", withInventory)
	open := func() *inventory.Status {
		s, err := inventory.NewStatus(c.RESTConfig(), gvr, ns, "app")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	mine, other := open(), open()
	if inv, err := mine.Load(t.Context()); err != nil || inv.Len() != 0 {
		t.Fatalf("%v, %v", inv, err)
	}
	want := inventory.New(inventory.Entry{Ref: web.Ref, Version: web.Version}, inventory.Entry{Ref: conf.Ref, Version: conf.Version})
	for _, inv := range []*inventory.Inventory{want, inventory.New(), want} {
		if err := mine.Save(t.Context(), inv); err != nil {
			t.Fatal(err)
		}
		if got, err := other.Load(t.Context()); err != nil || !got.Equal(inv) {
			t.Errorf("got %v, %v", got, err)
		}
		// What others write to the status is neither in the way nor lost.
		if _, err := objects.Patch(t.Context(), "app", types.MergePatchType, []byte(`{"status":{"phase":"Busy"}}`), metav1.PatchOptions{}, "status"); err != nil {
			t.Fatal(err)
		}
	}
	u, err := objects.Get(t.Context(), "app", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff("Busy", u.Object["status"].(map[string]any)["phase"]); d != "" {
		t.Error(d)
	}

	if err := other.Save(t.Context(), inventory.New()); err != nil {
		t.Fatal(err)
	}
	if err := mine.Save(t.Context(), want); !errors.Is(err, inventory.ErrConflict) {
		t.Errorf("err = %v", err)
	}
	if _, err := mine.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := mine.Save(t.Context(), want); err != nil {
		t.Errorf("after loading again: %v", err)
	}
}

func TestStatusThatCannotKeepAnInventorySaysSo(t *testing.T) {
	c := testcluster.Shared(t)
	ns := c.Namespace(t)
	gvr, _ := owners(t, c, ns, "forgetters", `{"phase": {"type": "string"}}`)
	s, err := inventory.NewStatus(c.RESTConfig(), gvr, ns, "app")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Save(t.Context(), inventory.New(web)); err == nil || !strings.Contains(err.Error(), "status.inventory.entries") {
		t.Errorf("err = %v", err)
	}
	missing, err := inventory.NewStatus(c.RESTConfig(), gvr, ns, "nobody")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := missing.Load(t.Context()); err == nil || !strings.Contains(err.Error(), ns+"/nobody") {
		t.Errorf("err = %v", err)
	}
	if _, err := inventory.NewStatus(c.RESTConfig(), gvr, ns, ""); err == nil {
		t.Error("a store without a name")
	}
}
