package ssa_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
)

func pod(name, spec string) string {
	return "apiVersion: v1\nkind: Pod\nmetadata: {name: " + name + ", namespace: NS}\nspec: {" + spec + ", containers: [{name: c, image: c}]}"
}

func config(kind, name string) string {
	return "apiVersion: v1\nkind: " + kind + "\nmetadata: {name: " + name + ", namespace: NS}"
}

// needs are pairs of objects of which the second needs the first. The first has
// a name in "dep-".
var needs = map[string][2]string{
	"its namespace":            {"apiVersion: v1\nkind: Namespace\nmetadata: {name: dep-NS}", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: dep-NS}"},
	"its definition":           {"apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: dep-things.NS.example.com}\nspec: {group: NS.example.com, scope: Cluster, names: {kind: Thing, plural: dep-things}, versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]}", "apiVersion: NS.example.com/v1\nkind: Thing\nmetadata: {name: x}"},
	"a ServiceAccount":         {config("ServiceAccount", "dep-account"), pod("a", "serviceAccountName: dep-account")},
	"a ConfigMap volume":       {config("ConfigMap", "dep-volume"), pod("b", "volumes: [{name: v, configMap: {name: dep-volume}}]")},
	"a Secret volume":          {config("Secret", "dep-volume"), pod("c", "volumes: [{name: v, secret: {secretName: dep-volume}}]")},
	"a projected ConfigMap":    {config("ConfigMap", "dep-projected"), pod("d", "volumes: [{name: v, projected: {sources: [{configMap: {name: dep-projected}}]}}]")},
	"a projected Secret":       {config("Secret", "dep-projected"), pod("e", "volumes: [{name: v, projected: {sources: [{secret: {name: dep-projected}}]}}]")},
	"a claim":                  {"apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: dep-claim, namespace: NS}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}", pod("f", "volumes: [{name: v, persistentVolumeClaim: {claimName: dep-claim}}]")},
	"an image pull Secret":     {config("Secret", "dep-pull"), pod("g", "imagePullSecrets: [{name: dep-pull}]")},
	"an environment":           {config("ConfigMap", "dep-env"), strings.Replace(pod("h", "nodeSelector: {}"), "image: c", "image: c, envFrom: [{configMapRef: {name: dep-env}}]", 1)},
	"a variable":               {config("Secret", "dep-key"), strings.Replace(pod("i", "nodeSelector: {}"), "image: c", "image: c, env: [{name: A, valueFrom: {secretKeyRef: {name: dep-key, key: k}}}]", 1)},
	"an init container's":      {config("Secret", "dep-init"), pod("j", "initContainers: [{name: i, image: i, envFrom: [{secretRef: {name: dep-init}}]}]")},
	"a PriorityClass":          {"apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: dep-NS}\nvalue: 5", strings.Replace(job, "restartPolicy", "priorityClassName: dep-NS, restartPolicy", 1)},
	"a RuntimeClass":           {"apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata: {name: dep-NS}\nhandler: x", named(strings.Replace(job, "restartPolicy", "runtimeClassName: dep-NS, restartPolicy", 1), "j", "j2")},
	"a role":                   {rbac + "kind: Role\nmetadata: {name: dep-role, namespace: NS}\nrules: []", rbac + "kind: RoleBinding\nmetadata: {name: x, namespace: NS}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: dep-role}"},
	"a cluster's role":         {rbac + "kind: ClusterRole\nmetadata: {name: dep-NS}\nrules: []", rbac + "kind: RoleBinding\nmetadata: {name: w, namespace: NS}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: dep-NS}"},
	"a role's subject":         {config("ServiceAccount", "dep-subject"), rbac + "kind: RoleBinding\nmetadata: {name: z, namespace: NS}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: none}\nsubjects: [{kind: ServiceAccount, name: dep-subject, namespace: NS}]"},
	"its account's roles":      {rbac + "kind: RoleBinding\nmetadata: {name: dep-rights, namespace: NS}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: none}\nsubjects: [{kind: ServiceAccount, name: worker, namespace: NS}]", strings.Replace(web, "spec:\n      containers", "spec:\n      serviceAccountName: worker\n      containers", 1)},
	"a StorageClass":           {"apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: dep-NS}\nprovisioner: example.com/x", "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: x, namespace: NS}\nspec: {storageClassName: dep-NS, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}"},
	"an IngressClass":          {"apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: dep-NS}\nspec: {controller: example.com/x}", "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: x, namespace: NS}\nspec: {ingressClassName: dep-NS, defaultBackend: {service: {name: a, port: {number: 80}}}}"},
	"an APIService's Service":  {"apiVersion: v1\nkind: Service\nmetadata: {name: dep-api, namespace: NS}\nspec: {ports: [{port: 443}]}", "apiVersion: apiregistration.k8s.io/v1\nkind: APIService\nmetadata: {name: v1.NS.order.example.com}\nspec: {group: NS.order.example.com, version: v1, groupPriorityMinimum: 100, versionPriority: 100, insecureSkipTLSVerify: true, service: {name: dep-api, namespace: NS}}"},
	"what its annotation says": {config("ConfigMap", "dep-explicit"), strings.Replace(config("ConfigMap", "x"), "namespace: NS", "namespace: NS, annotations: {config.kubernetes.io/depends-on: /namespaces/NS/ConfigMap/dep-explicit}", 1)},
	"all but webhooks":         {config("ConfigMap", "dep-plain"), "apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingWebhookConfiguration\nmetadata: {name: NS}\nwebhooks: []"},
}

