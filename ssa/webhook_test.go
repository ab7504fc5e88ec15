package ssa_test

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
)

// webhook runs an admission webhook that does not let data.sealed of ConfigMaps
// change, and that takes no dry runs of some.
func webhook(t *testing.T, c *cluster) {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(admit))
	t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	const hook = `{name: test.example.com, admissionReviewVersions: [v1], sideEffects: NoneOnDryRun, failurePolicy: Fail,
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NS}},
    rules: [{apiGroups: [''], apiVersions: [v1], resources: [configmaps], operations: [CREATE, UPDATE]}],
    clientConfig: {url: 'URL'}}`
	opts := ssa.ApplyOptions{Inventory: &inventory.Memory{}}
	set := c.objects("apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {name: NS}\nwebhooks:\n- " + strings.Replace(hook, "URL", server.URL, 1))
	first := set[0].Object["webhooks"].([]any)[0].(map[string]any)
	first["clientConfig"].(map[string]any)["caBundle"] = base64.StdEncoding.EncodeToString(ca)
	if _, err := c.applier.Apply(t.Context(), set, opts); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.cleanUp(opts) })
	eventually(t, "the webhook is asked", func() bool {
		_, err := c.applier.Plan(t.Context(), c.objects(strings.Replace(configB, "{key: b}", "{open: never}", 1)), ssa.ApplyOptions{})
		return err != nil
	})
}

func admit(w http.ResponseWriter, req *http.Request) {
	var review struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Request    struct {
			UID               string `json:"uid"`
			DryRun            bool   `json:"dryRun"`
			Object, OldObject struct {
				Data map[string]string `json:"data"`
			}
		} `json:"request"`
	}
	if err := json.NewDecoder(req.Body).Decode(&review); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	old, now := review.Request.OldObject.Data, review.Request.Object.Data
	response := map[string]any{"uid": review.Request.UID, "allowed": true}
	deny := func(message string) {
		response["allowed"], response["status"] = false, map[string]any{"message": message}
	}
	switch {
	case old != nil && old["sealed"] != now["sealed"]:
		deny("data.sealed: field is immutable")
	case now["open"] == "never":
		deny("data.open: not allowed")
	case now["effects"] != "" && review.Request.DryRun:
		deny("this webhook does not take dry runs")
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"apiVersion": review.APIVersion, "kind": review.Kind, "response": response})
}

func TestWebhooks(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	webhook(t, c)
	t.Run("one that makes a field immutable", func(t *testing.T) {
		opts := ssa.ApplyOptions{Set: "s"}
		sealed := named(strings.Replace(configB, "{key: b}", "{sealed: a, open: a}", 1), "b", "sealed")
		uid := uidsOf(c.mustApply(opts, sealed))[0]
		changed := strings.Replace(sealed, "sealed: a", "sealed: b", 1)
		if _, err := c.apply(opts, changed); !errors.Is(err, ssa.ErrImmutable) {
			t.Errorf("err = %v", err)
		}
		opts.RecreateImmutable = true
		if _, err := c.apply(opts, strings.Replace(sealed, "open: a", "open: never", 1)); !errors.Is(err, ssa.ErrInvalid) || c.get(configMaps, "sealed") == nil {
			t.Errorf("a change that it does not allow: %v", err)
		}
		if res := c.mustApply(opts, changed); res.Objects[0].Action != ssa.Recreate || res.Objects[0].UID == uid {
			t.Errorf("%v", res.Objects)
		}
	})
	t.Run("one that rejects dry runs", func(t *testing.T) {
		opts := ssa.ApplyOptions{Inventory: &inventory.Memory{}}
		object := strings.Replace(configB, "{key: b}", "{key: b, effects: x}", 1)
		if res := c.mustApply(opts, object); res.Objects[0].Action != ssa.Create || !strings.Contains(res.Objects[0].Reason, "not validated") {
			t.Errorf("created: %v", res.Objects)
		}
		if res := c.mustApply(opts, object); res.Objects[0].Action != ssa.Unchanged {
			t.Errorf("a second time: %v", res.Objects)
		}
		c.mustApply(opts, strings.Replace(object, "key: b", "key: changed", 1))
		if got := c.field(configMaps, "b", "data", "key"); got != "changed" {
			t.Errorf("key = %s", got)
		}
	})
}
