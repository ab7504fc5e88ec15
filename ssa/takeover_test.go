package ssa_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitopskit/gitopskit/internal/testcluster"
	"github.com/gitopskit/gitopskit/ssa"
)

// kubectl runs a command of kubectl on manifests.
func (c *cluster) kubectl(t *testing.T, manifest string, args ...string) {
	t.Helper()
	cmd := testcluster.Shared(t).Kubectl(t, append(args, "--namespace="+c.ns, "-f", "-")...)
	cmd.Env, cmd.Stdin = os.Environ(), strings.NewReader(strings.ReplaceAll(manifest, "NS", c.ns))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("kubectl: %v\n%s", err, out)
	}
}

const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

func TestMigrationFromKubectl(t *testing.T) {
	t.Parallel()
	secret := "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: NS}\nstringData: {tls.key: hidden, old: hidden}\n"
	for _, how := range []string{"client-side apply", "server-side apply", "create"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, ssa.Options{TakeOver: []string{"kubectl*"}})
			args := map[string][]string{"client-side apply": {"apply"}, "server-side apply": {"apply", "--server-side"}, "create": {"create"}}[how]
			c.kubectl(t, strings.Join([]string{configA, configB, web, secret}, "\n---\n"), args...)

			set := []string{
				strings.Replace(configA, "{key: one, other: two}", "{key: one}", 1), // a value goes
				configB, // nothing but the owner changes
				strings.Replace(web, ", ports: [{containerPort: 8080}]", "", 1),
				strings.Replace(secret, ", old: hidden", "", 1),
			}
			opts := ssa.ApplyOptions{Set: "s", Diff: true}
			for _, o := range c.mustApply(opts, set...).Objects {
				for _, ch := range o.Diff {
					if strings.Contains(ch.String(), "hidden") || strings.Contains(ch.String(), "aGlkZGVu") {
						t.Errorf("shows a value: %s", ch)
					}
				}
			}
			if d := cmp.Diff(map[string]any{"key": "one"}, c.get(configMaps, "a").Object["data"]); d != "" {
				t.Error(d)
			}
			secrets := configMaps
			secrets.Resource = "secrets"
			if data := c.get(secrets, "s").Object["data"].(map[string]any); len(data) != 1 {
				t.Errorf("the Secret has %d values", len(data))
			}
			if _, ok := c.get(deployments, "web").Object["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any)["ports"]; ok {
				t.Error("the port is still there")
			}
			for _, u := range []metav1.Object{c.get(configMaps, "a"), c.get(configMaps, "b"), c.get(secrets, "s"), c.get(deployments, "web")} {
				if _, ok := u.GetAnnotations()[lastApplied]; ok {
					t.Errorf("%s still says what kubectl has applied", u.GetName())
				}
				for _, e := range u.GetManagedFields() {
					if strings.HasPrefix(e.Manager, "kubectl") {
						t.Errorf("%s is still owned by %s", u.GetName(), e.Manager)
					}
				}
			}
			if res := c.mustApply(ssa.ApplyOptions{}, set...); res.Changed() {
				t.Errorf("a second time: %v", res.Objects)
			}
		})
	}
}

func TestManagersAreTakenOverByExactNameOrPrefix(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{TakeOver: []string{"helm", "kubectl-*"}})
	managers := map[string]bool{"helm": true, "helmet": false, "kubectl-edit": true, "kubectl": false}
	c.mustApply(ssa.ApplyOptions{}, configB)
	for manager := range managers {
		patch := `{"data":{"` + manager + `":"x"}}`
		if _, err := c.client.Resource(configMaps).Namespace(c.ns).Patch(t.Context(), "b", types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: manager}); err != nil {
			t.Fatal(err)
		}
	}
	c.mustApply(ssa.ApplyOptions{}, configB)
	data := c.get(configMaps, "b").Object["data"].(map[string]any)
	for manager, taken := range managers {
		if _, there := data[manager]; there == taken {
			t.Errorf("what %s has written is there: %v", manager, there)
		}
	}
}
