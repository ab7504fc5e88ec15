package ssa_test

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
)

// A change replaces a text in a manifest.
type change struct{ manifest, from, to string }

func (c change) after() string { return strings.Replace(c.manifest, c.from, c.to, 1) }

const (
	rbac      = "apiVersion: rbac.authorization.k8s.io/v1\n"
	container = "spec: {containers: [{name: c, image: c}]}"
)

// immutable are changes that the API server does not allow.
var immutable = map[string]change{
	"a Job's template":                   {job, "c:1", "c:2"},
	"a RoleBinding's role":               {rbac + "kind: RoleBinding\nmetadata: {name: x, namespace: NS}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: one}", "name: one", "name: two"},
	"a ClusterRoleBinding's role":        {rbac + "kind: ClusterRoleBinding\nmetadata: {name: NS}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: one}", "name: one", "name: two"},
	"a StorageClass's provisioner":       {"apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: NS-a}\nprovisioner: example.com/one", "com/one", "com/two"},
	"a StorageClass's parameters":        {"apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: NS-b}\nprovisioner: example.com/one\nparameters: {a: b}", "a: b", "a: c"},
	"a StorageClass's policy":            {"apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: NS-c}\nprovisioner: example.com/one\nreclaimPolicy: Delete", "Delete", "Retain"},
	"a StorageClass's binding":           {"apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: NS-d}\nprovisioner: example.com/one\nvolumeBindingMode: Immediate", "Immediate", "WaitForFirstConsumer"},
	"a Service's address":                {"apiVersion: v1\nkind: Service\nmetadata: {name: x, namespace: NS}\nspec: {type: ClusterIP, ports: [{port: 80}]}", "type: ClusterIP", "clusterIP: None"},
	"a Deployment's selector":            {strings.Replace(web, "labels: {app: web}", "labels: {app: web, more: x}", 1), "matchLabels: {app: web}", "matchLabels: {more: x}"},
	"a DaemonSet's selector":             {"apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: x, namespace: NS}\nspec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b, c: d}}, " + container + "}}", "{a: b}", "{c: d}"},
	"a StatefulSet's service":            {"apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: x, namespace: NS}\nspec: {replicas: 0, serviceName: one, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, " + container + "}}", "one", "two"},
	"a Pod's command":                    {"apiVersion: v1\nkind: Pod\nmetadata: {name: x, namespace: NS}\nspec: {containers: [{name: c, image: c, command: [a]}]}", "[a]", "[b]"},
	"a ConfigMap that is sealed":         {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: sealed, namespace: NS}\nimmutable: true\ndata: {a: b}", "a: b", "a: c"},
	"a Secret's type":                    {"apiVersion: v1\nkind: Secret\nmetadata: {name: typed, namespace: NS}\ntype: example.com/one\nstringData: {a: b}", "com/one", "com/two"},
	"a PriorityClass's value":            {"apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: NS}\nvalue: 1", "value: 1", "value: 2"},
	"an IngressClass's controller":       {"apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: NS}\nspec: {controller: example.com/one}", "com/one", "com/two"},
	"a RuntimeClass's handler":           {"apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata: {name: NS}\nhandler: one", "one", "two"},
	"an EndpointSlice's type":            {"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: x, namespace: NS}\naddressType: IPv4\nendpoints: []\nports: []", "IPv4", "IPv6"},
	"a ResourceQuota's scopes":           {"apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: x, namespace: NS}\nspec: {hard: {pods: 100}, scopes: [BestEffort]}", "BestEffort", "NotBestEffort"},
	"a claim's mode":                     {"apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: x, namespace: NS}\nspec: {storageClassName: none, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}", "ReadWriteOnce", "ReadOnlyMany"},
	"what a rule of its definition says": {"apiVersion: NS.example.com/v1\nkind: Fixed\nmetadata: {name: x}\nspec: {a: b}", "a: b", "a: c"},
}

