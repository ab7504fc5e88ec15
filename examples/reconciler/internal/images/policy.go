package images

import (
	"context"
	"errors"
	"fmt"
	"time"

	imagev1 "github.com/fluxcd/image-reflector-controller/api/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/sources"
	"github.com/gitopskit/gitopskit/imagepolicy"
	"github.com/gitopskit/gitopskit/imagepolicy/scan"
)

// policies reconciles ImagePolicy objects.
type policies struct{ *Images }

// Reconcile chooses the tag of one policy.
func (r policies) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	o := &api.ImagePolicy{}
	if err := r.Get(ctx, req.NamespacedName, o); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if o.Spec.Suspend || !o.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	return r.conclude(ctx, o, r.Reflector, "Failure", func(o object) (outcome, error) {
		return r.choose(ctx, o.(*api.ImagePolicy))
	})
}

func (r policies) choose(ctx context.Context, o *api.ImagePolicy) (outcome, error) {
	policy, err := imagepolicy.New(specOf(o))
	if err != nil {
		return outcome{}, sources.Stalled("InvalidPolicy", err)
	}
	repo, err := r.repository(ctx, o)
	if err != nil {
		return outcome{}, err
	}
	image, err := r.scannedTags(ctx, repo)
	switch {
	case err != nil:
		return outcome{}, err
	case image != nil:
	case o.Status.LatestRef != nil && o.Status.ObservedGeneration == o.Generation:
		return outcome{message: resolved(*o.Status.LatestRef)}, nil // this process just began: the scan brings it back
	default:
		return outcome{}, notReady(fmt.Errorf("the ImageRepository %s/%s has not been scanned yet", repo.Namespace, repo.Name))
	}
	choice, err := image.Choose(ctx, scan.Want{Policy: policy})
	if err != nil {
		return outcome{}, err
	}
	ref := imagev1.ImageRef{Name: repo.Spec.Image, Tag: choice.Tag}
	if ref.Digest, err = digest(ctx, image, o, ref); err != nil {
		return outcome{}, err
	}
	message := r.note(o, ref)
	done := outcome{message: message}
	if o.Spec.DigestReflectionPolicy == imagev1.ReflectAlways && o.Spec.Interval != nil {
		done.again = max(o.Spec.Interval.Duration, time.Second)
	}
	return done, nil
}

// scannedTags returns the repository with its tags, which may be known from
// before this process began; nil if there are none.
func (r policies) scannedTags(ctx context.Context, repo *api.ImageRepository) (*scan.Image, error) {
	image := r.image(client.ObjectKeyFromObject(repo))
	if image == nil && repo.Status.LastScanResult != nil {
		var err error
		if image, err = repositories(r).open(ctx, repo); err != nil {
			return nil, err
		}
	}
	if image == nil || len(image.Tags().Tags()) == 0 && (repo.Status.LastScanResult == nil || repo.Status.LastScanResult.TagCount > 0) {
		return nil, nil
	}
	return image, nil
}

func resolved(ref imagev1.ImageRef) string {
	return fmt.Sprintf("Latest image tag for %s resolved to %s", ref.Name, ref.Tag)
}

// note writes what was chosen into the status.
func (r policies) note(o *api.ImagePolicy, ref imagev1.ImageRef) string {
	message := resolved(ref)
	old := o.Status.LatestRef
	if old != nil && *old == ref {
		return message
	}
	told := message
	if old != nil {
		told += fmt.Sprintf(" (previously %s)", old.String())
		o.Status.ObservedPreviousRef = old
	}
	o.Status.LatestRef = &ref
	r.Reflector.Event(o, corev1.EventTypeNormal, "Succeeded", told)
	return message
}

// digest is that of the chosen tag, as far as the policy wants it.
func digest(ctx context.Context, image *scan.Image, o *api.ImagePolicy, ref imagev1.ImageRef) (string, error) {
	switch old := o.Status.LatestRef; o.Spec.DigestReflectionPolicy {
	case imagev1.ReflectIfNotPresent:
		if old != nil && old.Name == ref.Name && old.Tag == ref.Tag && old.Digest != "" {
			return old.Digest, nil
		}
		return image.Digest(ctx, ref.Tag)
	case imagev1.ReflectAlways:
		return image.Digest(ctx, ref.Tag)
	}
	return "", nil
}

func specOf(o *api.ImagePolicy) imagepolicy.Spec {
	var s imagepolicy.Spec
	if f := o.Spec.FilterTags; f != nil {
		s.Pattern, s.Extract = f.Pattern, f.Extract
	}
	switch p := o.Spec.Policy; {
	case p.SemVer != nil:
		s.Kind, s.Range = imagepolicy.Semver, p.SemVer.Range
	case p.Alphabetical != nil:
		s.Kind, s.Order = imagepolicy.Alphabetical, imagepolicy.Order(p.Alphabetical.Order)
	case p.Numerical != nil:
		s.Kind, s.Order = imagepolicy.Numerical, imagepolicy.Order(p.Numerical.Order)
	}
	return s
}

func notReady(err error) error {
	return &sources.Failure{Reason: imagev1.DependencyNotReadyReason, Err: err}
}

// repository returns the ImageRepository that a policy may use.
func (r policies) repository(ctx context.Context, o *api.ImagePolicy) (*api.ImageRepository, error) {
	key := repositoryKey(o)
	if r.NoCrossNamespaceRefs && key.Namespace != o.Namespace {
		return nil, sources.Stalled("AccessDenied", fmt.Errorf("can't access 'ImageRepository/%s': references to other namespaces are turned off on this cluster", key))
	}
	repo := &api.ImageRepository{}
	err := r.Get(ctx, key, repo)
	if apierrors.IsNotFound(err) {
		return nil, notReady(fmt.Errorf("the ImageRepository %s does not exist: create it, or correct spec.imageRepositoryRef", key))
	}
	if err != nil || key.Namespace == o.Namespace {
		return repo, err
	}
	ok, err := r.allowed(ctx, repo, o.Namespace)
	if err == nil && !ok {
		err = &sources.Failure{Reason: "AccessDenied", Err: errors.New("the ImageRepository " + key.String() + " lets no objects of the namespace " + o.Namespace + " use it: see its spec.accessFrom")}
	}
	return repo, err
}

// allowed reports whether an ImageRepository lets another namespace use it.
func (r policies) allowed(ctx context.Context, repo *api.ImageRepository, namespace string) (bool, error) {
	if repo.Spec.AccessFrom == nil {
		return false, nil
	}
	ns := &corev1.Namespace{}
	if err := r.Get(ctx, client.ObjectKey{Name: namespace}, ns); err != nil {
		return false, err
	}
	for _, s := range repo.Spec.AccessFrom.NamespaceSelectors {
		if labels.SelectorFromSet(s.MatchLabels).Matches(labels.Set(ns.Labels)) {
			return true, nil
		}
	}
	return false, nil
}

func repositoryKey(o *api.ImagePolicy) client.ObjectKey {
	key := client.ObjectKey{Namespace: o.Spec.ImageRepositoryRef.Namespace, Name: o.Spec.ImageRepositoryRef.Name}
	if key.Namespace == "" {
		key.Namespace = o.Namespace
	}
	return key
}
