// Package api has the Go types of the custom resources that the reconciler
// reads: Flux's own, and beside them the fields of older versions that existing
// repositories and tutorials still use, so that nothing written for those is
// dropped without a word.
package api

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The versions in which objects are stored and read.
var (
	SourceGroup       = schema.GroupVersion{Group: "source.toolkit.fluxcd.io", Version: "v1"}
	KustomizeGroup    = schema.GroupVersion{Group: "kustomize.toolkit.fluxcd.io", Version: "v1"}
	ReceiverGroup     = schema.GroupVersion{Group: "notification.toolkit.fluxcd.io", Version: "v1"}
	ImageGroup        = schema.GroupVersion{Group: "image.toolkit.fluxcd.io", Version: "v1"}
	NotificationGroup = schema.GroupVersion{Group: "notification.toolkit.fluxcd.io", Version: "v1beta3"}
)

// AddToScheme registers the types.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(SourceGroup,
		&GitRepository{}, &GitRepositoryList{}, &OCIRepository{}, &OCIRepositoryList{}, &Bucket{}, &BucketList{})
	metav1.AddToGroupVersion(s, SourceGroup)
	s.AddKnownTypes(KustomizeGroup, &Kustomization{}, &KustomizationList{})
	metav1.AddToGroupVersion(s, KustomizeGroup)
	s.AddKnownTypes(NotificationGroup, &Provider{}, &ProviderList{}, &Alert{}, &AlertList{})
	metav1.AddToGroupVersion(s, NotificationGroup)
	s.AddKnownTypes(ReceiverGroup, &Receiver{}, &ReceiverList{})
	metav1.AddToGroupVersion(s, ReceiverGroup)
	s.AddKnownTypes(ImageGroup,
		&ImageRepository{}, &ImageRepositoryList{}, &ImagePolicy{}, &ImagePolicyList{}, &ImageUpdateAutomation{}, &ImageUpdateAutomationList{})
	metav1.AddToGroupVersion(s, ImageGroup)
	return nil
}
