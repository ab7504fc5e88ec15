package images

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	automationv1 "github.com/fluxcd/image-automation-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitopskit/gitopskit/examples/internal/gitupdate"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/sources"
	"github.com/gitopskit/gitopskit/imagepolicy/setters"
	"github.com/gitopskit/gitopskit/imagepolicy/update"
	"github.com/gitopskit/gitopskit/source/git"
	"github.com/gitopskit/gitopskit/source/git/signature"
)

// automations reconciles ImageUpdateAutomation objects.
type automations struct{ *Images }

// Reconcile writes what the policies chose into one repository.
func (r automations) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	o := &api.ImageUpdateAutomation{}
	if err := r.Get(ctx, req.NamespacedName, o); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if o.Spec.Suspend || !o.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	return r.conclude(ctx, o, r.Automation, automationv1.UpdateFailedReason, func(o object) (outcome, error) {
		return r.update(ctx, o.(*api.ImageUpdateAutomation))
	})
}

func (r automations) update(ctx context.Context, o *api.ImageUpdateAutomation) (outcome, error) {
	opts, err := r.options(o)
	if err != nil {
		return outcome{}, err
	}
	repo, err := r.repository(ctx, o)
	if err != nil {
		return outcome{}, err
	}
	into, err := r.open(ctx, o, repo)
	if err != nil {
		return outcome{}, err
	}
	opts.Repository = into
	observed := automationv1.ObservedPolicies{}
	if opts.Images, err = r.chosen(ctx, o, observed); err != nil {
		return outcome{}, err
	}
	done := outcome{again: o.Spec.Interval.Duration}
	if len(opts.Images) == 0 {
		done.message = "no policies found"
		return done, nil
	}
	found, err := update.Run(ctx, opts)
	if err != nil {
		return outcome{}, failed(err)
	}
	now := metav1.Now()
	o.Status.LastAutomationRunTime = &now
	o.Status.ObservedPolicies = observed
	o.Status.ObservedSourceRevision = found.Pushed.Revision
	if !found.Pushed.Changed {
		done.message = "repository up-to-date"
		return done, nil
	}
	commit := found.Pushed.Revision[strings.LastIndexByte(found.Pushed.Revision, ':')+1:]
	o.Status.LastPushCommit, o.Status.LastPushTime = commit, &now
	done.message = fmt.Sprintf("pushed commit '%s' to branch '%s'", short(commit), orElse(found.Branch, into.Branch))
	r.Automation.AnnotatedEventf(o, map[string]string{automationv1.GroupVersion.Group + "/revision": found.Pushed.Revision},
		corev1.EventTypeNormal, "Succeeded", "%s\n%s", done.message, found.Message)
	if orElse(found.Branch, into.Branch) == into.Branch {
		r.bring(ctx, repo, now.Time)
	}
	return done, nil
}

// bring asks for the commit that was pushed, so that it does not have to be
// found at the next interval.
func (r automations) bring(ctx context.Context, repo *api.GitRepository, at time.Time) {
	patch := client.MergeFrom(repo.DeepCopy())
	if repo.Annotations == nil {
		repo.Annotations = map[string]string{}
	}
	repo.Annotations[meta.ReconcileRequestAnnotation] = at.Format(time.RFC3339Nano)
	if err := r.Patch(ctx, repo, patch); client.IgnoreNotFound(err) != nil {
		ctrl.LoggerFrom(ctx).Error(err, "the pushed commit will be found at the GitRepository's interval")
	}
}

func failed(err error) error {
	switch {
	case errors.Is(err, update.ErrTemplate):
		return sources.Stalled("InvalidTemplate", err)
	case errors.Is(err, update.ErrInvalid):
		return sources.Stalled(automationv1.UpdateFailedReason, err)
	}
	return &sources.Failure{Reason: automationv1.GitOperationFailedReason, Err: err}
}

func short(commit string) string { return commit[:min(7, len(commit))] }

