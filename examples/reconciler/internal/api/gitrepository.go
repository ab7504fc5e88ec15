package api

import (
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// GitRepository is Flux's, with the fields that older versions of it had.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=gitrepo
// +kubebuilder:printcolumn:name="URL",type=string,JSONPath=`.spec.url`
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Status",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].message"
type GitRepository struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec GitRepositorySpec `json:"spec,omitempty"`
	// +kubebuilder:default={"observedGeneration":-1}
	Status sourcev1.GitRepositoryStatus `json:"status,omitempty"`
}

// GitRepositorySpec is Flux's, with the fields that older versions had.
type GitRepositorySpec struct {
	sourcev1.GitRepositorySpec `json:",inline"`

	// GitImplementation chose a Git library once. It has no effect.
	// +optional
	GitImplementation string `json:"gitImplementation,omitempty"`
	// AccessFrom limited access across namespaces once. It has no effect.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	AccessFrom *apiextensionsv1.JSON `json:"accessFrom,omitempty"`
}

// GitRepositoryList is a list of GitRepository.
//
// +kubebuilder:object:root=true
type GitRepositoryList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []GitRepository `json:"items"`
}

// GetConditions returns the status conditions.
func (in *GitRepository) GetConditions() []metav1.Condition { return in.Status.Conditions }

// SetConditions replaces the status conditions.
func (in *GitRepository) SetConditions(c []metav1.Condition) { in.Status.Conditions = c }

// GetArtifact returns what was fetched last.
func (in *GitRepository) GetArtifact() *meta.Artifact { return in.Status.Artifact }

// SetArtifact says what was fetched last.
func (in *GitRepository) SetArtifact(a *meta.Artifact) { in.Status.Artifact = a }

// GetInterval returns how often the source is looked at.
func (in *GitRepository) GetInterval() time.Duration { return in.Spec.Interval.Duration }

// IsSuspended reports whether it is not to be looked at.
func (in *GitRepository) IsSuspended() bool { return in.Spec.Suspend }

// SetObservedGeneration says which generation the status is about.
func (in *GitRepository) SetObservedGeneration(g int64) { in.Status.ObservedGeneration = g }

// GetLastHandledReconcileRequest returns the last request to look now.
func (in *GitRepository) GetLastHandledReconcileRequest() string {
	return in.Status.GetLastHandledReconcileRequest()
}

// SetLastHandledReconcileRequest says which request was the last.
func (in *GitRepository) SetLastHandledReconcileRequest(at string) {
	in.Status.SetLastHandledReconcileRequest(at)
}

// DeepCopyObject returns a copy.
func (in *GitRepository) DeepCopyObject() runtime.Object { return in.DeepCopy() }

// DeepCopy returns a copy.
func (in *GitRepository) DeepCopy() *GitRepository {
	out := &GitRepository{TypeMeta: in.TypeMeta}
	in.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	in.Spec.GitRepositorySpec.DeepCopyInto(&out.Spec.GitRepositorySpec)
	out.Spec.GitImplementation = in.Spec.GitImplementation
	out.Spec.AccessFrom = in.Spec.AccessFrom.DeepCopy()
	in.Status.DeepCopyInto(&out.Status)
	return out
}

// DeepCopyObject returns a copy.
func (in *GitRepositoryList) DeepCopyObject() runtime.Object {
	out := &GitRepositoryList{TypeMeta: in.TypeMeta, Items: make([]GitRepository, len(in.Items))}
	in.ListMeta.DeepCopyInto(&out.ListMeta)
	for i := range in.Items {
		out.Items[i] = *in.Items[i].DeepCopy()
	}
	return out
}
