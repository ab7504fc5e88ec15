package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/gitopskit/gitopskit/notify"
)

// watch dispatches the cluster's events from now on, until ctx ends.
func watch(ctx context.Context, d *notify.Dispatcher, kubeconfig string, log *slog.Logger) error {
	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return fmt.Errorf("%w: set KUBECONFIG, or read events with -stdin", err)
	}
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return err
	}
	if _, err := client.CoreV1().Events("").List(ctx, metav1.ListOptions{Limit: 1}); err != nil {
		return err
	}
	since := time.Now().Add(-time.Second)
	take := func(obj any) {
		e, ok := obj.(*corev1.Event)
		if !ok || lastSeen(e).Before(since) {
			return
		}
		if _, err := d.Dispatch(ctx, convert(e)); err != nil && !errors.Is(err, notify.ErrDuplicate) && ctx.Err() == nil {
			log.Warn("event not taken", "event", e.Name, "error", err)
		}
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	informer := factory.Core().V1().Events().Informer()
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: take, UpdateFunc: func(_, obj any) { take(obj) }}); err != nil {
		return err
	}
	informer.RunWithContext(ctx)
	return nil
}

func lastSeen(e *corev1.Event) time.Time {
	switch {
	case e.Series != nil:
		return e.Series.LastObservedTime.Time
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp.Time
	case !e.EventTime.IsZero():
		return e.EventTime.Time
	}
	return e.CreationTimestamp.Time
}

// convert makes an event of Kubernetes's: a Warning is an error. Controllers of
// Flux put their metadata into its annotations.
func convert(e *corev1.Event) notify.Event {
	o := e.InvolvedObject
	out := notify.Event{
		InvolvedObject: notify.Object{APIVersion: o.APIVersion, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name, UID: string(o.UID)},
		Severity:       notify.SeverityInfo, Timestamp: lastSeen(e), Message: e.Message, Reason: e.Reason, Metadata: e.Annotations,
		ReportingController: e.ReportingController, ReportingInstance: e.ReportingInstance,
	}
	if out.ReportingController == "" {
		out.ReportingController, out.ReportingInstance = e.Source.Component, e.Source.Host
	}
	if e.Type == corev1.EventTypeWarning {
		out.Severity = notify.SeverityError
	}
	if out.Message == "" {
		out.Message = e.Reason
	}
	return out
}
