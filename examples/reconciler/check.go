package main

import (
	"context"

	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	authorizationv1 "k8s.io/api/authorization/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilversion "k8s.io/apimachinery/pkg/util/version"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/crds"
	"github.com/gitopskit/gitopskit/ssa/health"
)

// minKubernetes is the oldest version whose behaviour the reconciler is made
// for.
const minKubernetes = "1.31.0"

func checkCommand() *cobra.Command {
	var kubeconfig, namespace string
	var pre bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say whether a cluster is fit for the reconciler, and whether it runs",
		Long: `Check the version of Kubernetes and the rights of the account in use, and, unless
--pre is given, the CustomResourceDefinitions and the Deployment. Exit code 1 if
anything is amiss.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := restConfig(kubeconfig)
			if err != nil {
				return err
			}
			c := checker{out: cmd.OutOrStdout(), cfg: cfg, namespace: namespace}
			c.cluster(cmd.Context())
			if !pre {
				c.installation(cmd.Context())
			}
			if c.failed > 0 {
				return fmt.Errorf("%d checks failed", c.failed)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.BoolVar(&pre, "pre", false, "only what is needed before the installation")
	f.StringVarP(&namespace, "namespace", "n", "flux-system", "namespace of the installation")
	f.StringVar(&kubeconfig, "kubeconfig", "", "file that leads to the cluster")
	return cmd
}

type checker struct {
	out       io.Writer
	cfg       *rest.Config
	namespace string
	failed    int
}

func (c *checker) say(ok bool, format string, args ...any) {
	mark := "✔"
	if !ok {
		mark = "✗"
		c.failed++
	}
	fmt.Fprintf(c.out, "%s %s\n", mark, fmt.Sprintf(format, args...))
}

func (c *checker) cluster(ctx context.Context) {
	client, err := kubernetes.NewForConfig(c.cfg)
	if err != nil {
		c.say(false, "no client: %v", err)
		return
	}
	info, err := client.Discovery().ServerVersion()
	if err != nil {
		c.say(false, "the API server does not answer: %v", err)
		return
	}
	v, err := utilversion.ParseGeneric(info.GitVersion)
	c.say(err == nil && v.AtLeast(utilversion.MustParseGeneric(minKubernetes)), "Kubernetes %s, at least %s is needed", info.GitVersion, minKubernetes)
	review, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
			Group: "apiextensions.k8s.io", Resource: "customresourcedefinitions", Verb: "patch",
		}},
	}, metav1.CreateOptions{})
	c.say(err == nil && review.Status.Allowed, "this account may change CustomResourceDefinitions")
}

func (c *checker) installation(ctx context.Context) {
	client, err := dynamic.NewForConfig(c.cfg)
	if err != nil {
		c.say(false, "no client: %v", err)
		return
	}
	wanted, err := crds.All()
	if err != nil {
		c.say(false, "%v", err)
		return
	}
	definitions := client.Resource(apiextensionsv1.SchemeGroupVersion.WithResource("customresourcedefinitions"))
	for _, want := range wanted {
		live, err := definitions.Get(ctx, want.GetName(), metav1.GetOptions{})
		if err != nil {
			c.say(false, "%s: %v: run 'reconciler install'", want.GetName(), err)
			continue
		}
		missing := missingVersions(want, live)
		c.say(missing == nil, "%s serves all versions%s", want.GetName(), orNothing(missing))
	}
	deployment, err := client.Resource(deploymentResource).Namespace(c.namespace).Get(ctx, "reconciler", metav1.GetOptions{})
	if err != nil {
		c.say(false, "Deployment %s/reconciler: %v: run 'reconciler install'", c.namespace, err)
		return
	}
	report := health.Evaluate(deployment)
	c.say(report.Status == health.Current, "Deployment %s/reconciler: %s %s", c.namespace, report.Status, report.Message)
}

var deploymentResource = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}

func orNothing(missing []string) string {
	if missing == nil {
		return ""
	}
	return fmt.Sprintf(" (missing: %v; run 'reconciler install')", missing)
}

// missingVersions returns the versions that a definition should serve and does
// not.
func missingVersions(want, live *unstructured.Unstructured) []string {
	served := servedVersions(live)
	var out []string
	for _, v := range servedVersions(want) {
		if !slices.Contains(served, v) {
			out = append(out, v)
		}
	}
	return out
}

func servedVersions(crd *unstructured.Unstructured) []string {
	versions, _, err := unstructured.NestedSlice(crd.Object, "spec", "versions")
	if err != nil {
		return nil
	}
	var out []string
	for _, v := range versions {
		m, ok := v.(map[string]any)
		if ok && m["served"] == true {
			out = append(out, fmt.Sprint(m["name"]))
		}
	}
	return out
}
