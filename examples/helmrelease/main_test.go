package main

import (
	"os"
	"path/filepath"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/gitopskit/gitopskit/internal/parts"
	"github.com/gitopskit/gitopskit/internal/testcluster"
)

func TestMain(m *testing.M) { os.Exit(testcluster.Main(m)) }

// TestPodinfo installs the chart, waiting by watch, and finds nothing to do the
// second time.
func TestPodinfo(t *testing.T) {
	c := testcluster.Shared(t)
	chart := filepath.Join(parts.SharedData(t), "podinfo", "charts", "podinfo")
	namespace := c.Namespace(t)
	t.Chdir(t.TempDir())
	for range 2 {
		if err := run(t.Context(), c.RESTConfig(), chart, "podinfo", namespace); err != nil {
			t.Fatal(err)
		}
	}
	client, err := kubernetes.NewForConfig(c.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	d, err := client.AppsV1().Deployments(namespace).Get(t.Context(), "podinfo", metav1.GetOptions{})
	if err != nil || d.Status.AvailableReplicas == 0 {
		t.Errorf("%d replicas are available, %v", d.Status.AvailableReplicas, err)
	}
	secrets, err := client.CoreV1().Secrets(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "owner=helm"})
	if err != nil || len(secrets.Items) != 1 {
		t.Errorf("%d revisions, %v", len(secrets.Items), err)
	}
}
