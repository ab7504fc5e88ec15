package images

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	imagev1 "github.com/fluxcd/image-reflector-controller/api/v1"
	"github.com/google/go-containerregistry/pkg/name"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/pullsecret"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/sources"
	"github.com/gitopskit/gitopskit/imagepolicy/scan"
)

// repositories reconciles ImageRepository objects.
type repositories struct{ *Images }

// maxExclusions is how many patterns an ImageRepository may have.
const maxExclusions = 25

// shownTags is how many tags the status lists.
const shownTags = 10

// Reconcile scans one repository.
func (r repositories) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	o := &api.ImageRepository{}
	err := r.Get(ctx, req.NamespacedName, o)
	if client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, err
	}
	if apierrors.IsNotFound(err) || !o.DeletionTimestamp.IsZero() {
		r.forget(req.NamespacedName)
		return ctrl.Result{}, nil
	}
	if o.Spec.Suspend {
		return ctrl.Result{}, nil
	}
	return r.conclude(ctx, o, r.Reflector, imagev1.ReadOperationFailedReason, func(o object) (outcome, error) {
		return r.scan(ctx, o.(*api.ImageRepository))
	})
}

func (r repositories) scan(ctx context.Context, o *api.ImageRepository) (outcome, error) {
	ref, err := checkImage(o)
	if err != nil {
		return outcome{}, err
	}
	image, err := r.open(ctx, o)
	if err != nil {
		return outcome{}, err
	}
	found, err := image.Scan(ctx)
	if err != nil {
		return outcome{}, err
	}
	tags := image.Tags().Tags()
	o.Status.CanonicalImageName = ref.Context().Name()
	o.Status.ObservedExclusionList = exclusions(o)
	o.Status.LastScanResult = &imagev1.ScanResult{
		Revision: revision(tags), TagCount: len(tags), ScanTime: metav1.NewTime(found.At), LatestTags: latest(tags),
	}
	return outcome{
		message: fmt.Sprintf("successful scan: found %d tags with checksum %s", len(tags), o.Status.LastScanResult.Revision),
		again:   o.Spec.Interval.Duration,
	}, nil
}

func checkImage(o *api.ImageRepository) (name.Reference, error) {
	invalid := func(err error) error { return sources.Stalled(imagev1.ImageURLInvalidReason, err) }
	if strings.Contains(o.Spec.Image, "://") {
		return nil, invalid(fmt.Errorf("spec.image %q must have no scheme: write %q", o.Spec.Image, o.Spec.Image[strings.Index(o.Spec.Image, "://")+3:]))
	}
	repository, err := name.NewRepository(o.Spec.Image)
	if err != nil {
		return nil, invalid(fmt.Errorf("spec.image %q must be a repository without a tag: %w", o.Spec.Image, err))
	}
	if len(o.Spec.ExclusionList) > maxExclusions {
		return nil, invalid(fmt.Errorf("spec.exclusionList has %d patterns, at most %d are allowed", len(o.Spec.ExclusionList), maxExclusions))
	}
	if p := o.Spec.Provider; p != "" && p != "generic" && o.Spec.SecretRef == nil {
		return nil, sources.Unsupported("spec.provider "+p, "name a Secret in spec.secretRef")
	}
	return repository.Tag("latest"), nil
}

func exclusions(o *api.ImageRepository) []string {
	if len(o.Spec.ExclusionList) > 0 {
		return o.Spec.ExclusionList
	}
	return []string{scan.DefaultExclude}
}

// revision names a set of tags.
func revision(tags []string) string {
	h := sha256.New()
	for _, t := range tags {
		_, _ = h.Write([]byte(t + "\n"))
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// latest are the tags that come last in their order, the last one first.
func latest(tags []string) []string {
	out := slices.Clone(tags[max(0, len(tags)-shownTags):])
	slices.Reverse(out)
	return out
}

// open returns the repository, with what was learned of it before unless it is
// asked in another way now.
func (r repositories) open(ctx context.Context, o *api.ImageRepository) (*scan.Image, error) {
	opts, err := r.access(ctx, o)
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%q %q %q", o.Spec.Image, exclusions(o), []string{
		string(opts.Auth.DockerConfig), string(opts.CA), string(opts.ClientCert), string(opts.ClientKey),
		opts.ProxyURL, opts.ProxyUsername, opts.ProxyPassword, strings.Join(opts.Insecure, ","), opts.Timeout.String(),
	})
	access, key := hex.EncodeToString(h.Sum(nil)), client.ObjectKeyFromObject(o)
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.known[key]
	if old != nil && old.access == access {
		return old.image, nil
	}
	c, err := scan.NewClient(opts)
	if err != nil {
		return nil, sources.Stalled(imagev1.AuthenticationFailedReason, err)
	}
	image, err := c.Image(scan.ImageOptions{Name: o.Spec.Image, Exclude: exclusions(o), Store: r.Store})
	if err != nil {
		return nil, errors.Join(sources.Stalled(imagev1.ImageURLInvalidReason, err), c.Close())
	}
	if old != nil {
		_ = old.client.Close()
	}
	if r.known == nil {
		r.known = map[client.ObjectKey]*scanned{}
	}
	r.known[key] = &scanned{image: image, client: c, access: access}
	return image, nil
}

// access says how the registry is reached.
func (r repositories) access(ctx context.Context, o *api.ImageRepository) (scan.ClientOptions, error) {
	opts := scan.ClientOptions{Timeout: timeout(o)}
	if o.Spec.Insecure {
		host, _, _ := strings.Cut(o.Spec.Image, "/")
		opts.Insecure = []string{host}
	}
	var err error
	if opts.Auth.DockerConfig, err = pullsecret.DockerConfig(ctx, r, o.Namespace, o.Spec.SecretRef, o.Spec.ServiceAccountName); err != nil {
		return opts, err
	}
	tls, err := sources.Secret(ctx, r, o.Namespace, o.Spec.CertSecretRef)
	if err != nil {
		return opts, err
	}
	opts.CA, opts.ClientCert, opts.ClientKey = tls["ca.crt"], tls["tls.crt"], tls["tls.key"]
	proxy, err := sources.Secret(ctx, r, o.Namespace, o.Spec.ProxySecretRef)
	opts.ProxyURL, opts.ProxyUsername, opts.ProxyPassword = string(proxy["address"]), string(proxy["username"]), string(proxy["password"])
	return opts, err
}

// timeout is the interval where none is given, and a second at least.
func timeout(o *api.ImageRepository) time.Duration {
	d := o.Spec.Interval.Duration
	if o.Spec.Timeout != nil {
		d = o.Spec.Timeout.Duration
	}
	return max(d, time.Second)
}