func orElse(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// options translates the spec, but for what is found in the cluster.
func (r automations) options(o *api.ImageUpdateAutomation) (update.Options, error) {
	opts := update.Options{Automation: update.Name{Namespace: o.Namespace, Name: o.Name}}
	if o.Spec.GitSpec == nil {
		return opts, sources.Stalled(automationv1.InvalidSourceConfigReason, errors.New("set spec.git: it says who commits, and where to"))
	}
	if u := o.Spec.Update; u != nil {
		if u.Strategy != "" && u.Strategy != automationv1.UpdateStrategySetters {
			return opts, sources.Unsupported("spec.update.strategy "+string(u.Strategy), "use Setters")
		}
		opts.Path = u.Path
	}
	opts.Message, opts.Values = o.Spec.GitSpec.Commit.MessageTemplate, o.Spec.GitSpec.Commit.MessageTemplateValues
	if p := o.Spec.GitSpec.Push; p != nil {
		opts.Branch, opts.RefSpec = p.Branch, p.Refspec
	}
	return opts, nil
}

// repository returns the GitRepository that an automation may write to.
func (r automations) repository(ctx context.Context, o *api.ImageUpdateAutomation) (*api.GitRepository, error) {
	ref := o.Spec.SourceRef
	if ref.Kind != sourcev1.GitRepositoryKind {
		return nil, sources.Stalled(automationv1.InvalidSourceConfigReason, fmt.Errorf("spec.sourceRef.kind %q must be GitRepository", ref.Kind))
	}
	key := client.ObjectKey{Namespace: orElse(ref.Namespace, o.Namespace), Name: ref.Name}
	if r.NoCrossNamespaceRefs && key.Namespace != o.Namespace {
		return nil, sources.Stalled("AccessDenied", fmt.Errorf("can't access 'GitRepository/%s': references to other namespaces are turned off on this cluster", key))
	}
	repo := &api.GitRepository{}
	err := r.Get(ctx, key, repo)
	if apierrors.IsNotFound(err) {
		err = &sources.Failure{Reason: automationv1.SourceManagerFailedReason, Err: fmt.Errorf("the GitRepository %s does not exist: create it, or correct spec.sourceRef", key)}
	}
	return repo, err
}

// open opens the repository at what is to be checked out.
func (r automations) open(ctx context.Context, o *api.ImageUpdateAutomation, repo *api.GitRepository) (*gitupdate.Repository, error) {
	repo = repo.DeepCopy()
	if c := o.Spec.GitSpec.Checkout; c != nil {
		repo.Spec.Reference = &c.Reference
	}
	opts, err := r.Git.Options(ctx, repo)
	if err != nil {
		return nil, err
	}
	opts.Ignore, opts.SparsePaths, opts.Submodules, opts.MaxListingAge = "", nil, false, 0
	src, err := git.New(opts)
	if err != nil {
		return nil, sources.Stalled(automationv1.InvalidSourceConfigReason, err)
	}
	out := &gitupdate.Repository{Source: src, Branch: orElse(opts.Reference.Branch, "master")}
	author := o.Spec.GitSpec.Commit.Author
	out.Author = git.Signature{Name: orElse(author.Name, author.Email), Email: author.Email}
	if p := o.Spec.GitSpec.Push; p != nil {
		out.Options = p.Options
	}
	out.Signer, err = r.signer(ctx, o)
	return out, err
}

// signer signs commits with the key of a Secret; nil if none is named.
func (r automations) signer(ctx context.Context, o *api.ImageUpdateAutomation) (*signature.Signer, error) {
	k := o.Spec.GitSpec.Commit.SigningKey
	if k == nil {
		return nil, nil
	}
	data, err := sources.Secret(ctx, r, o.Namespace, &k.SecretRef)
	if err != nil {
		return nil, err
	}
	read, key, passphrase := signature.NewPGPSigner, "git.asc", "passphrase"
	if k.Type == automationv1.SigningKeyTypeSSH {
		read, key, passphrase = signature.NewSSHSigner, "identity", "password"
	}
	if len(data[key]) == 0 {
		return nil, fmt.Errorf("the Secret %s/%s has no %s", o.Namespace, k.SecretRef.Name, key)
	}
	s, err := read(data[key], string(data[passphrase]))
	if err != nil {
		return nil, fmt.Errorf("the Secret %s/%s: %s: %w", o.Namespace, k.SecretRef.Name, key, err)
	}
	return s, nil
}

// chosen are the choices of the policies that an automation follows.
func (r automations) chosen(ctx context.Context, o *api.ImageUpdateAutomation, observed automationv1.ObservedPolicies) (map[setters.Policy]setters.Image, error) {
	selected := labels.Everything()
	if o.Spec.PolicySelector != nil {
		var err error
		if selected, err = metav1.LabelSelectorAsSelector(o.Spec.PolicySelector); err != nil {
			return nil, sources.Stalled(automationv1.InvalidPolicySelectorReason, fmt.Errorf("spec.policySelector: %w", err))
		}
	}
	list := &api.ImagePolicyList{}
	if err := r.List(ctx, list, client.InNamespace(o.Namespace), client.MatchingLabelsSelector{Selector: selected}); err != nil {
		return nil, err
	}
	out := map[setters.Policy]setters.Image{}
	for i := range list.Items {
		p := &list.Items[i]
		ref := p.Status.LatestRef
		if ref == nil {
			continue
		}
		out[setters.Policy{Namespace: p.Namespace, Name: p.Name}] = setters.Image{Name: ref.Name, Tag: ref.Tag, Digest: ref.Digest}
		observed[p.Name] = automationv1.ImageRef{Name: ref.Name, Tag: ref.Tag, Digest: ref.Digest}
	}
	return out, nil
}
