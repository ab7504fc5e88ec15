package ssa_test

import (
	"bytes"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
)

// again are objects that the API server stores in another form than the one
// they are written in, or that somebody else has a part in. What happened to one
// between two applies is in happened.
var again = map[string]string{
	"a Pod's port without a protocol":     "apiVersion: v1\nkind: Pod\nmetadata: {name: port, namespace: NS}\nspec: {containers: [{name: c, image: c, ports: [{containerPort: 80}]}]}",
	"a CronJob's port without a protocol": "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: port, namespace: NS}\nspec: {suspend: true, schedule: '@daily', jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: c, ports: [{containerPort: 80}]}]}}}}}",
	"a Service's port without a protocol": "apiVersion: v1\nkind: Service\nmetadata: {name: port, namespace: NS}\nspec: {selector: {a: b}, ports: [{port: 80}]}",
	"one port with two protocols":         "apiVersion: v1\nkind: Service\nmetadata: {name: dns, namespace: NS}\nspec: {selector: {a: b}, ports: [{name: udp, port: 53, protocol: UDP}, {name: tcp, port: 53}]}",
	"a container's port of two protocols": "apiVersion: v1\nkind: Pod\nmetadata: {name: dns, namespace: NS}\nspec: {containers: [{name: c, image: c, ports: [{containerPort: 53, protocol: UDP}, {containerPort: 53}]}]}",
	"an autoscaler's metrics": "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: hpa, namespace: NS}\nspec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: none}, " +
		"metrics: [{type: Resource, resource: {name: memory, target: {type: Utilization, averageUtilization: 80}}}, {type: Resource, resource: {name: cpu, target: {type: AverageValue, averageValue: 0.5}}}]}",
	"an autoscaler of the older version":       "apiVersion: autoscaling/v1\nkind: HorizontalPodAutoscaler\nmetadata: {name: old, namespace: NS}\nspec: {maxReplicas: 3, targetCPUUtilizationPercentage: 80, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: none}}",
	"a ServiceAccount with a token added":      "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: account, namespace: NS}\nsecrets: [{name: ours}]",
	"a cluster-scoped object with a namespace": "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: NS-scoped, namespace: NS}\nrules: [{apiGroups: [''], resources: [pods], verbs: [get]}]",
	"a ClusterRole without rules":              "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: NS-none}",
	"a ClusterRole whose rules are null":       "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: NS-null}\nrules: null",
	"an aggregated ClusterRole":                "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: NS-sum}\naggregationRule: {clusterRoleSelectors: [{matchLabels: {part: NS}}]}",
	"an aggregated ClusterRole with no rules":  "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: NS-sum0}\naggregationRule: {clusterRoleSelectors: [{matchLabels: {part: NS}}]}\nrules: []",
	"an aggregated ClusterRole's part":         "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: NS-part, labels: {part: NS}}\nrules: [{apiGroups: [''], resources: [pods], verbs: [get]}]",
	"an RBAC name with colons":                 "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: 'system:NS:reader', namespace: NS}\nrules: []",
	"unsorted Endpoints":                       "apiVersion: v1\nkind: Endpoints\nmetadata: {name: unsorted, namespace: NS}\nsubsets: [{addresses: [{ip: 192.0.2.9}, {ip: 192.0.2.1}], ports: [{name: z, port: 9}, {name: a, port: 1}]}, {addresses: [{ip: 192.0.2.5}], ports: [{name: a, port: 2}]}]",
	"a creationTimestamp that is null": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: stamp, namespace: NS, creationTimestamp: null}\nspec: {replicas: 0, selector: {matchLabels: {a: b}}, " +
		"template: {metadata: {creationTimestamp: null, labels: {a: b}}, spec: {containers: [{name: c, image: c, resources: {}}]}}}\nstatus: {}",
	"quantities":            "apiVersion: v1\nkind: Pod\nmetadata: {name: quantities, namespace: NS}\nspec: {containers: [{name: c, image: c, resources: {requests: {cpu: 0.5, memory: 0.5Gi, ephemeral-storage: 1e3}, limits: {cpu: '1.0', memory: 1024Mi}}}]}",
	"null and empty values": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: empty, namespace: NS, labels: null, annotations: {}, finalizers: [], ownerReferences: null}\ndata: null\nbinaryData: {}",
	"null within lists":     "apiVersion: v1\nkind: Pod\nmetadata: {name: nothing, namespace: NS}\nspec: {nodeSelector: {}, tolerations: [], volumes: null, containers: [{name: c, image: c, env: [{name: A, value: ''}, {name: B, value: null}], command: []}]}",
	"fields that the schema does not know": "apiVersion: NS.example.com/v1\nkind: Free\nmetadata: {name: free}\nspec: {deep: {list: [{a: 1}, 2.5, null, [x]], empty: {}}, number: 1.0}\n" +
		"---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: frees.NS.example.com}\nspec: {group: NS.example.com, scope: Cluster, names: {kind: Free, plural: frees}, versions: [{name: v1, served: true, storage: true, " +
		"schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, x-kubernetes-preserve-unknown-fields: true}}}}}]}\nstatus: {acceptedNames: {kind: '', plural: ''}, conditions: null, storedVersions: null}",
	"a definition whose caBundle is no certificate": "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: bundles.NS.example.com}\nspec: {group: NS.example.com, scope: Namespaced, names: {kind: Bundle, plural: bundles}, " +
		"conversion: {strategy: Webhook, webhook: {conversionReviewVersions: [v1], clientConfig: {caBundle: Cg==, service: {namespace: NS, name: none}}}}, " +
		"versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]}",
	"a budget in per cent":                     "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: budget, namespace: NS}\nspec: {minAvailable: 50%, selector: {matchLabels: {a: b}}}",
	"a policy for all pods":                    "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny, namespace: NS}\nspec: {podSelector: {}, policyTypes: [Ingress], ingress: []}",
	"a binding without subjects":               "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: nobody, namespace: NS}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: x}\nsubjects: []",
	"a ServiceAccount with empty lists":        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: lists, namespace: NS}\nsecrets: []\nimagePullSecrets: null",
	"a Service with empty lists":               "apiVersion: v1\nkind: Service\nmetadata: {name: lists, namespace: NS}\nspec: {selector: {}, externalIPs: [], ports: [{port: 80}], loadBalancerSourceRanges: []}",
	"an Ingress with empty lists":              "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: lists, namespace: NS}\nspec: {tls: [], defaultBackend: {service: {name: a, port: {number: 80}}}, rules: []}",
	"a webhook configuration with empty lists": "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {name: NS}\nwebhooks: [{name: a.example.com, admissionReviewVersions: [v1], sideEffects: None, clientConfig: {url: 'https://127.0.0.1:9/'}, rules: [], matchConditions: [], namespaceSelector: {}}]",
	"stringData beside data":                   "apiVersion: v1\nkind: Secret\nmetadata: {name: both, namespace: NS}\ndata: {a: eA==, b: null}\nstringData: {a: why}",
}

