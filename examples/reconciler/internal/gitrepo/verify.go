package gitrepo

import (
	"context"
	"fmt"

	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/sources"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/status"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/git"
	"github.com/gitopskit/gitopskit/source/git/signature"
)

// verify says what has to be signed, and by whom.
func (k *Kind) verify(ctx context.Context, namespace string, v *sourcev1.GitRepositoryVerification) (*git.Verify, error) {
	data, err := sources.Secret(ctx, k, namespace, &v.SecretRef)
	if err != nil {
		return nil, fmt.Errorf("%w: spec.verify: %w", source.ErrVerification, err)
	}
	keys, err := signature.KeyringFromSecret(data)
	if err != nil {
		return nil, fmt.Errorf("%w: spec.verify: the Secret %s/%s: %w", source.ErrVerification, namespace, v.SecretRef.Name, err)
	}
	out := &git.Verify{Mode: git.VerifyHEAD, Keys: keys}
	switch v.GetMode() {
	case sourcev1.ModeGitTag:
		out.Mode = git.VerifyTag
	case sourcev1.ModeGitTagAndHEAD:
		out.Mode = git.VerifyTagAndHEAD
	}
	return out, nil
}

// verified writes into the status that the signatures were right.
func verified(repo *api.GitRepository, a *source.Artifact) {
	v := repo.Spec.Verification
	if v == nil {
		repo.Status.SourceVerificationMode = nil
		status.Remove(repo, sourcev1.SourceVerifiedCondition)
		return
	}
	mode := v.GetMode()
	repo.Status.SourceVerificationMode = &mode
	signers := a.Metadata()
	message := "verified signature of"
	if s := signers[git.MetadataTagSigner]; s != "" {
		message += fmt.Sprintf(" the tag by key %s", s)
	}
	if s := signers[git.MetadataCommitSigner]; s != "" {
		message += fmt.Sprintf(" commit '%s' by key %s", a.Revision().Hash(), s)
	}
	status.Set(repo, sourcev1.SourceVerifiedCondition, metav1.ConditionTrue, meta.SucceededReason, message)
}
