package api

import (
	notificationv1 "github.com/fluxcd/notification-controller/api/v1beta3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Provider is Flux's.
//
// +kubebuilder:object:root=true
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
type Provider struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec notificationv1.ProviderSpec `json:"spec,omitempty"`
}

// ProviderList is a list of Provider.
//
// +kubebuilder:object:root=true
type ProviderList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Provider `json:"items"`
}

// IsSuspended reports whether it is not to be looked at.
func (in *Provider) IsSuspended() bool { return in.Spec.Suspend }

// DeepCopyObject returns a copy.
func (in *Provider) DeepCopyObject() runtime.Object { return in.DeepCopy() }

// DeepCopy returns a copy.
func (in *Provider) DeepCopy() *Provider {
	out := &Provider{TypeMeta: in.TypeMeta}
	in.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	in.Spec.DeepCopyInto(&out.Spec)
	return out
}

// DeepCopyObject returns a copy.
func (in *ProviderList) DeepCopyObject() runtime.Object {
	out := &ProviderList{TypeMeta: in.TypeMeta, Items: make([]Provider, len(in.Items))}
	in.ListMeta.DeepCopyInto(&out.ListMeta)
	for i := range in.Items {
		out.Items[i] = *in.Items[i].DeepCopy()
	}
	return out
}
