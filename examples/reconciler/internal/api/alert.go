package api

import (
	notificationv1 "github.com/fluxcd/notification-controller/api/v1beta3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Alert is Flux's.
//
// +kubebuilder:object:root=true
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
type Alert struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec notificationv1.AlertSpec `json:"spec,omitempty"`
}

// AlertList is a list of Alert.
//
// +kubebuilder:object:root=true
type AlertList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Alert `json:"items"`
}

// IsSuspended reports whether it is not to be looked at.
func (in *Alert) IsSuspended() bool { return in.Spec.Suspend }

// DeepCopyObject returns a copy.
func (in *Alert) DeepCopyObject() runtime.Object { return in.DeepCopy() }

// DeepCopy returns a copy.
func (in *Alert) DeepCopy() *Alert {
	out := &Alert{TypeMeta: in.TypeMeta}
	in.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	in.Spec.DeepCopyInto(&out.Spec)
	return out
}

// DeepCopyObject returns a copy.
func (in *AlertList) DeepCopyObject() runtime.Object {
	out := &AlertList{TypeMeta: in.TypeMeta, Items: make([]Alert, len(in.Items))}
	in.ListMeta.DeepCopyInto(&out.ListMeta)
	for i := range in.Items {
		out.Items[i] = *in.Items[i].DeepCopy()
	}
	return out
}
