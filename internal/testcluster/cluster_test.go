package testcluster_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/gitopskit/gitopskit/internal/testcluster"
)

func TestMain(m *testing.M) { os.Exit(testcluster.Main(m)) }

func connect(t *testing.T, c *testcluster.Cluster) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(c.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// eventually looks until done says so; the cluster is another process.
func eventually(t *testing.T, what string, done func(ctx context.Context) (bool, error)) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		var ok bool
		ok, last = done(ctx)
		return ok, nil
	})
	if err != nil {
		t.Fatalf("%s: %v (last: %v)", what, err, last)
	}
}

func TestSharedGivesOneCluster(t *testing.T) {
	if a, b := testcluster.Shared(t), testcluster.Shared(t); a.RESTConfig().Host != b.RESTConfig().Host {
		t.Errorf("two clusters: %s and %s", a.RESTConfig().Host, b.RESTConfig().Host)
	}
}

func TestNamespaceIsFreshAndGoesWithTheTest(t *testing.T) {
	c := testcluster.Shared(t)
	client := connect(t, c)
	seen := map[string]bool{}
	for i := range 2 {
		t.Run(fmt.Sprintf("A Name/with (odd) letters %d", i), func(t *testing.T) {
			ns := c.Namespace(t)
			if _, err := client.CoreV1().Namespaces().Get(t.Context(), ns, metav1.GetOptions{}); err != nil {
				t.Error(err)
			}
			seen[ns] = true
		})
	}
	if len(seen) != 2 {
		t.Errorf("got namespaces %v, want two different ones", seen)
	}
	for ns := range seen {
		eventually(t, ns+" is gone", func(ctx context.Context) (bool, error) {
			_, err := client.CoreV1().Namespaces().Get(ctx, ns, metav1.GetOptions{})
			return apierrors.IsNotFound(err), err
		})
	}
}

func TestNothingOfTheHarnessRunsInTheTestBinary(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	c := testcluster.Shared(t)
	t.Run("uses a namespace", func(t *testing.T) { c.Namespace(t) })
	c.WaitReady(t)
}

func TestAccess(t *testing.T) {
	c := testcluster.Shared(t)
	if !c.Local() {
		t.Skip("about the credentials of a localcluster")
	}
	raw, err := clientcmd.LoadFromFile(c.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	token := c.RESTConfig()
	token.TLSClientConfig.CertData, token.TLSClientConfig.KeyData = nil, nil
	token.BearerToken = raw.AuthInfos[raw.CurrentContext+"-token"].Token
	stranger := rest.AnonymousClientConfig(c.RESTConfig())
	liar := rest.CopyConfig(token)
	liar.BearerToken = "wrong"
	blind := c.RESTConfig()
	blind.TLSClientConfig.CAData = nil
	cases := map[string]struct {
		cfg  *rest.Config
		want func(error) bool
	}{
		"lets the client certificate in":          {c.RESTConfig(), func(err error) bool { return err == nil }},
		"lets the token in":                       {token, func(err error) bool { return err == nil }},
		"forbids the anonymous":                   {stranger, apierrors.IsForbidden},
		"refuses a wrong token":                   {liar, apierrors.IsUnauthorized},
		"is not trusted without its own CA":       {blind, func(err error) bool { return err != nil && apierrors.ReasonForError(err) == metav1.StatusReasonUnknown }},
		"confines an impersonated tenant by RBAC": {impersonate(c.RESTConfig(), "tenant"), apierrors.IsForbidden},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			client, err := kubernetes.NewForConfig(tc.cfg)
			if err != nil {
				t.Fatal(err)
			}
			_, err = client.CoreV1().Secrets("kube-system").List(t.Context(), metav1.ListOptions{})
			if !tc.want(err) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func impersonate(cfg *rest.Config, user string) *rest.Config {
	cfg.Impersonate.UserName = user
	return cfg
}

func TestNewIsACluster(t *testing.T) {
	c := testcluster.New(t, "--nodes=3")
	client := connect(t, c)
	nodes, err := client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(nodes.Items) != 3 {
		t.Errorf("got %d nodes, want 3", len(nodes.Items))
	}
	for _, n := range nodes.Items {
		if len(n.Spec.Taints) > 0 {
			t.Errorf("%s has taints %v", n.Name, n.Spec.Taints)
		}
	}
	if _, err := client.CoreV1().ServiceAccounts(corev1.NamespaceDefault).Get(t.Context(), "default", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
}
