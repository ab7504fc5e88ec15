// Package status sets conditions the way Flux's users and tools expect them:
// Ready always, Reconciling and Stalled only while they are true.
package status

import (
	"context"
	"time"
	"unicode/utf8"

	"github.com/fluxcd/pkg/apis/meta"
	"k8s.io/apimachinery/pkg/api/equality"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// An Object has conditions.
type Object interface {
	client.Object
	GetConditions() []metav1.Condition
	SetConditions([]metav1.Condition)
}

// maxMessage is how long a condition's message may be.
const maxMessage = 20000

// Set sets a condition for the object's current generation.
func Set(obj Object, kind string, value metav1.ConditionStatus, reason, message string) {
	conditions := obj.GetConditions()
	apimeta.SetStatusCondition(&conditions, metav1.Condition{
		Type: kind, Status: value, Reason: reason, Message: cut(message, maxMessage), ObservedGeneration: obj.GetGeneration(),
	})
	obj.SetConditions(conditions)
}

func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	s = s[:most-len("…")]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + "…"
}

// Remove takes conditions away.
func Remove(obj Object, kinds ...string) {
	conditions := obj.GetConditions()
	for _, k := range kinds {
		apimeta.RemoveStatusCondition(&conditions, k)
	}
	obj.SetConditions(conditions)
}

// Ready marks the object as reconciled.
func Ready(obj Object, reason, message string) {
	Remove(obj, meta.ReconcilingCondition, meta.StalledCondition)
	Set(obj, meta.ReadyCondition, metav1.ConditionTrue, reason, message)
}

// Failed marks the object as not ready, to be tried again.
func Failed(obj Object, reason, message string) {
	Remove(obj, meta.StalledCondition)
	Set(obj, meta.ReconcilingCondition, metav1.ConditionTrue, meta.ProgressingWithRetryReason, message)
	Set(obj, meta.ReadyCondition, metav1.ConditionFalse, reason, message)
}

// Stalled marks the object as not ready until somebody changes it.
func Stalled(obj Object, reason, message string) {
	Remove(obj, meta.ReconcilingCondition)
	Set(obj, meta.StalledCondition, metav1.ConditionTrue, reason, message)
	Set(obj, meta.ReadyCondition, metav1.ConditionFalse, reason, message)
}

// Progressing marks the object as being worked on.
func Progressing(obj Object, message string) {
	Remove(obj, meta.StalledCondition)
	Set(obj, meta.ReconcilingCondition, metav1.ConditionTrue, meta.ProgressingReason, message)
	Set(obj, meta.ReadyCondition, metav1.ConditionUnknown, meta.ProgressingReason, message)
}

// IsReady reports whether the object is ready in its current generation.
func IsReady(obj Object) bool {
	c := apimeta.FindStatusCondition(obj.GetConditions(), meta.ReadyCondition)
	return c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration == obj.GetGeneration()
}

// Message returns the message of the object's Ready condition.
func Message(obj Object) string {
	if c := apimeta.FindStatusCondition(obj.GetConditions(), meta.ReadyCondition); c != nil {
		return c.Message
	}
	return ""
}

// Patch writes the status of obj if it differs from that of before.
func Patch(ctx context.Context, c client.Client, before, obj client.Object) error {
	if equality.Semantic.DeepEqual(before, obj) {
		return nil
	}
	// The patch is given up to the API server whole even if the process is
	// being stopped: what was done has to be written down.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return client.IgnoreNotFound(c.Status().Patch(ctx, obj, client.MergeFrom(before)))
}
