package api

import (
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/kustomize"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Kustomization is Flux's, with the fields that older versions of it had.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=ks
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Status",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].message"
type Kustomization struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec KustomizationSpec `json:"spec,omitempty"`
	// +kubebuilder:default={"observedGeneration":-1}
	Status KustomizationStatus `json:"status,omitempty"`
}

// KustomizationSpec is Flux's, with the fields that older versions had.
type KustomizationSpec struct {
	kustomizev1.KustomizationSpec `json:",inline"`

	// Validation chose a way to validate once. It has no effect: everything is
	// validated by the API server before anything is written.
	// +kubebuilder:validation:Enum=none;client;server
	// +optional
	Validation string `json:"validation,omitempty"`
	// PatchesStrategicMerge are strategic merge patches.
	// +optional
	PatchesStrategicMerge []apiextensionsv1.JSON `json:"patchesStrategicMerge,omitempty"`
	// PatchesJSON6902 are JSON 6902 patches with their targets.
	// +optional
	PatchesJSON6902 []JSON6902Patch `json:"patchesJson6902,omitempty"`
}

// JSON6902Patch is a JSON 6902 patch of the objects that its target selects.
type JSON6902Patch struct {
	Patch  []apiextensionsv1.JSON `json:"patch"`
	Target kustomize.Selector     `json:"target"`
}

// KustomizationStatus is Flux's, with a field that an older version had.
type KustomizationStatus struct {
	kustomizev1.KustomizationStatus `json:",inline"`

	// Snapshot is the inventory of v1beta1. It is no longer written.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	Snapshot *apiextensionsv1.JSON `json:"snapshot,omitempty"`
}

// KustomizationList is a list of Kustomization.
//
// +kubebuilder:object:root=true
type KustomizationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Kustomization `json:"items"`
}

// GetConditions returns the status conditions.
func (in *Kustomization) GetConditions() []metav1.Condition { return in.Status.Conditions }

// SetConditions replaces the status conditions.
func (in *Kustomization) SetConditions(c []metav1.Condition) { in.Status.Conditions = c }

// IsSuspended reports whether it is not to be looked at.
func (in *Kustomization) IsSuspended() bool { return in.Spec.Suspend }

// DeepCopyObject returns a copy.
func (in *Kustomization) DeepCopyObject() runtime.Object { return in.DeepCopy() }

// DeepCopy returns a copy.
func (in *Kustomization) DeepCopy() *Kustomization {
	out := &Kustomization{TypeMeta: in.TypeMeta}
	in.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	in.Spec.KustomizationSpec.DeepCopyInto(&out.Spec.KustomizationSpec)
	out.Spec.Validation = in.Spec.Validation
	out.Spec.PatchesStrategicMerge = copyJSON(in.Spec.PatchesStrategicMerge)
	for _, p := range in.Spec.PatchesJSON6902 {
		out.Spec.PatchesJSON6902 = append(out.Spec.PatchesJSON6902, JSON6902Patch{Patch: copyJSON(p.Patch), Target: p.Target})
	}
	in.Status.KustomizationStatus.DeepCopyInto(&out.Status.KustomizationStatus)
	out.Status.Snapshot = in.Status.Snapshot.DeepCopy()
	return out
}

func copyJSON(in []apiextensionsv1.JSON) []apiextensionsv1.JSON {
	if in == nil {
		return nil
	}
	out := make([]apiextensionsv1.JSON, len(in))
	for i := range in {
		out[i] = *in[i].DeepCopy()
	}
	return out
}

// DeepCopyObject returns a copy.
func (in *KustomizationList) DeepCopyObject() runtime.Object {
	out := &KustomizationList{TypeMeta: in.TypeMeta, Items: make([]Kustomization, len(in.Items))}
	in.ListMeta.DeepCopyInto(&out.ListMeta)
	for i := range in.Items {
		out.Items[i] = *in.Items[i].DeepCopy()
	}
	return out
}
