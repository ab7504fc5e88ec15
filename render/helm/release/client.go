package release

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/kube"
	"helm.sh/helm/v3/pkg/storage"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

func metav1GVR(group, version, resource string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: group, Version: version, Resource: resource}
}

// Waiter waits until objects are ready. It is how a release waits by watch; nil
// polls, by Helm's notion of what is ready.
type Waiter interface {
	WaitReady(ctx context.Context, objects []*unstructured.Unstructured, timeout time.Duration) error
}

// WaiterFunc is a Waiter as a function.
type WaiterFunc func(ctx context.Context, objects []*unstructured.Unstructured, timeout time.Duration) error

// WaitReady calls f.
func (f WaiterFunc) WaitReady(ctx context.Context, objects []*unstructured.Unstructured, timeout time.Duration) error {
	return f(ctx, objects, timeout)
}

// operation is one use of Helm's packages: a configuration whose requests end
// with the context and whose log is kept.
type operation struct {
	cfg     *action.Configuration
	storage *secrets
	log     *tail
}

// operation makes one for a release. Requests to the API end with ctx, but for
// those to the storage, so that an action that is broken off is still recorded.
func (m *Machine) operation(ctx context.Context, s Spec) (*operation, error) {
	log := &tail{}
	stored, err := newStorage(m.storageConfig(), s.StorageNamespace, log.printf)
	if err != nil {
		return nil, err
	}
	bound := rest.CopyConfig(m.config)
	bound.Wrap(func(next http.RoundTripper) http.RoundTripper { return endsWith{ctx, next} })
	getter := &getter{config: bound, namespace: s.Namespace}
	client := kube.New(getter)
	client.Namespace, client.Log = s.Namespace, log.printf
	releases := storage.Init(stored)
	releases.Log, releases.MaxHistory = log.printf, max(s.MaxHistory, 0)
	cfg := &action.Configuration{
		RESTClientGetter: getter, Releases: releases, Log: log.printf,
		KubeClient: &waitingClient{Client: client, ctx: ctx, waiter: m.waiter},
	}
	return &operation{cfg, stored, log}, nil
}

func (m *Machine) storageConfig() *rest.Config {
	c := rest.CopyConfig(m.config)
	c.Timeout = 30 * time.Second
	return c
}

// endsWith ends requests with a context that is not theirs.
type endsWith struct {
	ctx  context.Context //nolint:containedctx // of one operation
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (e endsWith) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	stop := context.AfterFunc(e.ctx, func() { cancel(context.Cause(e.ctx)) })
	done := func() {
		stop()
		cancel(nil)
	}
	resp, err := e.next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		done()
		return nil, err
	}
	resp.Body = &endingBody{resp.Body, done}
	return resp, nil
}

type endingBody struct {
	io.ReadCloser
	done func()
}

// Close implements io.Closer.
func (b *endingBody) Close() error {
	defer b.done()
	return b.ReadCloser.Close()
}

// waitingClient is Helm's client with another way of waiting.
type waitingClient struct {
	*kube.Client
	ctx    context.Context //nolint:containedctx // of one operation: Helm's interface has none
	waiter Waiter
}

// Wait waits for all but Jobs.
func (c *waitingClient) Wait(resources kube.ResourceList, timeout time.Duration) error {
	return c.wait(resources, timeout, false)
}

// WaitWithJobs waits for all.
func (c *waitingClient) WaitWithJobs(resources kube.ResourceList, timeout time.Duration) error {
	return c.wait(resources, timeout, true)
}

func (c *waitingClient) wait(resources kube.ResourceList, timeout time.Duration, jobs bool) error {
	if c.waiter == nil {
		return c.poll(resources, timeout, jobs)
	}
	var objects []*unstructured.Unstructured
	for _, info := range resources {
		if !jobs && info.Mapping.GroupVersionKind.GroupKind() == (schema.GroupKind{Group: "batch", Kind: "Job"}) {
			continue
		}
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(info.Object)
		if err != nil {
			return err
		}
		u := &unstructured.Unstructured{Object: content}
		u.SetGroupVersionKind(info.Mapping.GroupVersionKind)
		u.SetNamespace(info.Namespace)
		objects = append(objects, u)
	}
	return c.waiter.WaitReady(c.ctx, objects, timeout)
}

// getter gives Helm's client its connection.
type getter struct {
	config    *rest.Config
	namespace string
	mu        sync.Mutex
	cached    discovery.CachedDiscoveryInterface
}

// ToRESTConfig implements genericclioptions.RESTClientGetter.
func (g *getter) ToRESTConfig() (*rest.Config, error) { return rest.CopyConfig(g.config), nil }

// ToDiscoveryClient implements genericclioptions.RESTClientGetter.
func (g *getter) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cached == nil {
		d, err := discovery.NewDiscoveryClientForConfig(g.config)
		if err != nil {
			return nil, err
		}
		g.cached = memory.NewMemCacheClient(d)
	}
	return g.cached, nil
}

// ToRESTMapper implements genericclioptions.RESTClientGetter.
func (g *getter) ToRESTMapper() (meta.RESTMapper, error) {
	d, err := g.ToDiscoveryClient()
	if err != nil {
		return nil, err
	}
	return restmapper.NewShortcutExpander(restmapper.NewDeferredDiscoveryRESTMapper(d), d, nil), nil
}

// ToRawKubeConfigLoader implements genericclioptions.RESTClientGetter.
func (g *getter) ToRawKubeConfigLoader() clientcmd.ClientConfig {
	overrides := &clientcmd.ConfigOverrides{Context: clientcmdapi.Context{Namespace: g.namespace}}
	return clientcmd.NewDefaultClientConfig(*clientcmdapi.NewConfig(), overrides)
}

// warnings logs what the API server warns of.
type warnings struct{ log *slog.Logger }

// HandleWarningHeader implements rest.WarningHandler.
func (w warnings) HandleWarningHeader(code int, _, text string) {
	if code == 299 && text != "" {
		w.log.Warn("the API server warns", "warning", text)
	}
}

// tail keeps the last lines of a log.
type tail struct {
	mu    sync.Mutex
	lines []string
}

const tailLines = 10

func (t *tail) printf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	line := strings.TrimSpace(fmt.Sprintf(format, args...))
	if n := len(t.lines); n > 0 && t.lines[n-1] == line {
		return
	}
	t.lines = append(t.lines, line)
	if len(t.lines) > tailLines {
		t.lines = t.lines[1:]
	}
}

func (t *tail) last() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.lines...)
}
