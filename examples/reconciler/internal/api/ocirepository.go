package api

import (
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// OCIRepository is Flux's.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=ocirepo
// +kubebuilder:printcolumn:name="URL",type=string,JSONPath=`.spec.url`
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Status",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].message"
type OCIRepository struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec sourcev1.OCIRepositorySpec `json:"spec,omitempty"`
	// +kubebuilder:default={"observedGeneration":-1}
	Status sourcev1.OCIRepositoryStatus `json:"status,omitempty"`
}

// OCIRepositoryList is a list of OCIRepository.
//
// +kubebuilder:object:root=true
type OCIRepositoryList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []OCIRepository `json:"items"`
}

// GetConditions returns the status conditions.
func (in *OCIRepository) GetConditions() []metav1.Condition { return in.Status.Conditions }

// SetConditions replaces the status conditions.
func (in *OCIRepository) SetConditions(c []metav1.Condition) { in.Status.Conditions = c }

// GetArtifact returns what was fetched last.
func (in *OCIRepository) GetArtifact() *meta.Artifact { return in.Status.Artifact }

// SetArtifact says what was fetched last.
func (in *OCIRepository) SetArtifact(a *meta.Artifact) { in.Status.Artifact = a }

// GetInterval returns how often the source is looked at.
func (in *OCIRepository) GetInterval() time.Duration { return in.Spec.Interval.Duration }

// IsSuspended reports whether it is not to be looked at.
func (in *OCIRepository) IsSuspended() bool { return in.Spec.Suspend }

// SetObservedGeneration says which generation the status is about.
func (in *OCIRepository) SetObservedGeneration(g int64) { in.Status.ObservedGeneration = g }

// GetLastHandledReconcileRequest returns the last request to look now.
func (in *OCIRepository) GetLastHandledReconcileRequest() string {
	return in.Status.GetLastHandledReconcileRequest()
}

// SetLastHandledReconcileRequest says which request was the last.
func (in *OCIRepository) SetLastHandledReconcileRequest(at string) {
	in.Status.SetLastHandledReconcileRequest(at)
}

// DeepCopyObject returns a copy.
func (in *OCIRepository) DeepCopyObject() runtime.Object { return in.DeepCopy() }

// DeepCopy returns a copy.
func (in *OCIRepository) DeepCopy() *OCIRepository {
	out := &OCIRepository{TypeMeta: in.TypeMeta}
	in.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	in.Spec.DeepCopyInto(&out.Spec)
	in.Status.DeepCopyInto(&out.Status)
	return out
}

// DeepCopyObject returns a copy.
func (in *OCIRepositoryList) DeepCopyObject() runtime.Object {
	out := &OCIRepositoryList{TypeMeta: in.TypeMeta, Items: make([]OCIRepository, len(in.Items))}
	in.ListMeta.DeepCopyInto(&out.ListMeta)
	for i := range in.Items {
		out.Items[i] = *in.Items[i].DeepCopy()
	}
	return out
}
