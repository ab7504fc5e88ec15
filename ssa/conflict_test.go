package ssa_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
)

var deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}

// scale does what a HorizontalPodAutoscaler does.
func (c *cluster) scale(name string, replicas int) {
	c.t.Helper()
	patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas)
	_, err := c.client.Resource(deployments).Namespace(c.ns).Patch(c.t.Context(), name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "kube-controller-manager"}, "scale")
	if err != nil {
		c.t.Fatal(err)
	}
}

// forcedBy applies a part of an object under another manager's name.
func (c *cluster) forcedBy(manager string, gvr schema.GroupVersionResource, manifest string) {
	c.t.Helper()
	o := c.objects(manifest)[0]
	data, err := json.Marshal(o.Object)
	if err != nil {
		c.t.Fatal(err)
	}
	yes := true
	_, err = c.client.Resource(gvr).Namespace(c.ns).Patch(c.t.Context(), o.GetName(), types.ApplyYAMLPatchType, data, metav1.PatchOptions{FieldManager: manager, Force: &yes})
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) replicas(name string) int64 {
	c.t.Helper()
	n, _, _ := unstructured.NestedInt64(c.get(deployments, name).Object, "spec", "replicas")
	return n
}

// container returns a field of the first container of a Deployment.
func (c *cluster) container(name string, path ...string) string {
	c.t.Helper()
	list, _, _ := unstructured.NestedSlice(c.get(deployments, name).Object, "spec", "template", "spec", "containers")
	s, _, _ := unstructured.NestedString(list[0].(map[string]any), path...)
	return s
}

// owners returns the managers that own a field of a name, wherever it is.
func (c *cluster) owners(name, field string) []string {
	c.t.Helper()
	var out []string
	for _, e := range c.get(deployments, name).GetManagedFields() {
		if strings.Contains(e.FieldsV1.GetRawString(), `"f:`+field+`"`) {
			out = append(out, e.Manager)
		}
	}
	slices.Sort(out)
	return out
}

var ignoreReplicas = []ssa.IgnoreRule{{Paths: []string{"/spec/replicas", "/spec/nonsense", "no-pointer", "/"}, Target: ssa.Selector{Kind: "Deploy.*", Group: "apps", Name: "web"}}}

func TestAutoscalerIsLeftInPeace(t *testing.T) {
	t.Parallel()
	for _, validated := range []bool{true, false} {
		for _, diff := range []bool{true, false} {
			t.Run(fmt.Sprintf("validated %v, diff %v", validated, diff), func(t *testing.T) {
				t.Parallel()
				c := newCluster(t, ssa.Options{})
				opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Ignore: ignoreReplicas, SkipValidation: !validated, Diff: diff}
				c.mustApply(opts, web)
				if got := c.replicas("web"); got != 2 {
					t.Fatalf("created with %d replicas, want what the set says", got)
				}
				// Nobody has scaled yet: a change of the image must not lose our replicas,
				// and their number in the set no longer counts.
				c.mustApply(opts, strings.NewReplacer("web:1", "web:2", "replicas: 2", "replicas: 9").Replace(web))
				if got := c.replicas("web"); got != 2 {
					t.Fatalf("%d replicas, want the live 2", got)
				}
				c.scale("web", 5)
				res := c.mustApply(opts, strings.Replace(web, "web:1", "web:3", 1))
				if got := c.replicas("web"); got != 5 || c.container("web", "image") != "web:3" {
					t.Errorf("%d replicas of %s after %v", got, c.container("web", "image"), res.Objects)
				}
				if owners := c.owners("web", "replicas"); slices.Contains(owners, "gitopskit") {
					t.Errorf("replicas are owned by %v", owners)
				}
				c.scale("web", 6)
				// Without a dry run, a write within two seconds of another one can't be told
				// from none if others have written too, and is reported.
				res = c.mustApply(opts, strings.Replace(web, "web:1", "web:3", 1))
				if validated && res.Changed() || c.replicas("web") != 6 {
					t.Errorf("%v, %d replicas", res.Objects, c.replicas("web"))
				}
			})
		}
	}
}

