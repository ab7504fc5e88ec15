package kustomization

import (
	"context"
	"fmt"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
	"github.com/gitopskit/gitopskit/examples/reconciler/internal/status"
	"github.com/gitopskit/gitopskit/internal/celexpr"
)

// dependencyRetry is how long to wait for a dependency at most before looking
// again. A dependency that becomes ready is acted upon at once; this is for
// events that were missed.
const dependencyRetry = 30 * time.Second

func dependencyKey(ks *api.Kustomization, namespace, name string) client.ObjectKey {
	if namespace == "" {
		namespace = ks.Namespace
	}
	return client.ObjectKey{Namespace: namespace, Name: name}
}

// dependencies checks that everything this Kustomization depends on is ready,
// and at the same revision if it comes from the same source.
func (u *run) dependencies(ctx context.Context) error {
	for i, d := range u.ks.Spec.DependsOn {
		key := dependencyKey(u.ks, d.Namespace, d.Name)
		expr, err := readyExpr(d.ReadyExpr)
		if err != nil {
			return &failure{reason: meta.InvalidCELExpressionReason, stalled: true, err: fmt.Errorf("spec.dependsOn[%d].readyExpr: %w", i, err)}
		}
		if why := u.notReady(ctx, key, expr); why != "" {
			return &failure{reason: meta.DependencyNotReadyReason, quiet: true, retry: dependencyRetry,
				err: fmt.Errorf("dependency '%s' is not ready: %s", key, why)}
		}
	}
	return nil
}

// readyExpr compiles the expression that decides instead of the Ready
// condition; nil if there is none.
func readyExpr(text string) (*celexpr.Expr[bool], error) {
	if text == "" {
		return nil, nil
	}
	return celexpr.Compile[bool](text, "self", "dep")
}

// ask evaluates an expression over the Kustomization and its dependency.
func ask(expr *celexpr.Expr[bool], self, dep *api.Kustomization) string {
	vars := map[string]any{}
	for name, ks := range map[string]*api.Kustomization{"self": self, "dep": dep} {
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(ks)
		if err != nil {
			return err.Error()
		}
		vars[name] = fields
	}
	switch ok, err := expr.Eval(vars); {
	case err != nil:
		return fmt.Sprintf("readyExpr can't be evaluated: %v", err)
	case !ok:
		return "readyExpr is not true"
	}
	return ""
}

// notReady says why a dependency is not ready; "" if it is.
func (u *run) notReady(ctx context.Context, key client.ObjectKey, expr *celexpr.Expr[bool]) string {
	dep := &api.Kustomization{}
	err := u.r.Get(ctx, key, dep)
	switch {
	case apierrors.IsNotFound(err):
		return "it does not exist"
	case err != nil:
		return err.Error()
	case expr != nil:
		return ask(expr, u.ks, dep)
	case dep.Generation != dep.Status.ObservedGeneration:
		return "its latest change has not been reconciled"
	case !status.IsReady(dep):
		return orElse(status.Message(dep), "it has not been reconciled")
	case sourceKey(dep) == sourceKey(u.ks) && dep.Status.LastAppliedRevision != u.revision:
		return fmt.Sprintf("it is at revision %s of the source and not at %s", dep.Status.LastAppliedRevision, u.revision)
	}
	return ""
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
