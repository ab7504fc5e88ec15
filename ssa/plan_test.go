package ssa_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
)

func TestPlanSaysWhatApplyThenDoes(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	store := &inventory.Memory{}
	opts := ssa.ApplyOptions{Set: "s", Inventory: store, Prune: true}
	gone := strings.Replace(configB, "name: b", "name: gone", 1)
	c.mustApply(opts, configA, configB, gone)

	next := c.objects(strings.Replace(configA, "key: one", "key: changed", 1), configB, web)
	plan, err := c.applier.Plan(t.Context(), next, opts)
	if err != nil {
		t.Fatal(err)
	}
	if c.get(configMaps, "gone") == nil || c.field(configMaps, "a", "data", "key") != "one" {
		t.Fatal("the plan was carried out")
	}
	var text, markdown bytes.Buffer
	if err := errors.Join(plan.WriteText(&text, false), plan.WriteMarkdown(&markdown)); err != nil {
		t.Fatal(err)
	}
	want := strings.ReplaceAll(`~ update ConfigMap/NS/a
    data.key: one → changed
+ create Deployment/NS/web
- prune ConfigMap/NS/gone
Plan: 1 to create, 1 to update, 1 to prune, 1 unchanged
`, "NS", c.ns)
	if diff := cmp.Diff(want, text.String()); diff != "" {
		t.Error(diff)
	}
	for _, line := range []string{"- update `ConfigMap/" + c.ns + "/a`", "  - data.key: one", "  + data.key: changed"} {
		if !strings.Contains(markdown.String(), line) {
			t.Errorf("the Markdown lacks %q:\n%s", line, markdown.String())
		}
	}

	data, err := plan.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if plan, err = ssa.DecodePlan(data); err != nil {
		t.Fatal(err)
	}
	opts.Expect = plan
	res, err := c.applier.Apply(t.Context(), next, opts)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"ConfigMap/a": "update", "ConfigMap/b": "unchanged", "Deployment/web": "create", "ConfigMap/gone": "prune"}, actions(res)); diff != "" {
		t.Error(diff)
	}
}

// Only what the set says is compared: neither quantities in another form nor
// what the API server has filled in are changes.
func TestPlanShowsEachAction(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Prune: true, RecreateImmutable: true}
	limits := strings.Replace(web, `image: "web:1"`, `image: "web:1", resources: {limits: {cpu: "0.5", memory: 1024Mi}}`, 1)
	c.mustApply(opts, limits, configA, job, bare("gone"), bare("left"))
	c.patchConfigMap("left", `{"metadata":{"annotations":{"gitopskit.github.io/reconcile":"disabled"}}}`)
	c.forcedBy("scaler", deployments, "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: NS}\nspec: {replicas: 7}")
	plan, err := c.applier.Plan(t.Context(), c.objects(
		strings.NewReplacer("web:1", "web:2", `"0.5"`, "500m", "1024Mi", "1Gi").Replace(limits), configA,
		strings.Replace(job, "c:1", "c:2", 1), bare("left"), configB,
	), opts)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.ReplaceAll(`~ update Deployment/NS/web
    spec.replicas: 7 → 2
    spec.template.spec.containers[name=web].image: web:1 → web:2
    takes from others: spec.replicas (scaler)
± recreate Job/NS/j (spec.template: field is immutable)
. skip ConfigMap/NS/left (the live object is marked to be left alone)
+ create ConfigMap/NS/b
- prune ConfigMap/NS/gone
Plan: 1 to create, 1 to update, 1 to recreate, 1 to prune, 1 unchanged, 1 left alone
`, "NS", c.ns)
	markdown := strings.ReplaceAll(`**Plan: 1 to create, 1 to update, 1 to recreate, 1 to prune, 1 unchanged, 1 left alone**

- update ¸Deployment/NS/web¸

  ¸¸¸diff
  - spec.replicas: 7
  + spec.replicas: 2
  - spec.template.spec.containers[name=web].image: web:1
  + spec.template.spec.containers[name=web].image: web:2
  ¸¸¸
  - takes from others: ¸spec.replicas (scaler)¸

- recreate ¸Job/NS/j¸ (¸spec.template: field is immutable¸)

- skip ¸ConfigMap/NS/left¸ (¸the live object is marked to be left alone¸)

- create ¸ConfigMap/NS/b¸

- prune ¸ConfigMap/NS/gone¸
`, "NS", c.ns)
	var text, marked, colored strings.Builder
	if err := errors.Join(plan.WriteText(&text, false), plan.WriteMarkdown(&marked), plan.WriteText(&colored, true)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, text.String()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(strings.ReplaceAll(markdown, "¸", "`"), marked.String()); d != "" {
		t.Error(d)
	}
	if strings.Contains(text.String(), "\x1b") || !strings.Contains(colored.String(), "\x1b[31m- prune ConfigMap/"+c.ns+"/gone\x1b[0m\n") {
		t.Errorf("%q", colored.String())
	}
}