const fixed = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: fixeds.NS.example.com}\nspec: {group: NS.example.com, scope: Cluster, names: {kind: Fixed, plural: fixeds}, versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, " +
	"properties: {spec: {type: object, properties: {a: {type: string, x-kubernetes-validations: [{rule: self == oldSelf, message: Value is immutable}]}}}}}}}]}"

// wrong are changes that would be an error in a new object too.
var wrong = map[string]change{
	"a plain validation error":                   {named(web, "web", "plain"), "replicas: 2", "replicas: -1"},
	"a validation error beside an immutable one": {named(web, "web", "beside"), "replicas: 2\n  selector: {matchLabels: {app: web}}", "replicas: -1\n  selector: {matchLabels: {app: web, more: x}}"},
	"a replacement that could not be created":    {named(job, "j", "bad"), "restartPolicy: Never, containers: [{name: c, image: \"c:1\"}]", "restartPolicy: Always, containers: [{name: c, image: \"c:2\"}]"},
	"a field that does not exist":                {named(configB, "b", "unknown"), "data: {key: b}", "date: {key: b}"},
}

func TestChangeOf(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}, Prune: true, ContinueOnError: true}
	names := slices.Concat(slices.Sorted(maps.Keys(immutable)), slices.Sorted(maps.Keys(wrong)))
	var before, after, forced []string
	for _, name := range names {
		ch, ok := immutable[name]
		if !ok {
			ch = wrong[name]
		}
		before, after = append(before, ch.manifest), append(after, ch.after())
		forced = append(forced, strings.Replace(ch.after(), "metadata: {", "metadata: {annotations: {gitopskit.github.io/force: enabled}, ", 1))
	}
	before, after, forced = append(before, fixed), append(after, fixed), append(forced, fixed)
	t.Cleanup(func() { c.cleanUp(opts) })
	uids := uidsOf(c.mustApply(opts, before...))

	refused, err := c.apply(opts, after...)
	if err == nil || refused.Changed() {
		t.Fatalf("%s, err = %v", refused.Summary(), err)
	}
	opts.RecreateImmutable = true
	recreated, _ := c.apply(opts, after...)
	marked, _ := c.apply(opts, forced...)
	for i, name := range names {
		t.Run(name, func(t *testing.T) {
			_, isImmutable := immutable[name]
			res, again, by := refused.Objects[i], recreated.Objects[i], marked.Objects[i]
			if !isImmutable {
				for _, o := range []ssa.ObjectResult{res, again, by} {
					if !errors.Is(o.Err, ssa.ErrInvalid) || errors.Is(o.Err, ssa.ErrImmutable) || o.Action == ssa.Recreate {
						t.Errorf("%s, err = %v", o.Action, o.Err)
					}
				}
				return
			}
			if !errors.Is(res.Err, ssa.ErrImmutable) {
				t.Errorf("err = %v", res.Err)
			}
			if kept := strings.HasPrefix(name, "a claim") || strings.HasPrefix(name, "a definition"); kept {
				if !errors.Is(again.Err, ssa.ErrImmutable) {
					t.Errorf("holds data, and needs a mark of its own: %v", again)
				}
				again = by
			}
			if again.Err != nil || again.Action != ssa.Recreate || again.UID == uids[i] || again.UID == "" {
				t.Errorf("%v, UID %s before and %s after", again, uids[i], again.UID)
			}
		})
	}
}

func uidsOf(res *ssa.Result) []types.UID {
	var out []types.UID
	for _, o := range res.Objects {
		out = append(out, o.UID)
	}
	return out
}

// What a replacement is refused for in a trial may be what the present object
// holds, and gives up.
func TestReplacementKeepsThePortThatItHas(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	opts := ssa.ApplyOptions{Set: "s", RecreateImmutable: true}
	service := "apiVersion: v1\nkind: Service\nmetadata: {name: x, namespace: NS}\nspec: {type: NodePort, ports: [{port: 80}]}"
	c.mustApply(opts, service, named(service, "x", "other"))
	services := schema.GroupVersionResource{Version: "v1", Resource: "services"}
	portOf := func(name string) int64 {
		return c.get(services, name).Object["spec"].(map[string]any)["ports"].([]any)[0].(map[string]any)["nodePort"].(int64)
	}
	address := netip.MustParseAddr(c.field(services, "x", "spec", "clusterIP"))
	for range 200 { // away from the range that the API server takes addresses from first
		address = address.Prev()
	}
	port, taken := portOf("x"), portOf("other")
	moved := fmt.Sprintf("type: NodePort, clusterIP: %s, ports: [{port: 80, nodePort: %%d}]", address)
	change := func(port int64) string {
		return strings.Replace(service, "type: NodePort, ports: [{port: 80}]", fmt.Sprintf(moved, port), 1)
	}
	if _, err := c.apply(opts, change(taken)); !errors.Is(err, ssa.ErrInvalid) || c.get(services, "x") == nil {
		t.Errorf("with the port of another: %v", err)
	}
	res := c.mustApply(opts, change(port))
	if res.Objects[0].Action != ssa.Recreate || portOf("x") != port || c.field(services, "x", "spec", "clusterIP") != address.String() {
		t.Errorf("%v: port %d, want %d", res.Objects, portOf("x"), port)
	}
}

func TestReplacementWaitsForFinalizers(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	opts := ssa.ApplyOptions{Set: "s", RecreateImmutable: true}
	held := strings.Replace(job, "namespace: NS", "namespace: NS, finalizers: [example.com/hold]", 1)
	c.mustApply(opts, held)
	jobs := schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}
	done := make(chan *ssa.Result)
	go func() {
		res, err := c.applier.Apply(t.Context(), c.objects(strings.Replace(job, "c:1", "c:2", 1)), opts)
		if err != nil {
			t.Error(err)
		}
		done <- res
	}()
	eventually(t, "the Job is being deleted", func() bool { return c.get(jobs, "j").GetDeletionTimestamp() != nil })
	select {
	case res := <-done:
		t.Fatalf("did not wait: %v", res.Objects)
	default:
	}
	if _, err := c.client.Resource(jobs).Namespace(c.ns).Patch(t.Context(), "j", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	if res := <-done; res.Objects[0].Action != ssa.Recreate || c.get(jobs, "j").GetDeletionTimestamp() != nil {
		t.Errorf("%v", res.Objects)
	}
}