func TestIgnoredFieldsThatMustNotGetLost(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Ignore: []ssa.IgnoreRule{
		{Paths: []string{"/spec/selector", "/spec/template/spec/containers/*/image"}},
	}}
	c.mustApply(opts, web)
	t.Run("an immutable one stays as it is", func(t *testing.T) {
		c.mustApply(opts, strings.NewReplacer("matchLabels: {app: web}", "matchLabels: {app: web, more: x}", "replicas: 2", "replicas: 1").Replace(web))
		if c.replicas("web") != 1 || !slices.Contains(c.owners("web", "selector"), "gitopskit") {
			t.Errorf("replicas %d, selector owned by %v", c.replicas("web"), c.owners("web", "selector"))
		}
	})
	t.Run("a required one is its new owner's", func(t *testing.T) {
		c.forcedBy("image-updater", deployments, "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: NS}\nspec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: \"web:by-updater\"}]}}}\n")
		c.mustApply(opts, strings.Replace(web, "replicas: 2", "replicas: 3", 1))
		if got := c.container("web", "image"); got != "web:by-updater" || c.replicas("web") != 3 {
			t.Errorf("image %s, %d replicas", got, c.replicas("web"))
		}
	})
	t.Run("other targets are not meant", func(t *testing.T) {
		opts.Ignore[0].Target = ssa.Selector{Labels: "app=other"}
		c.mustApply(opts, web)
		if got := c.container("web", "image"); got != "web:1" {
			t.Errorf("image %s", got)
		}
	})
}

// Fields of managers whose fields are taken over become ours, and an ignored one
// that we then no longer sent would be reset.
func TestIgnoredFieldsSurviveATakeOver(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{TakeOver: []string{"kubectl*"}})
	for _, skip := range []bool{false, true} {
		opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Ignore: ignoreReplicas, SkipValidation: skip}
		c.mustApply(opts, web)
		patch := []byte(`{"spec":{"replicas":5},"metadata":{"labels":{"by":"hand"}}}`)
		if _, err := c.client.Resource(deployments).Namespace(c.ns).Patch(t.Context(), "web", types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "kubectl-edit"}); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			c.mustApply(opts, web)
			if n := c.replicas("web"); n != 5 {
				t.Errorf("SkipValidation %v: replicas are %d, want 5", skip, n)
			}
		}
		if labels := c.get(deployments, "web").GetLabels(); labels["by"] != "" {
			t.Errorf("SkipValidation %v: what is not ignored was not taken over: %v", skip, labels)
		}
	}
}

func TestScalingIsNoDriftWhereTheSetHasNoReplicas(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	drifts := c.watching()
	opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Ignore: ignoreReplicas}
	c.mustApply(opts, web)
	c.scale("web", 3) // takes replicas from us: to be looked at once
	eventually(t, "in sync by watch", func() bool {
		c.take()
		return !c.mustApply(opts, web).Changed() && len(c.take()) == 0
	})
	eventually(t, "the time of our own write has passed", func() bool {
		before := len(drifts)
		c.scale("web", int(c.replicas("web"))%5+1)
		c.take()
		res := c.mustApply(opts, web)
		n := len(c.take())
		return n == 0 && len(drifts) == before && !res.Changed()
	})
}

const sharedConfig = `
apiVersion: v1
kind: ConfigMap
metadata: {name: c, namespace: NS, labels: {app.kubernetes.io/name: ours}}
data: {mine: "1", theirs: "1"}
`

const theirConfig = `
apiVersion: v1
kind: ConfigMap
metadata: {name: c, namespace: NS, labels: {app.kubernetes.io/name: theirs}}
data: {theirs: "2"}
`