// happened is what others do to the objects of again.
func happened(c *cluster) {
	c.forcedBy("token-controller", schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"},
		"apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: account, namespace: NS}\nsecrets: [{name: token-x}]")
	eventually(c.t.(*testing.T), "the rules are added up", func() bool {
		u, err := c.client.Resource(schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterroles"}).Get(c.t.Context(), c.ns+"-sum0", getOptions)
		if err != nil {
			c.t.Fatal(err)
		}
		rules, _, _ := unstructured.NestedSlice(u.Object, "rules")
		return len(rules) == 1
	})
}

func TestASecondApplyChangesNothingOf(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	names := slices.Sorted(maps.Keys(again))
	var set []string
	var whose []string
	for _, name := range names {
		set = append(set, again[name])
		for _, o := range c.objects(again[name]) {
			whose = append(whose, name+"/"+o.GetKind())
		}
	}
	store := &inventory.Memory{}
	opts := ssa.ApplyOptions{Inventory: store, Prune: true}
	t.Cleanup(func() { c.cleanUp(opts) })
	first := c.mustApply(opts, set...)
	happened(c)
	var log bytes.Buffer // read when nothing runs any more
	fresh, err := ssa.New(c.cfg, ssa.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := fresh.Plan(t.Context(), c.objects(set...), opts)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), "Endpoints is deprecated"); n != 1 {
		t.Errorf("the API server's warning is logged %d times, want once:\n%s", n, log.String())
	}
	second := c.mustApply(opts, set...)
	for i := range plan.Objects {
		p, o := plan.Objects[i], second.Objects[i]
		t.Run(whose[i], func(t *testing.T) {
			if p.Action != ssa.Unchanged || len(p.Diff) > 0 || o.Action != ssa.Unchanged || o.UID != first.Objects[i].UID {
				t.Errorf("plan: %+v\napply: %v", p, o)
			}
		})
	}
	if !first.Inventory.Equal(second.Inventory) || first.Inventory.Len() != len(first.Objects) {
		t.Errorf("the inventory went from %v\nto %v", first.Inventory.Entries(), second.Inventory.Entries())
	}
	if got := c.get(schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}, "account"); len(got.Object["secrets"].([]any)) != 2 {
		t.Errorf("the token is gone: %v", got.Object["secrets"])
	}
}
