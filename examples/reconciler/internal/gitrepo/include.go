package gitrepo

import (
	"context"
	"fmt"

	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/artifacts"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/sources"
	"github.com/gitopskit/gitopskit/source"
)

// byInclude is the index of GitRepositories by those that they include.
const byInclude = "spec.include"

func includeNames(o client.Object) []string {
	var out []string
	for _, in := range o.(*api.GitRepository).Spec.Include {
		out = append(out, in.GitRepositoryRef.Name)
	}
	return out
}

// unavailable is the failure of an included repository that has nothing to
// give.
func unavailable(reason string, err error) error {
	return &sources.Failure{Reason: reason, Condition: sourcev1.IncludeUnavailableCondition, Err: err}
}

// include puts parts of other repositories of the namespace into the artifact.
func (k *Kind) include(ctx context.Context, repo *api.GitRepository, base *source.Artifact) (*source.Artifact, error) {
	if len(repo.Spec.Include) == 0 {
		return base, nil
	}
	var parts []source.Inclusion
	var stored []*meta.Artifact
	for i := range repo.Spec.Include {
		in := &repo.Spec.Include[i]
		key := client.ObjectKey{Namespace: repo.Namespace, Name: in.GitRepositoryRef.Name}
		other := &api.GitRepository{}
		if err := k.Get(ctx, key, other); apierrors.IsNotFound(err) {
			return nil, unavailable("NotFound", fmt.Errorf("spec.include[%d]: the GitRepository %s does not exist: create it, or correct the reference to it", i, key))
		} else if err != nil {
			return nil, err
		}
		a := k.Artifacts.Get(artifacts.Key{Kind: sourcev1.GitRepositoryKind, Namespace: key.Namespace, Name: key.Name})
		if a == nil {
			return nil, unavailable("NoArtifact", fmt.Errorf("spec.include[%d]: the GitRepository %s has no artifact yet", i, key))
		}
		parts = append(parts, source.Inclusion{Artifact: a, From: in.GetFromPath(), To: in.GetToPath()})
		if other.Status.Artifact != nil {
			stored = append(stored, other.Status.Artifact)
		}
	}
	repo.Status.IncludedArtifacts = stored
	return source.Include(base, parts...)
}

// includers are the GitRepositories that include another.
func (k *Kind) includers(ctx context.Context, o client.Object) []reconcile.Request {
	list := &api.GitRepositoryList{}
	if err := k.List(ctx, list, client.InNamespace(o.GetNamespace()), client.MatchingFields{byInclude: o.GetName()}); err != nil {
		return nil
	}
	var out []reconcile.Request
	for i := range list.Items {
		out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return out
}

// artifactChanged lets updates pass that bring another artifact.
var artifactChanged = predicate.Funcs{
	CreateFunc:  func(event.CreateEvent) bool { return false },
	DeleteFunc:  func(event.DeleteEvent) bool { return false },
	GenericFunc: func(event.GenericEvent) bool { return false },
	UpdateFunc: func(e event.UpdateEvent) bool {
		older, ok1 := e.ObjectOld.(*api.GitRepository)
		newer, ok2 := e.ObjectNew.(*api.GitRepository)
		return ok1 && ok2 && digest(older.Status.Artifact) != digest(newer.Status.Artifact)
	},
}

func digest(a *meta.Artifact) string {
	if a == nil {
		return ""
	}
	return a.Digest
}
