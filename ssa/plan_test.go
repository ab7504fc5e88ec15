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

func TestApplyRefusesAPlanThatIsOutdated(t *testing.T) {
	t.Parallel()
	cases := []struct {
		reason string
		happen func(*cluster)
		set    string
	}{
		{"changed by somebody", func(c *cluster) { c.patchConfigMap("b", `{"data":{"key":"x"}}`) }, configB},
		{"deleted", func(c *cluster) { c.deleteConfigMap("b") }, configB},
		{"changed in the set", func(*cluster) {}, strings.Replace(configB, "key: b", "key: c", 1)},
		{"another object in the set", func(*cluster) {}, configB + "\n---\n" + configA},
		{"pruned although it was not to be", func(*cluster) {}, configA},
	}
	for _, tc := range cases {
		t.Run(tc.reason, func(t *testing.T) {
			c := newCluster(t, ssa.Options{})
			opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Prune: true}
			c.mustApply(opts, configB)
			plan, err := c.applier.Plan(t.Context(), c.objects(configB), opts)
			if err != nil || plan.Changes() {
				t.Fatalf("%v, %v", plan, err)
			}
			tc.happen(c)
			opts.Expect = plan
			if _, err := c.apply(opts, tc.set); !errors.Is(err, ssa.ErrPlanOutdated) {
				t.Errorf("err = %v", err)
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