func TestApplyRefusesAPlanThatIsOutdated(t *testing.T) {
	t.Parallel()
	changed := strings.Replace(configB, "key: b", "key: c", 1)
	secret := "apiVersion: v1\nkind: Secret\nmetadata: {name: b, namespace: NS}\nstringData: {key: b}\n"
	cases := []struct {
		reason string
		live   string
		plan   string
		happen func(*cluster)
		set    string
		fine   bool
	}{
		{"changed by somebody", configB, configB, func(c *cluster) { c.patchConfigMap("b", `{"data":{"key":"x"}}`) }, configB, false},
		{"changed by somebody where the plan changes it", configB, changed, func(c *cluster) { c.patchConfigMap("b", `{"data":{"key":"x"}}`) }, changed, false},
		{"changed by somebody where the plan does not", configB, changed, func(c *cluster) { c.patchConfigMap("b", `{"data":{"theirs":"x"}}`) }, changed, true},
		{"changed by somebody to what the plan makes it", configB, changed, func(c *cluster) { c.patchConfigMap("b", `{"data":{"key":"c"}}`) }, changed, false},
		{"a Secret changed by somebody", secret, strings.Replace(secret, "key: b", "key: c", 1), func(c *cluster) {
			c.mustApply(ssa.ApplyOptions{}, strings.Replace(secret, "key: b", "key: x", 1))
		}, strings.Replace(secret, "key: b", "key: c", 1), false},
		{"no longer marked to be left alone", configB, changed, func(c *cluster) {
			c.patchConfigMap("b", `{"metadata":{"annotations":null}}`)
		}, changed, false},
		{"deleted", configB, configB, func(c *cluster) { c.deleteConfigMap("b") }, configB, false},
		{"created by somebody", configA, configA + "\n---\n" + configB, func(c *cluster) { c.mustApply(ssa.ApplyOptions{}, changed) }, configA + "\n---\n" + configB, false},
		{"replaced by somebody", configB, changed, func(c *cluster) {
			c.deleteConfigMap("b")
			c.mustApply(ssa.ApplyOptions{}, configB)
		}, changed, false},
		{"replaced by somebody where it is pruned", configB, "", func(c *cluster) {
			c.deleteConfigMap("b")
			c.mustApply(ssa.ApplyOptions{}, configB)
		}, "", true},
		{"changed in the set", configB, configB, func(*cluster) {}, changed, false},
		{"another object in the set", configB, configB, func(*cluster) {}, configB + "\n---\n" + configA, false},
		{"pruned although it was not to be", configB, configB, func(*cluster) {}, configA, false},
	}
	for _, tc := range cases {
		t.Run(tc.reason, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, ssa.Options{})
			opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Prune: true}
			c.mustApply(opts, tc.live)
			if strings.Contains(tc.reason, "left alone") {
				c.patchConfigMap("b", `{"metadata":{"annotations":{"gitopskit.github.io/reconcile":"disabled"}}}`)
			}
			plan, err := c.applier.Plan(t.Context(), c.objects(tc.plan), opts)
			if err != nil {
				t.Fatal(err)
			}
			tc.happen(c)
			opts.Expect = plan
			res, err := c.apply(opts, tc.set)
			if errors.Is(err, ssa.ErrPlanOutdated) == tc.fine || tc.fine && err != nil {
				t.Errorf("err = %v", err)
			}
			if !tc.fine && res.Changed() {
				t.Errorf("%v", res.Objects)
			}
			if tc.set == "" && c.get(configMaps, "b") == nil {
				t.Error("what somebody has put in its place was pruned")
			}
		})
	}
}

func TestPlanOfSecretsShowsNoValue(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	secret := "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: NS}\nstringData: {one: plain-text-1}\n"
	c.mustApply(ssa.ApplyOptions{}, secret)
	plan, err := c.applier.Plan(t.Context(), c.objects(strings.Replace(secret, "plain-text-1", "plain-text-2", 1)), ssa.ApplyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	data, err := plan.Encode()
	if err := errors.Join(err, plan.WriteText(&out, true), plan.WriteMarkdown(&out)); err != nil {
		t.Fatal(err)
	}
	out.Write(data)
	if !strings.Contains(out.String(), "data.one") || strings.Contains(out.String(), "plain") || strings.Contains(out.String(), "cGxhaW4") {
		t.Errorf("%s", out.String())
	}
}

func TestPlanCostsThreeRequestsForAnObjectThatChanges(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	c.mustApply(ssa.ApplyOptions{}, configA)
	c.take()
	if _, err := c.applier.Plan(t.Context(), c.objects(strings.Replace(configA, "key: one", "key: changed", 1)), ssa.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	if seen := c.take(); len(seen) != 3 { // the metadata, the object, and a dry run
		t.Errorf("%d requests: %v", len(seen), seen)
	}
}