// A limited account may grant what it may do itself, and a role must be there
// for the API server to know what that is. A Pod's account has to be there too.
func TestWhatCannotBeValidatedBeforeWhatItNeedsIsThere(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	rules := "rules: [{apiGroups: ['', rbac.authorization.k8s.io], resources: [pods, roles, rolebindings, serviceaccounts], verbs: [get, list, create, patch, delete]}]"
	c.mustApply(ssa.ApplyOptions{}, rbac+"kind: Role\nmetadata: {name: limited, namespace: NS}\n"+rules,
		rbac+"kind: RoleBinding\nmetadata: {name: limited, namespace: NS}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: limited}\nsubjects: [{kind: User, name: NS-limited}]")
	limited, err := c.applier.As(rest.ImpersonationConfig{UserName: c.ns + "-limited"})
	if err != nil {
		t.Fatal(err)
	}
	set := c.objects(
		pod("worker", "serviceAccountName: worker"),
		rbac+"kind: RoleBinding\nmetadata: {name: worker, namespace: NS}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: worker}\nsubjects: [{kind: ServiceAccount, name: worker, namespace: NS}]",
		rbac+"kind: Role\nmetadata: {name: worker, namespace: NS}\nrules: [{apiGroups: [''], resources: [pods], verbs: [get]}]",
		config("ServiceAccount", "worker"),
	)
	var res *ssa.Result
	eventually(t, "the account has its rights", func() bool {
		res, err = limited.Apply(t.Context(), set, ssa.ApplyOptions{})
		return !errors.Is(err, ssa.ErrForbidden)
	})
	if err != nil || res.Count(ssa.Create) != 4 {
		t.Fatalf("%v, err = %v", res.Objects, err)
	}
	greedy := c.objects(rbac + "kind: Role\nmetadata: {name: greedy, namespace: NS}\nrules: [{apiGroups: [''], resources: [secrets], verbs: [get]}]")
	if _, err := limited.Apply(t.Context(), append(greedy, c.objects(configA)...), ssa.ApplyOptions{}); !errors.Is(err, ssa.ErrForbidden) ||
		!strings.Contains(err.Error(), "Role/"+c.ns+"/greedy") || !strings.Contains(err.Error(), "ConfigMap/"+c.ns+"/a") {
		t.Errorf("err = %v", err)
	}
}

// TestNeeds lets the API server refuse what others need, once validation is
// over: those must not be written then.
func TestNeeds(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	cfg := rest.CopyConfig(c.cfg)
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			if req.Method == http.MethodPatch && req.URL.Query().Get("dryRun") == "" && strings.HasPrefix(path.Base(req.URL.Path), "dep-") {
				return refusal(req, http.StatusForbidden, "Forbidden"), nil
			}
			return next.RoundTrip(req)
		})
	})
	a, err := ssa.New(cfg, ssa.Options{})
	if err != nil {
		t.Fatal(err)
	}
	names := slices.Sorted(maps.Keys(needs))
	var set []string
	for _, name := range names {
		set = append(set, needs[name][1], needs[name][0]) // the wrong way round
	}
	opts := ssa.ApplyOptions{Inventory: &inventory.Memory{}, ContinueOnError: true}
	t.Cleanup(func() { c.cleanUp(opts) })
	res, _ := a.Apply(t.Context(), c.objects(set...), opts)
	for i, name := range names {
		t.Run(name, func(t *testing.T) {
			needy, needed := res.Objects[2*i], res.Objects[2*i+1]
			if !errors.Is(needed.Err, ssa.ErrForbidden) {
				t.Fatalf("it was not refused: %v", needed)
			}
			if !errors.Is(needy.Err, ssa.ErrDependency) {
				t.Fatalf("written without it: %v", needy)
			}
			if says := fmt.Sprintf("%s failed", needed.Ref); name != "all but webhooks" && !strings.Contains(needy.Err.Error(), says) {
				t.Errorf("err = %v, want %s", needy.Err, says)
			}
		})
	}
}
