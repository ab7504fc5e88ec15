package release

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"helm.sh/helm/v3/pkg/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

// Helm's own waiting does not end with a context, and looks every two seconds. This
// one ends at once, and looks again after a quarter of a second, then after twice
// the time, up to Helm's two seconds.
const (
	firstPause = 250 * time.Millisecond
	lastPause  = 2 * time.Second
	// maxPollErrors is how often in a row looking may fail, as in Helm.
	maxPollErrors = 30
)

// poll waits until all resources are ready, by Helm's own notion of it.
func (c *waitingClient) poll(resources kube.ResourceList, timeout time.Duration, jobs bool) error {
	cs, err := c.Factory.KubernetesClientSet()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.ctx, timeout)
	defer cancel()
	checker := kube.NewReadyChecker(cs, c.Log, kube.PausedAsReady(true), kube.CheckJobs(jobs))
	failures := 0
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		waitsFor, err := firstNotReady(ctx, &checker, resources)
		switch {
		case err != nil && ctx.Err() == nil:
			if failures++; failures > maxPollErrors || !retryable(err) {
				return err
			}
		case err == nil && waitsFor == nil:
			return nil
		default:
			failures = 0
		}
		if err := sleep(ctx, pause); err != nil {
			return fmt.Errorf("%s is not ready: %w", nameOf(waitsFor), err)
		}
	}
}

func firstNotReady(ctx context.Context, checker *kube.ReadyChecker, resources kube.ResourceList) (*resource.Info, error) {
	for _, info := range resources {
		if ready, err := checker.IsReady(ctx, info); err != nil || !ready {
			return info, err
		}
	}
	return nil, nil
}

func retryable(err error) bool {
	var status *apierrors.StatusError
	if !errors.As(err, &status) {
		return true
	}
	code := status.Status().Code
	return code == 0 || code == http.StatusTooManyRequests || code >= 500 && code != http.StatusNotImplemented
}

func nameOf(info *resource.Info) string {
	if info == nil {
		return "the release"
	}
	return info.Mapping.GroupVersionKind.Kind + " " + info.Name
}

// sleep waits, or fails with the cause of the context's end.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// WatchUntilReady waits for hooks: for Jobs and Pods until they have succeeded, for
// all else not at all, as Helm does.
func (c *waitingClient) WatchUntilReady(resources kube.ResourceList, timeout time.Duration) error {
	if len(resources) == 0 {
		return kube.ErrNoObjectsVisited
	}
	ctx, cancel := context.WithTimeout(c.ctx, timeout)
	defer cancel()
	for _, info := range resources {
		if kind := info.Mapping.GroupVersionKind.Kind; kind != "Job" && kind != "Pod" {
			continue
		}
		c.Log("waiting for %s to succeed, for %v at most", nameOf(info), timeout)
		if err := untilSucceeded(ctx, info); err != nil {
			return err
		}
	}
	return nil
}

func untilSucceeded(ctx context.Context, info *resource.Info) error {
	lw := cache.NewListWatchFromClient(info.Client, info.Mapping.Resource.Resource, info.Namespace,
		fields.OneTermEqualSelector("metadata.name", info.Name))
	_, err := watchtools.UntilWithSync(ctx, lw, &unstructured.Unstructured{}, nil, func(e watch.Event) (bool, error) {
		switch e.Type {
		case watch.Added, watch.Modified:
			return succeeded(info, e.Object)
		case watch.Deleted:
			return true, nil
		case watch.Error:
			return true, fmt.Errorf("watch %s: %w", nameOf(info), apierrors.FromObject(e.Object))
		}
		return false, nil
	})
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%s has not succeeded: %w", nameOf(info), context.Cause(ctx))
	}
	return err
}

// succeeded tells whether a Job or Pod has come to its good end; its bad end is an
// error.
func succeeded(info *resource.Info, obj runtime.Object) (bool, error) {
	u, ok := obj.(*unstructured.Unstructured)
	if !ok {
		return false, fmt.Errorf("watch %s: got %T", nameOf(info), obj)
	}
	if u.GetKind() == "Pod" {
		phase, _, _ := unstructured.NestedString(u.Object, "status", "phase")
		if phase == "Failed" {
			return true, fmt.Errorf("pod %s failed", info.Name)
		}
		return phase == "Succeeded", nil
	}
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range conditions {
		condition, _ := c.(map[string]any)
		if condition["status"] != "True" {
			continue
		}
		switch condition["type"] {
		case "Complete":
			return true, nil
		case "Failed":
			return true, fmt.Errorf("job %s failed: %v", info.Name, condition["reason"])
		}
	}
	return false, nil
}