func TestConflictPolicies(t *testing.T) {
	t.Parallel()
	both := []ssa.FieldOwner{{Path: "data.theirs", Manager: "they"}, {Path: "metadata.labels[app.kubernetes.io/name]", Manager: "they"}}
	prepare := func(t *testing.T, opts *ssa.ApplyOptions) *cluster {
		t.Parallel()
		c := newCluster(t, ssa.Options{})
		opts.Set, opts.Inventory = "s", &inventory.Memory{}
		c.mustApply(*opts, sharedConfig)
		c.forcedBy("they", configMaps, theirConfig)
		return c
	}
	changed := strings.Replace(sharedConfig, `mine: "1"`, `mine: "2"`, 1)
	for _, diff := range []bool{true, false} {
		t.Run(fmt.Sprintf("take, diff %v", diff), func(t *testing.T) {
			opts := ssa.ApplyOptions{Diff: diff}
			c := prepare(t, &opts)
			res := c.mustApply(opts, changed)
			if got := c.field(configMaps, "c", "data", "theirs"); got != "1" {
				t.Errorf("theirs = %s", got)
			}
			if diff && len(res.Objects[0].Taken) != 2 {
				t.Errorf("taken: %v", res.Objects[0].Taken)
			}
		})
		t.Run(fmt.Sprintf("fail, diff %v", diff), func(t *testing.T) {
			opts := ssa.ApplyOptions{Conflicts: ssa.Fail, Diff: diff}
			c := prepare(t, &opts)
			res, err := c.apply(opts, changed, configA)
			if !errors.Is(err, ssa.ErrConflict) || !strings.Contains(err.Error(), "data.theirs (they)") || res.Objects[0].Action != ssa.Conflict {
				t.Errorf("%v: %v", res.Objects, err)
			}
			if c.field(configMaps, "c", "data", "mine") != "1" || c.get(configMaps, "a") != nil {
				t.Error("something was written")
			}
		})
		t.Run(fmt.Sprintf("yield, diff %v", diff), func(t *testing.T) {
			opts := ssa.ApplyOptions{Conflicts: ssa.Yield, Diff: diff}
			c := prepare(t, &opts)
			res := c.mustApply(opts, changed)
			if d := cmp.Diff(both, res.Objects[0].Yielded); d != "" {
				t.Error(d)
			}
			if c.field(configMaps, "c", "data", "theirs") != "2" || c.field(configMaps, "c", "data", "mine") != "2" {
				t.Errorf("%v", c.get(configMaps, "c").Object["data"])
			}
			if res := c.mustApply(opts, changed); res.Changed() {
				t.Errorf("a second time: %v", res.Objects)
			}
			// Given up by its owner, a field becomes ours.
			c.forcedBy("they", configMaps, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: NS}\n")
			c.mustApply(opts, changed)
			if got := c.field(configMaps, "c", "data", "theirs"); got != "1" {
				t.Errorf("theirs = %s after they gave it up", got)
			}
		})
	}
}

func TestYieldsWithoutValidationToo(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{TakeOver: []string{"kubectl*"}})
	opts := ssa.ApplyOptions{Set: "s", Conflicts: ssa.Yield, SkipValidation: true}
	c.mustApply(opts, web)
	c.forcedBy("vpa", deployments, "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: NS}\nspec: {template: {spec: {containers: [{name: web, image: \"web:1\", resources: {requests: {cpu: 700m}}}]}}}\n")
	c.forcedBy("kubectl-edit", deployments, "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: NS}\nspec: {minReadySeconds: 7}\n")
	want := strings.Replace(web, `image: "web:1"`, `image: "web:2", resources: {requests: {cpu: "0.1", memory: 64Mi}}`, 1)
	want = strings.Replace(want, "replicas: 2", "replicas: 2\n  minReadySeconds: 3", 1)
	want = strings.Replace(want, "web:2", "web:1", 1)
	res := c.mustApply(opts, want)
	cpu, memory := c.container("web", "resources", "requests", "cpu"), c.container("web", "resources", "requests", "memory")
	if cpu != "700m" || memory != "64Mi" {
		t.Errorf("requests: cpu %s, memory %s; yielded %v", cpu, memory, res.Objects[0].Yielded)
	}
	if n, _, _ := unstructured.NestedInt64(c.get(deployments, "web").Object, "spec", "minReadySeconds"); n != 3 {
		t.Errorf("minReadySeconds %d: kubectl is to be taken over", n)
	}
}

