package inventory

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// Labels and annotations of the ApplySet specification, KEP-3659.
const (
	applySetID         = "applyset.kubernetes.io/id"
	applySetPartOf     = "applyset.kubernetes.io/part-of"
	applySetTooling    = "applyset.kubernetes.io/tooling"
	applySetKinds      = "applyset.kubernetes.io/contains-group-kinds"
	applySetNamespaces = "applyset.kubernetes.io/additional-namespaces"
	applySetParentType = "applyset.kubernetes.io/is-parent-type"
)

// ErrOtherTool is wrapped by errors about an ApplySet that another tool
// manages. See ApplySetOptions.Tooling and ApplySetOptions.TakeOver.
var ErrOtherTool = errors.New("managed by another tool")

// ApplySetOptions say what the parent of an ApplySet is, and who manages it.
type ApplySetOptions struct {
	// Parent is the kind of the parent object. Default: v1 Secret, as with
	// kubectl. A ConfigMap will do too, and a custom resource whose
	// CustomResourceDefinition has the label applyset.kubernetes.io/is-parent-type;
	// such a one has to be there already.
	Parent schema.GroupVersionKind

	// Tooling is the tool that the parent says it is managed by, in the form
	// name/version. No other tool may change the set, so give "kubectl/v1.36" to
	// let 'kubectl apply --prune --applyset' and this program work on one set in
	// turn. Default: "gitopskit/v1".
	Tooling string

	// TakeOver names tools, without versions, whose sets may be taken over: the
	// first Save makes Tooling the manager. Default: none.
	TakeOver []string

	// Mapper finds the resources of kinds. Default: one made from the cluster's
	// discovery.
	Mapper meta.RESTMapper
}

// ApplySet is a Store in the form of KEP-3659: the members carry a label, and a
// parent object says which kinds and namespaces to look for them in. Loading it
// lists those, so the inventory is what is there, and not what somebody has
// written down. It is safe for concurrent use.
//
// All that is in the inventory must carry MemberLabels; package ssa sees to
// that by itself.
type ApplySet struct {
	parent    target
	namespace string
	name      string
	opts      ApplySetOptions
	client    metadata.Interface
	discovery discovery.DiscoveryInterface
	mapper    meta.RESTMapper

	mu     sync.Mutex
	loaded *metav1.PartialObjectMetadata // nil if there was none
	known  bool
}

// target is a kind with its place in the API.
type target struct {
	gvk        schema.GroupVersionKind
	gvr        schema.GroupVersionResource
	namespaced bool
}

// NewApplySet returns a Store in the ApplySet whose parent has the given name;
// the namespace is "" for parents that are cluster-scoped. It sends no request.
func NewApplySet(cfg *rest.Config, namespace, name string, opts ApplySetOptions) (*ApplySet, error) {
	if opts.Parent.Kind == "" {
		opts.Parent = schema.GroupVersionKind{Version: "v1", Kind: "Secret"}
	}
	if opts.Tooling == "" {
		opts.Tooling = "gitopskit/v1"
	}
	s := &ApplySet{namespace: namespace, name: name, opts: opts, mapper: opts.Mapper}
	if cfg == nil || name == "" || namespace == "" && builtinParent(opts.Parent) {
		return nil, s.wrap("open", errors.New("give a rest.Config, a namespace and a name"))
	}
	if base, version, ok := strings.Cut(opts.Tooling, "/"); !ok || base == "" || version == "" {
		return nil, s.wrap("open", fmt.Errorf("ApplySetOptions.Tooling: %q is not of the form name/version", opts.Tooling))
	}
	cfg = rest.CopyConfig(cfg)
	cfg.QPS, cfg.RateLimiter = -1, nil
	var err error
	if s.client, err = metadata.NewForConfig(cfg); err != nil {
		return nil, s.wrap("open", err)
	}
	if s.discovery, err = discovery.NewDiscoveryClientForConfig(cfg); err != nil {
		return nil, s.wrap("open", err)
	}
	if s.mapper == nil {
		s.mapper = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(s.discovery))
	}
	return s, nil
}

func builtinParent(gvk schema.GroupVersionKind) bool {
	return gvk.Group == "" && (gvk.Kind == "Secret" || gvk.Kind == "ConfigMap")
}

func (s *ApplySet) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: op, Ref: fmt.Sprintf("ApplySet %s %s/%s", s.opts.Parent.Kind, s.namespace, s.name), Err: err}
}

// ID returns the set's ID, which follows from the parent's name, namespace,
// kind and group.
func (s *ApplySet) ID() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{s.name, s.namespace, s.opts.Parent.Kind, s.opts.Parent.Group}, ".")))
	return "applyset-" + base64.RawURLEncoding.EncodeToString(sum[:]) + "-v1"
}

// MemberLabels returns the label that every member of the set carries.
func (s *ApplySet) MemberLabels() map[string]string { return map[string]string{applySetPartOf: s.ID()} }

// Load returns what is in the cluster and has the set's label. A parent that
// does not exist is an empty set. It fails with ErrOtherTool where the set is
// managed by a tool that is neither Tooling nor one to be taken over.
func (s *ApplySet) Load(ctx context.Context) (*Inventory, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	inv, err := s.load(ctx)
	return inv, s.wrap("load", err)
}

