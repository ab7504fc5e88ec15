package release

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/kube"
	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/gitopskit/gitopskit/render/helm"
)

// run executes one action with Helm's packages.
func (m *Machine) run(ctx context.Context, op *operation, s Spec, d Decision, st State) error {
	switch d.Action {
	case ActionInstall:
		return wrapped(ErrInstall, m.install(ctx, op, s))
	case ActionUpgrade:
		return wrapped(ErrUpgrade, m.upgrade(ctx, op, s, st))
	case ActionTest:
		return wrapped(ErrTest, runTests(op, s))
	case ActionRollback:
		return wrapped(ErrRollback, rollback(op, s, d.Target))
	case ActionUninstall:
		return wrapped(ErrUninstall, uninstall(op, s))
	case ActionUnlock:
		return wrapped(ErrStorage, unlock(op, st.release))
	case ActionCorrect:
		return wrapped(ErrDrift, m.correct(ctx, op, s, st.Drift))
	}
	return fmt.Errorf("%w: action %q", ErrSpec, d.Action)
}

func wrapped(sentinel, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", sentinel, err)
}

// preflight renders the chart within bounds first: Helm's own rendering, which
// follows, has none.
func (m *Machine) preflight(ctx context.Context, op *operation, s Spec, upgrade bool, revision int, skipSchema bool) (*helm.Rendered, error) {
	o := helm.Options{
		ReleaseName: s.Name, Namespace: s.Namespace, Values: s.Values, Upgrade: upgrade, Revision: revision,
		SkipSchema: skipSchema, PostRender: s.PostRender, Lookup: clusterLookup{op.cfg.RESTClientGetter},
	}
	d, err := op.cfg.RESTClientGetter.ToDiscoveryClient()
	if err != nil {
		return nil, err
	}
	v, err := d.ServerVersion()
	if err != nil {
		return nil, err
	}
	versions, err := action.GetVersionSet(d)
	if err != nil {
		return nil, err
	}
	o.KubeVersion, o.APIVersions = v.GitVersion, versions
	out, err := helm.Template(ctx, s.Chart, o)
	if err == nil {
		_, err = out.Objects()
	}
	return out, err
}

func (m *Machine) install(ctx context.Context, op *operation, s Spec) error {
	o := s.Install
	out, err := m.preflight(ctx, op, s, false, 1, o.DisableSchema)
	if err != nil {
		return err
	}
	if err := applyCRDs(op, out.CRDs, o.CRDs); err != nil {
		return err
	}
	a := action.NewInstall(op.cfg)
	a.ReleaseName, a.Namespace, a.Timeout = s.Name, s.Namespace, s.Timeout
	a.Wait, a.WaitForJobs, a.DisableHooks = !o.DisableWait, !o.DisableWaitForJobs, o.DisableHooks
	a.DisableOpenAPIValidation, a.SkipSchemaValidation = o.DisableOpenAPIValidation, o.DisableSchema
	a.Replace, a.CreateNamespace, a.TakeOwnership, a.SkipCRDs = o.Replace, o.CreateNamespace, o.TakeOwnership, true
	if rel, err := op.storage.last(ctx, s.Name); err == nil && rel != nil {
		a.Replace = true // an uninstalled release whose history is kept
	}
	a.PostRenderer = postRenderer(ctx, s)
	_, err = a.Run(s.Chart.Internal().Helm, copyOf(s.Values))
	return err
}

func (m *Machine) upgrade(ctx context.Context, op *operation, s Spec, st State) error {
	o := s.Upgrade
	out, err := m.preflight(ctx, op, s, true, st.Version+1, o.DisableSchema)
	if err != nil {
		return err
	}
	if err := applyCRDs(op, out.CRDs, o.CRDs); err != nil {
		return err
	}
	a := action.NewUpgrade(op.cfg)
	a.Namespace, a.Timeout, a.MaxHistory = s.Namespace, s.Timeout, max(s.MaxHistory, 0)
	a.Wait, a.WaitForJobs, a.DisableHooks = !o.DisableWait, !o.DisableWaitForJobs, o.DisableHooks
	a.DisableOpenAPIValidation, a.SkipSchemaValidation = o.DisableOpenAPIValidation, o.DisableSchema
	a.Force, a.CleanupOnFail, a.TakeOwnership, a.SkipCRDs = o.RecreateOnConflict, o.CleanupOnFail, o.TakeOwnership, true
	a.ReuseValues, a.ResetValues = o.PreserveValues, !o.PreserveValues
	a.PostRenderer = postRenderer(ctx, s)
	_, err = a.Run(s.Name, s.Chart.Internal().Helm, copyOf(s.Values))
	return err
}

// copyOf copies values, which Helm changes.
func copyOf(values map[string]any) map[string]any {
	return plain(values)
}

// plain makes the types of values those that JSON knows.
func plain(values map[string]any) map[string]any {
	out := map[string]any{}
	if data, err := json.Marshal(values); err == nil {
		_ = utiljson.Unmarshal(data, &out) // it was just written
	}
	return out
}

