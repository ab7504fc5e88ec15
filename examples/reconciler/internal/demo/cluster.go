package demo

import (
	"context"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

var (
	configMaps     = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	deployments    = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	kustomizations = schema.GroupVersionResource{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Resource: "kustomizations"}
	kubeEvents     = schema.GroupVersionResource{Version: "v1", Resource: "events"}
)

const system = "flux-system"

// view looks at the cluster the way a person with kubectl would.
type view struct{ client dynamic.Interface }

func answers(ctx context.Context, cfg *rest.Config) bool {
	client, err := discovery.NewDiscoveryClientForConfig(cfg)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	data, err := client.RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
	return err == nil && string(data) == "ok"
}

// until waits until what happened is true. The error says what did not happen.
func (v view) until(ctx context.Context, what string, happened func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := happened(ctx)
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it did not happen within 90 s that %s: %w", what, ctx.Err())
		case <-tick.C:
		}
	}
}

func (v view) get(ctx context.Context, gvr schema.GroupVersionResource, namespace, name string) (*unstructured.Unstructured, error) {
	u, err := v.client.Resource(gvr).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return u, err
}

// ready reports the Ready condition of a Kustomization, and whether it is about
// a commit.
func (v view) ready(ctx context.Context, name, commit string) (status, message string, err error) {
	u, err := v.get(ctx, kustomizations, system, name)
	if err != nil || u == nil {
		return "", "", err
	}
	attempted, _, _ := unstructured.NestedString(u.Object, "status", "lastAttemptedRevision")
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range conditions {
		m, ok := c.(map[string]any)
		if ok && m["type"] == "Ready" && strings.HasSuffix(attempted, commit) {
			return fmt.Sprint(m["status"]), fmt.Sprint(m["message"]), nil
		}
	}
	return "", "", nil
}

// applied waits until both environments are ready at a commit.
func (v view) applied(ctx context.Context, commit string) error {
	for _, name := range []string{"staging", "production"} {
		err := v.until(ctx, name+" is ready at "+commit[:8], func(ctx context.Context) (bool, error) {
			status, _, err := v.ready(ctx, name, commit)
			return status == "True", err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// image returns the image that the Deployment of an environment runs.
func (v view) image(ctx context.Context, namespace string) (string, error) {
	u, err := v.get(ctx, deployments, namespace, "shop")
	if err != nil || u == nil {
		return "", err
	}
	containers, _, _ := unstructured.NestedSlice(u.Object, "spec", "template", "spec", "containers")
	for _, c := range containers {
		if m, ok := c.(map[string]any); ok {
			return fmt.Sprint(m["image"]), nil
		}
	}
	return "", nil
}

// edit changes an object as 'kubectl edit' does.
func (v view) edit(ctx context.Context, gvr schema.GroupVersionResource, namespace, name, patch string) error {
	_, err := v.client.Resource(gvr).Namespace(namespace).Patch(ctx, name, types.StrategicMergePatchType, []byte(patch),
		metav1.PatchOptions{FieldManager: "kubectl-edit"})
	return err
}

// follow tells of the reconciler's events as they come, until ctx ends.
func (v view) follow(ctx context.Context, tell func(string)) error {
	w, err := v.client.Resource(kubeEvents).Namespace(system).Watch(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	go func() {
		defer w.Stop()
		for ev := range w.ResultChan() {
			if u, ok := ev.Object.(*unstructured.Unstructured); ok && ctx.Err() == nil {
				tell(describe(u))
			}
		}
	}()
	return nil
}

func describe(event *unstructured.Unstructured) string {
	field := func(path ...string) string {
		s, _, _ := unstructured.NestedString(event.Object, path...)
		return s
	}
	return fmt.Sprintf("%s/%s: %s", field("involvedObject", "kind"), field("involvedObject", "name"), field("message"))
}
