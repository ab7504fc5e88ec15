package cluster

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	managedBy = "app.kubernetes.io/managed-by"
	ours      = "localcluster"
	pollEvery = 50 * time.Millisecond
)

// connect makes a client of the admin.
func connect(d dataDir, name string) (*kubernetes.Clientset, error) {
	cfg, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: d.kubeconfig()},
		&clientcmd.ConfigOverrides{CurrentContext: contextName(name)}).ClientConfig()
	if err != nil {
		return nil, err
	}
	cfg.QPS, cfg.Burst = 200, 400
	return kubernetes.NewForConfig(cfg)
}

// waitServing returns when the API server says that it is ready.
func waitServing(ctx context.Context, c kubernetes.Interface) error {
	var last error
	err := wait.PollUntilContextCancel(ctx, pollEvery, true, func(ctx context.Context) (bool, error) {
		_, last = c.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("the API server is not ready: %w", firstError(last, err))
	}
	return nil
}

// seed makes the nodes and the storage class, and removes nodes of an earlier
// run that are no longer asked for.
func seed(ctx context.Context, c kubernetes.Interface, nodes int) error {
	class := &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{
			Name:        "standard",
			Labels:      map[string]string{managedBy: ours},
			Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"},
		},
		Provisioner: Provisioner,
	}
	_, err := c.StorageV1().StorageClasses().Create(ctx, class, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("storage class: %w", err)
	}
	for i := range nodes {
		_, err := c.CoreV1().Nodes().Create(ctx, newNode(i), metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("node: %w", err)
		}
	}
	return removeSurplus(ctx, c, nodes)
}

func nodeName(i int) string { return "node-" + strconv.Itoa(i) }

func newNode(i int) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name: nodeName(i),
		Labels: map[string]string{
			managedBy:                       ours,
			corev1.LabelHostname:            nodeName(i),
			corev1.LabelOSStable:            "linux",
			corev1.LabelArchStable:          "amd64",
			corev1.LabelTopologyRegion:      "local",
			corev1.LabelTopologyZone:        "local-" + string(rune('a'+i%3)),
			"type":                          "kwok",
			"node-role.kubernetes.io/agent": "",
		},
		Annotations: map[string]string{"node.alpha.kubernetes.io/ttl": "0"},
	}}
}

func removeSurplus(ctx context.Context, c kubernetes.Interface, nodes int) error {
	list, err := c.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: managedBy + "=" + ours})
	if err != nil {
		return err
	}
	for _, n := range list.Items {
		i, err := strconv.Atoi(strings.TrimPrefix(n.Name, "node-"))
		if err != nil || i < nodes {
			continue
		}
		if err := c.CoreV1().Nodes().Delete(ctx, n.Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	return nil
}

// waitUsable returns when a pod could be made and would run: all nodes are ready
// and without taints, and the default service account is there.
func waitUsable(ctx context.Context, c kubernetes.Interface, nodes int) error {
	missing := ""
	err := wait.PollUntilContextCancel(ctx, pollEvery, true, func(ctx context.Context) (bool, error) {
		missing = unusable(ctx, c, nodes)
		return missing == "", nil
	})
	if err != nil {
		return fmt.Errorf("still waiting: %s: %w", missing, err)
	}
	return nil
}

// unusable tells what is still missing, or nothing.
func unusable(ctx context.Context, c kubernetes.Interface, nodes int) string {
	list, err := c.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err.Error()
	}
	ready := 0
	for _, n := range list.Items {
		if nodeReady(n) {
			ready++
		}
	}
	if ready < nodes {
		return fmt.Sprintf("%d of %d nodes are ready", ready, nodes)
	}
	_, err = c.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
	if err != nil {
		return "the default service account: " + err.Error()
	}
	return ""
}

func nodeReady(n corev1.Node) bool {
	if len(n.Spec.Taints) > 0 {
		return false
	}
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