func (s *ApplySet) load(ctx context.Context) (*Inventory, error) {
	if err := s.fetchParent(ctx); err != nil {
		return nil, err
	}
	inv := New()
	if s.loaded == nil {
		return inv, nil
	}
	for _, gk := range parseKinds(s.loaded.Annotations[applySetKinds]) {
		t, there, err := s.find(gk)
		if err != nil {
			return nil, err
		}
		if !there {
			continue // the kind is gone, and all objects of it
		}
		err = s.list(ctx, t, inv)
		if apierrors.IsNotFound(err) { // a kind that was known, and is gone
			meta.MaybeResetRESTMapper(s.mapper)
			if _, there, err = s.find(gk); err == nil && there {
				err = errUnanswered
			}
		}
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", gk, err)
		}
	}
	return inv, nil
}

// fetchParent reads the parent and makes sure that it is ours to manage.
func (s *ApplySet) fetchParent(ctx context.Context) error {
	if err := s.findParent(ctx); err != nil {
		return err
	}
	m, err := s.client.Resource(s.parent.gvr).Namespace(s.namespace).Get(ctx, s.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		if !builtinParent(s.opts.Parent) {
			return fmt.Errorf("the parent does not exist, and only Secrets and ConfigMaps are made: %w", err)
		}
		s.loaded, s.known = nil, true
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.check(m); err != nil {
		return err
	}
	s.loaded, s.known = m, true
	return nil
}

// check makes sure that an object that is there is this set's parent. A custom
// resource may be made without marks, to become one.
func (s *ApplySet) check(m *metav1.PartialObjectMetadata) error {
	tooling, id := m.Annotations[applySetTooling], m.Labels[applySetID]
	if tooling == "" && id == "" && !builtinParent(s.opts.Parent) {
		return nil
	}
	if id != s.ID() {
		return fmt.Errorf("%w: it is there, and its label %s is %q and not %q", ErrMalformed, applySetID, id, s.ID())
	}
	name, own := toolName(tooling), toolName(s.opts.Tooling)
	if name != own && !slices.Contains(s.opts.TakeOver, name) {
		return fmt.Errorf("%w: %q, and not %q; to take over name it in ApplySetOptions.TakeOver", ErrOtherTool, tooling, own)
	}
	if _, ok := m.Annotations[applySetKinds]; !ok {
		return fmt.Errorf("%w: it lacks the annotation %s", ErrMalformed, applySetKinds)
	}
	return nil
}

func toolName(tooling string) string {
	if i := strings.LastIndexByte(tooling, '/'); i >= 0 {
		return tooling[:i]
	}
	return tooling
}

// list adds the members of one kind.
func (s *ApplySet) list(ctx context.Context, t target, inv *Inventory) error {
	namespaces := []string{""}
	if t.namespaced {
		namespaces = parseList(s.loaded.Annotations[applySetNamespaces])
		if s.namespace != "" && !slices.Contains(namespaces, s.namespace) {
			namespaces = append(namespaces, s.namespace)
		}
	}
	for _, ns := range namespaces {
		opts := metav1.ListOptions{LabelSelector: applySetPartOf + "=" + s.ID(), Limit: 500}
		for {
			page, err := s.client.Resource(t.gvr).Namespace(ns).List(ctx, opts)
			if err != nil {
				return err
			}
			for i := range page.Items {
				m := &page.Items[i]
				inv.Add(Entry{
					Ref:     Ref{Group: t.gvk.Group, Kind: t.gvk.Kind, Namespace: m.Namespace, Name: m.Name},
					Version: t.gvk.Version, UID: m.UID,
				})
			}
			if opts.Continue = page.Continue; opts.Continue == "" {
				break
			}
		}
	}
	return nil
}

// Save writes into the parent in which kinds and namespaces the members are.
// It fails with ErrConflict if somebody else has written the parent since it
// was loaded.
func (s *ApplySet) Save(ctx context.Context, inv *Inventory) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wrap("save", s.save(ctx, inv))
}

func (s *ApplySet) save(ctx context.Context, inv *Inventory) error {
	if !s.known {
		if err := s.fetchParent(ctx); err != nil {
			return err
		}
	}
	kinds, namespaces := s.extent(inv)
	if s.loaded != nil && s.loaded.Annotations[applySetKinds] == kinds && s.loaded.Annotations[applySetNamespaces] == namespaces &&
		s.loaded.Annotations[applySetTooling] == s.opts.Tooling {
		return nil
	}
	parent := &metav1.PartialObjectMetadata{}
	parent.SetGroupVersionKind(s.parent.gvk)
	parent.Name, parent.Namespace = s.name, s.namespace
	parent.Labels = map[string]string{applySetID: s.ID()}
	parent.Annotations = map[string]string{applySetTooling: s.opts.Tooling, applySetKinds: kinds, applySetNamespaces: namespaces}
	if s.loaded != nil {
		parent.ResourceVersion, parent.UID = s.loaded.ResourceVersion, s.loaded.UID
	}
	body, err := json.Marshal(parent)
	if err != nil {
		return err
	}
	// The manager's name is the one that kubectl uses for the tool.
	force := true
	m, err := s.client.Resource(s.parent.gvr).Namespace(s.namespace).Patch(ctx, s.name, types.ApplyPatchType, body,
		metav1.PatchOptions{FieldManager: toolName(s.opts.Tooling) + "-applyset", Force: &force})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		s.known = false
		return fmt.Errorf("%w: load it again: %w", ErrConflict, err)
	}
	if err != nil {
		return err
	}
	s.loaded = m
	return nil
}

// extent returns the kinds and namespaces of an inventory as annotations have
// them.
func (s *ApplySet) extent(inv *Inventory) (kinds, namespaces string) {
	gks, nss := map[string]bool{}, map[string]bool{}
	for e := range inv.All() {
		gks[e.GroupKind().String()] = true
		if e.Namespace != "" && e.Namespace != s.namespace {
			nss[e.Namespace] = true
		}
	}
	return joinSorted(gks), joinSorted(nss)
}