func runTests(op *operation, s Spec) error {
	a := action.NewReleaseTesting(op.cfg)
	a.Namespace, a.Timeout = s.Namespace, s.Timeout
	if len(s.Test.Include) > 0 {
		a.Filters[action.IncludeNameFilter] = s.Test.Include
	}
	if len(s.Test.Exclude) > 0 {
		a.Filters[action.ExcludeNameFilter] = s.Test.Exclude
	}
	_, err := a.Run(s.Name)
	return err
}

func rollback(op *operation, s Spec, version int) error {
	o := s.Rollback
	a := action.NewRollback(op.cfg)
	a.Version, a.Timeout, a.MaxHistory = version, s.Timeout, max(s.MaxHistory, 0)
	a.Wait, a.WaitForJobs, a.DisableHooks = !o.DisableWait, !o.DisableWaitForJobs, o.DisableHooks
	a.Recreate, a.Force, a.CleanupOnFail = o.Recreate, o.RecreateOnConflict, o.CleanupOnFail
	return a.Run(s.Name)
}

func uninstall(op *operation, s Spec) error {
	o := s.Uninstall
	a := action.NewUninstall(op.cfg)
	a.Timeout, a.DisableHooks, a.KeepHistory, a.Wait = s.Timeout, o.DisableHooks, o.KeepHistory, !o.DisableWait
	a.DeletionPropagation = o.DeletionPropagation
	if a.DeletionPropagation == "" {
		a.DeletionPropagation = "background"
	}
	_, err := a.Run(s.Name)
	if errors.Is(err, driver.ErrReleaseNotFound) || err != nil && strings.Contains(err.Error(), "is already deleted") {
		return nil
	}
	return err
}

// unlock marks a revision that was broken off as failed.
func unlock(op *operation, rel *helmrelease.Release) error {
	rel.SetStatus(helmrelease.StatusFailed, "Release unlocked from stale '"+rel.Info.Status.String()+"' state")
	return op.cfg.Releases.Update(rel)
}

// applyCRDs creates the chart's CRDs, or replaces them, and waits for them.
func applyCRDs(op *operation, crds []*unstructured.Unstructured, policy CRDPolicy) error {
	if policy == CRDsSkip || len(crds) == 0 {
		return nil
	}
	var changed kube.ResourceList
	for _, crd := range crds {
		text, err := helm.ManifestOf([]*unstructured.Unstructured{crd})
		if err != nil {
			return err
		}
		list, err := op.cfg.KubeClient.Build(strings.NewReader(text), false)
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrCRDs, crd.GetName(), err)
		}
		_, err = op.cfg.KubeClient.Create(list)
		if apierrors.IsAlreadyExists(err) {
			if policy != CRDsCreateReplace {
				continue
			}
			err = replace(list)
		}
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrCRDs, crd.GetName(), err)
		}
		changed = append(changed, list...)
	}
	if len(changed) == 0 {
		return nil
	}
	if err := op.cfg.KubeClient.Wait(changed, 60*time.Second); err != nil {
		return fmt.Errorf("%w: %w", ErrCRDs, err)
	}
	// What was discovered before does not know them.
	d, err := op.cfg.RESTClientGetter.ToDiscoveryClient()
	if err != nil {
		return err
	}
	d.Invalidate()
	op.cfg.Capabilities = nil
	return nil
}

func replace(list kube.ResourceList) error {
	return list.Visit(func(info *resource.Info, err error) error {
		if err != nil {
			return err
		}
		obj, err := resource.NewHelper(info.Client, info.Mapping).Replace(info.Namespace, info.Name, true, info.Object)
		if err != nil {
			return err
		}
		return info.Refresh(obj, true)
	})
}

// rendering is a post-renderer of Helm.
type rendering struct {
	ctx context.Context //nolint:containedctx // of one action: Helm's interface has none
	s   Spec
}

func postRenderer(ctx context.Context, s Spec) *rendering { return &rendering{ctx, s} }

// Run implements postrender.PostRenderer.
func (r *rendering) Run(in *bytes.Buffer) (*bytes.Buffer, error) {
	p := r.s.PostRender
	if len(p.Kustomize)+len(p.CommonLabels)+len(p.CommonAnnotations)+len(p.OriginLabels) == 0 {
		return in, nil
	}
	objects, err := readManifest(in.String())
	if err != nil {
		return nil, err
	}
	out, err := p.Run(r.ctx, objects)
	if err != nil {
		return nil, err
	}
	text, err := helm.ManifestOf(out)
	return bytes.NewBufferString(text), err
}

// readManifest reads a manifest as objects.
func readManifest(text string) ([]*unstructured.Unstructured, error) {
	dec := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	var out []*unstructured.Unstructured
	for {
		u := &unstructured.Unstructured{}
		err := dec.Decode(&u.Object)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		if len(u.Object) > 0 {
			out = append(out, u)
		}
	}
}

// clusterLookup answers lookup from the cluster.
type clusterLookup struct{ getter action.RESTClientGetter }

// Lookup implements helm.Lookup.
func (c clusterLookup) Lookup(ctx context.Context, apiVersion, kind, namespace, name string) (map[string]any, error) {
	client, err := dynamicFor(c.getter, apiVersion, kind, namespace)
	if err != nil {
		return nil, err
	}
	if name == "" {
		list, err := client.List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, ignoreNotFound(err)
		}
		return list.UnstructuredContent(), nil
	}
	obj, err := client.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, ignoreNotFound(err)
	}
	return obj.Object, nil
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