// A port is told by number and protocol, also where the protocol is left out.
func TestYieldsOneOfTwoProtocolsOfAPort(t *testing.T) {
	t.Parallel()
	for _, ports := range []string{"[{containerPort: 53, hostPort: HOST}, {containerPort: 53, protocol: UDP, hostPort: HOST}]", "[{containerPort: 53, protocol: UDP, hostPort: HOST}, {containerPort: 53, hostPort: HOST}]"} {
		for _, theirs := range []string{"TCP", "UDP"} {
			c := newCluster(t, ssa.Options{})
			set := strings.Replace(web, "[{containerPort: 8080}]", ports, 1)
			opts := ssa.ApplyOptions{Set: "s", Conflicts: ssa.Yield}
			c.mustApply(opts, strings.ReplaceAll(set, "HOST", "5300"))
			c.forcedBy("they", deployments, "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: NS}\nspec: {template: {spec: {containers: [{name: web, ports: [{containerPort: 53, protocol: "+theirs+", hostPort: 5353}]}]}}}\n")
			res := c.mustApply(opts, strings.ReplaceAll(set, "HOST", "5301"))
			live, _, _ := unstructured.NestedSlice(c.get(deployments, "web").Object, "spec", "template", "spec", "containers")
			for _, p := range live[0].(map[string]any)["ports"].([]any) {
				port := p.(map[string]any)
				want := int64(5301)
				if port["protocol"] == theirs {
					want = 5353
				}
				if port["hostPort"] != want {
					t.Errorf("%s, theirs is %s: %v, want host port %d; yielded %v", ports, theirs, port, want, res.Objects[0].Yielded)
				}
			}
		}
	}
}

func TestPlanTellsWhatChangesHands(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	c.mustApply(ssa.ApplyOptions{}, sharedConfig)
	c.forcedBy("they", configMaps, theirConfig)
	for _, tc := range []struct {
		policy ssa.ConflictPolicy
		says   string
	}{
		{ssa.Take, "takes from others: data.theirs (they)"},
		{ssa.Yield, "leaves to others: data.theirs (they)"},
		{ssa.Fail, "! conflict ConfigMap/" + c.ns + "/c"},
	} {
		plan, err := c.applier.Plan(t.Context(), c.objects(strings.Replace(sharedConfig, `mine: "1"`, `mine: "2"`, 1)), ssa.ApplyOptions{Conflicts: tc.policy})
		var text strings.Builder
		if werr := plan.WriteText(&text, false); werr != nil || (err != nil) != (tc.policy == ssa.Fail) || !strings.Contains(text.String(), tc.says) {
			t.Errorf("%s: %v\n%s", tc.policy, err, text.String())
		}
	}
}

func TestOptionsThatMakeNoSenseAreNamed(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	for says, opts := range map[string]ssa.ApplyOptions{
		"ApplyOptions.Conflicts":        {Conflicts: "perhaps"},
		"ApplyOptions.Ignore[1].Target": {Ignore: []ssa.IgnoreRule{{}, {Target: ssa.Selector{Name: "("}}}},
		"ApplyOptions.Ignore[0].Target": {Ignore: []ssa.IgnoreRule{{Target: ssa.Selector{Labels: "a in"}}}},
	} {
		if _, err := c.apply(opts, configA); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("want an error about %s, got %v", says, err)
		}
	}
}
