package alerts

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/gitopskit/gitopskit/notify"
)

// Recorder sends what it is told both to the cluster's events and to the
// dispatcher.
func (a *Alerts) Recorder(to record.EventRecorder, controller string) record.EventRecorder {
	host, _ := os.Hostname()
	return &recorder{EventRecorder: to, alerts: a, controller: controller, instance: host}
}

type recorder struct {
	record.EventRecorder
	alerts               *Alerts
	controller, instance string
}

func (r *recorder) Event(o runtime.Object, kind, reason, message string) {
	r.EventRecorder.Event(o, kind, reason, message)
	r.dispatch(o, nil, kind, reason, message)
}

func (r *recorder) Eventf(o runtime.Object, kind, reason, format string, args ...any) {
	r.EventRecorder.Eventf(o, kind, reason, format, args...)
	r.dispatch(o, nil, kind, reason, fmt.Sprintf(format, args...))
}

func (r *recorder) AnnotatedEventf(o runtime.Object, annotations map[string]string, kind, reason, format string, args ...any) {
	r.EventRecorder.AnnotatedEventf(o, annotations, kind, reason, format, args...)
	r.dispatch(o, annotations, kind, reason, fmt.Sprintf(format, args...))
}

// dispatch never waits for a destination: the dispatcher has a queue for each.
func (r *recorder) dispatch(o runtime.Object, annotations map[string]string, kind, reason, message string) {
	e, ok := r.event(o, annotations, kind, reason, message)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if _, err := r.alerts.dispatcher.Dispatch(ctx, e); err != nil && !errors.Is(err, notify.ErrDuplicate) {
		ctrl.Log.WithName("alerts").Error(err, "event not sent", "object", e.InvolvedObject.String(), "reason", reason)
	}
}

func (r *recorder) event(o runtime.Object, annotations map[string]string, kind, reason, message string) (notify.Event, bool) {
	object, ok := o.(client.Object)
	if !ok {
		return notify.Event{}, false
	}
	gvk, err := apiutil.GVKForObject(o, r.alerts.Scheme())
	if err != nil {
		return notify.Event{}, false
	}
	e := notify.Event{
		InvolvedObject: notify.Object{
			APIVersion: gvk.GroupVersion().String(), Kind: gvk.Kind,
			Namespace: object.GetNamespace(), Name: object.GetName(), UID: string(object.GetUID()),
		},
		Severity: notify.SeverityInfo, Timestamp: time.Now(), Message: message, Reason: reason,
		ReportingController: r.controller, ReportingInstance: r.instance,
		Labels: object.GetLabels(), Metadata: map[string]string{},
	}
	if len(e.Message) > notify.MaxMessage {
		e.Message = strings.ToValidUTF8(e.Message[:notify.MaxMessage-len("…")], "") + "…"
	}
	if kind == corev1.EventTypeWarning {
		e.Severity = notify.SeverityError
	}
	for k, v := range object.GetAnnotations() {
		if strings.HasPrefix(k, notify.EventGroup+"/") {
			e.Metadata[k] = v
		}
	}
	maps.Copy(e.Metadata, annotations)
	return e, true
}
