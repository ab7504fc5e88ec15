package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/git"
)

// options translates the spec.
func (r *Reconciler) options(ctx context.Context, repo *api.GitRepository) (git.Options, error) {
	opts := git.Options{
		URL:         repo.Spec.URL,
		Mirrors:     r.Mirrors,
		SparsePaths: repo.Spec.SparseCheckout,
		Reference:   reference(repo.Spec.Reference),
		Submodules:  repo.Spec.RecurseSubmodules,
	}
	if !requested(repo) {
		opts.MaxListingAge = min(listingAge, repo.Spec.Interval.Duration/2)
	}
	if repo.Spec.Ignore != nil {
		opts.Ignore = *repo.Spec.Ignore
	}
	if repo.Spec.Timeout != nil {
		opts.Timeout = repo.Spec.Timeout.Duration
	}
	if repo.Spec.SecretRef != nil {
		data, err := r.secret(ctx, repo.Namespace, repo.Spec.SecretRef.Name)
		if err != nil {
			return opts, err
		}
		opts.Auth = git.AuthFromSecret(data)
	}
	if err := checkProvider(repo, opts.Auth); err != nil {
		return opts, err
	}
	if v := repo.Spec.Verification; v != nil {
		verify, err := r.verify(ctx, repo.Namespace, v)
		if err != nil {
			return opts, err
		}
		opts.Verify = verify
	}
	if repo.Spec.ProxySecretRef != nil {
		data, err := r.secret(ctx, repo.Namespace, repo.Spec.ProxySecretRef.Name)
		if err != nil {
			return opts, err
		}
		opts.Proxy = git.Proxy{URL: string(data["address"]), Username: string(data["username"]), Password: string(data["password"])}
	}
	return opts, nil
}

// checkProvider holds provider and Secret to each other, as Flux does: a GitHub
// App is used if, and only if, spec.provider says so.
func checkProvider(repo *api.GitRepository, auth git.Auth) error {
	app := auth.GitHubApp != nil
	switch wanted := repo.Spec.Provider == sourcev1.GitProviderGitHub; {
	case wanted && !app:
		return &stalledError{reason: sourcev1.InvalidProviderConfigurationReason, err: errors.New(
			"spec.provider is github: spec.secretRef must name a Secret with githubAppID, githubAppPrivateKey and the installation")}
	case app && !wanted:
		return &stalledError{reason: sourcev1.InvalidProviderConfigurationReason, err: errors.New(
			"the Secret of spec.secretRef holds a GitHub App: set spec.provider to github")}
	}
	return nil
}

// listingAge is how old a listing of references may be, so that repositories
// that come up at about the same time share one.
const listingAge = 5 * time.Second

// requested reports whether somebody asks to look now.
func requested(repo *api.GitRepository) bool {
	at, ok := meta.ReconcileAnnotationValue(repo.Annotations)
	return ok && at != repo.Status.GetLastHandledReconcileRequest()
}

func reference(ref *sourcev1.GitRepositoryRef) git.Reference {
	if ref == nil {
		return git.Reference{}
	}
	return git.Reference{Branch: ref.Branch, Tag: ref.Tag, SemVer: ref.SemVer, Name: ref.Name, Commit: ref.Commit}
}

func (r *Reconciler) secret(ctx context.Context, namespace, name string) (map[string][]byte, error) {
	s := &corev1.Secret{}
	err := r.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, s)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("%w: the Secret %s/%s does not exist: create it, or correct the reference to it", source.ErrAuth, namespace, name)
	}
	return s.Data, err
}
