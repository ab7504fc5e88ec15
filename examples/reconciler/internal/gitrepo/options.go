package gitrepo

import (
	"context"
	"errors"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/sources"
	"github.com/gitopskit/gitopskit/source/git"
)

// Options translates the spec.
func (k *Kind) Options(ctx context.Context, repo *api.GitRepository) (git.Options, error) {
	opts := git.Options{
		URL:         repo.Spec.URL,
		Mirrors:     k.Mirrors,
		SparsePaths: repo.Spec.SparseCheckout,
		Reference:   reference(repo.Spec.Reference),
		Submodules:  repo.Spec.RecurseSubmodules,
	}
	if !sources.Requested(repo) {
		opts.MaxListingAge = min(listingAge, repo.Spec.Interval.Duration/2)
	}
	if repo.Spec.Ignore != nil {
		opts.Ignore = *repo.Spec.Ignore
	}
	if repo.Spec.Timeout != nil {
		opts.Timeout = repo.Spec.Timeout.Duration
	}
	data, err := sources.Secret(ctx, k, repo.Namespace, repo.Spec.SecretRef)
	if err != nil {
		return opts, err
	}
	opts.Auth = git.AuthFromSecret(data)
	if err := checkProvider(repo, opts.Auth); err != nil {
		return opts, err
	}
	if v := repo.Spec.Verification; v != nil {
		verify, err := k.verify(ctx, repo.Namespace, v)
		if err != nil {
			return opts, err
		}
		opts.Verify = verify
	}
	data, err = sources.Secret(ctx, k, repo.Namespace, repo.Spec.ProxySecretRef)
	opts.Proxy = git.Proxy{URL: string(data["address"]), Username: string(data["username"]), Password: string(data["password"])}
	return opts, err
}

// checkProvider holds provider and Secret to each other, as Flux does: a GitHub
// App is used if, and only if, spec.provider says so.
func checkProvider(repo *api.GitRepository, auth git.Auth) error {
	app := auth.GitHubApp != nil
	switch wanted := repo.Spec.Provider == sourcev1.GitProviderGitHub; {
	case wanted && !app:
		return sources.Stalled(sourcev1.InvalidProviderConfigurationReason, errors.New(
			"spec.provider is github: spec.secretRef must name a Secret with githubAppID, githubAppPrivateKey and the installation"))
	case app && !wanted:
		return sources.Stalled(sourcev1.InvalidProviderConfigurationReason, errors.New(
			"the Secret of spec.secretRef holds a GitHub App: set spec.provider to github"))
	}
	return nil
}

func reference(ref *sourcev1.GitRepositoryRef) git.Reference {
	if ref == nil {
		return git.Reference{}
	}
	return git.Reference{Branch: ref.Branch, Tag: ref.Tag, SemVer: ref.SemVer, Name: ref.Name, Commit: ref.Commit}
}
