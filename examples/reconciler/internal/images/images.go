// Package images reconciles ImageRepository, ImagePolicy and
// ImageUpdateAutomation objects: it scans registries, chooses tags, and writes
// them to Git.
package images

import (
	"context"
	"errors"
	"sync"
	"time"

	imagev1 "github.com/fluxcd/image-reflector-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/gitrepo"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/intervals"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/metrics"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/sources"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/status"
	"github.com/gitopskit/gitopskit/imagepolicy/scan"
)

// Images is what the reconcilers of the three kinds share.
type Images struct {
	client.Client
	// Reflector and Automation tell of what was found, and of what was pushed.
	Reflector, Automation record.EventRecorder
	// Durations times reconciliations.
	Durations *metrics.Durations
	// Git opens the repositories that automations write to.
	Git *gitrepo.Kind
	// Store keeps what is known of tags over restarts.
	Store *scan.Store
	// NoCrossNamespaceRefs refuses references to other namespaces.
	NoCrossNamespaceRefs bool

	mu    sync.Mutex
	known map[types.NamespacedName]*scanned
}

// scanned is the repository that an ImageRepository names, and how it is asked.
type scanned struct {
	image  *scan.Image
	client *scan.Client
	access string // fingerprint of what it was opened with
}

// image returns what was scanned for an ImageRepository; nil if nothing was.
func (i *Images) image(key types.NamespacedName) *scan.Image {
	i.mu.Lock()
	defer i.mu.Unlock()
	if s := i.known[key]; s != nil {
		return s.image
	}
	return nil
}

func (i *Images) forget(key types.NamespacedName) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if s := i.known[key]; s != nil {
		_ = s.client.Close()
		delete(i.known, key)
	}
}

// object is one of the three kinds.
type object interface {
	status.Object
	SetObservedGeneration(int64)
	SetLastHandledReconcileRequest(string)
}

// outcome is what a reconciliation came to.
type outcome struct {
	message string
	again   time.Duration // zero: not before something changes
}

// conclude does what is to be done with a copy of an object, and writes its
// status.
func (i *Images) conclude(ctx context.Context, o object, events record.EventRecorder, failed string, do func(object) (outcome, error)) (ctrl.Result, error) {
	before, now := o.DeepCopyObject().(object), o.DeepCopyObject().(object)
	done, err := do(now)
	if ctx.Err() != nil {
		return ctrl.Result{}, ctx.Err()
	}
	var f *sources.Failure
	if !errors.As(err, &f) {
		f = &sources.Failure{Reason: failed, Err: err}
	}
	repeated := err != nil && status.Message(before) == err.Error()
	switch {
	case err == nil:
		status.Ready(now, meta.SucceededReason, done.message)
	case f.Stalled:
		status.Stalled(now, f.Reason, err.Error())
	default:
		status.Failed(now, f.Reason, err.Error())
	}
	if err != nil && !repeated && f.Reason != imagev1.DependencyNotReadyReason {
		events.Event(now, corev1.EventTypeWarning, f.Reason, err.Error())
	}
	now.SetObservedGeneration(now.GetGeneration())
	if at, ok := meta.ReconcileAnnotationValue(now.GetAnnotations()); ok {
		now.SetLastHandledReconcileRequest(at)
	}
	if patchErr := status.Patch(ctx, i.Client, before, now); patchErr != nil {
		return ctrl.Result{}, patchErr
	}
	if f.Stalled {
		err = nil // only another object gets over it
	}
	return ctrl.Result{RequeueAfter: intervals.Jitter(done.again)}, err
}
