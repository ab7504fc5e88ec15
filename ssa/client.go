package ssa

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

// metadataOnly asks for the metadata of an object in answer to any request, in
// the form that is cheapest to read.
const metadataOnly = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1," +
	"application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"

// client sends the requests. All of one client share connections, a pause when
// the server asks for one, and what is known of the server's clock.
type client struct {
	cfg      *rest.Config
	rest     rest.Interface
	http     *http.Client
	metadata metadata.Interface
	dynamic  dynamic.Interface
	pacer    *pacer
	clock    serverClock
	manager  string
	slots    chan struct{}
}

func newClient(cfg *rest.Config, opts Options) (*client, error) {
	cfg = rest.CopyConfig(cfg)
	cfg.QPS, cfg.Burst, cfg.RateLimiter = -1, 0, nil
	if cfg.WarningHandler == nil && cfg.WarningHandlerWithContext == nil {
		cfg.WarningHandler = &warner{log: opts.Logger} // client-go's default prints
	}
	c := &client{cfg: rest.CopyConfig(cfg), manager: opts.FieldManager, pacer: &pacer{}, slots: make(chan struct{}, opts.Concurrency)}
	cfg.Wrap(c.pacer.wrap)
	httpClient, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return nil, err
	}
	c.http = httpClient
	cfg.GroupVersion = &schema.GroupVersion{}
	cfg.APIPath = "/"
	cfg.NegotiatedSerializer = metadataCodecs()
	if c.rest, err = rest.RESTClientForConfigAndClient(cfg, httpClient); err != nil {
		return nil, err
	}
	if c.metadata, err = metadata.NewForConfigAndClient(cfg, httpClient); err != nil {
		return nil, err
	}
	c.dynamic, err = dynamic.NewForConfigAndClient(cfg, httpClient)
	return c, err
}

func metadataCodecs() runtime.NegotiatedSerializer {
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	if err := metav1.AddMetaToScheme(scheme); err != nil {
		panic(err) // a programming error: the types are registered once
	}
	return serializer.NewCodecFactory(scheme).WithoutConversion()
}

// acquire waits for one of the client's slots; release gives it back.
func (c *client) acquire(ctx context.Context) (release func(), err error) {
	select {
	case c.slots <- struct{}{}:
		return func() { <-c.slots }, ctx.Err()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// A patch is one server-side apply request.
type patch struct {
	dryRun  bool
	noForce bool // answer with a conflict where others own fields
	body    []byte
}

// answer is what came back for a write.
type answer struct {
	meta    *metav1.PartialObjectMetadata
	created bool
	at      time.Time // the server's clock, to the second; zero if it did not say
}

func (c *client) apply(ctx context.Context, o *object, p patch) (answer, error) {
	release, err := c.acquire(ctx)
	if err != nil {
		return answer{}, err
	}
	defer release()
	req := c.rest.Patch(types.ApplyYAMLPatchType).AbsPath(o.path()...).
		SetHeader("Accept", metadataOnly).
		Param("fieldManager", c.manager).
		Param("fieldValidation", "Strict").
		Body(p.body)
	if !p.noForce {
		req.Param("force", "true")
	}
	if p.dryRun {
		req.Param("dryRun", "All")
	}
	return c.do(ctx, req)
}

// do sends a write that may be repeated without harm, and repeats it a few
// times where the failure is the server's or the network's.
func (c *client) do(ctx context.Context, req *rest.Request) (answer, error) {
	var out answer
	x := &exchange{}
	ctx = context.WithValue(ctx, exchangeKey{}, x)
	err := retry(ctx, func() error {
		var code int
		m := &metav1.PartialObjectMetadata{}
		res := req.Do(ctx).StatusCode(&code)
		if err := res.Error(); err != nil {
			return err
		}
		if err := res.Into(m); err != nil {
			return err
		}
		out = answer{meta: m, created: code == http.StatusCreated, at: c.clock.at(x)}
		return nil
	})
	if err != nil && x.lost.Load() {
		err = &unsureError{err}
	}
	return out, err
}

// An unsureError is the error of a write that may have been carried out all the
// same: if it is a refusal, then perhaps of what was sent after an answer had
// been lost.
type unsureError struct{ err error }

func (e *unsureError) Error() string { return e.err.Error() }
func (e *unsureError) Unwrap() error { return e.err }

// get reads an object whole.
func (c *client) get(ctx context.Context, o *object) (*unstructured.Unstructured, error) {
	return c.getWhole(ctx, o.target)
}

func (c *client) getWhole(ctx context.Context, o target) (*unstructured.Unstructured, error) {
	release, err := c.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	var out *unstructured.Unstructured
	err = retry(ctx, func() error {
		out, err = c.dynamic.Resource(o.gvr).Namespace(o.namespace()).Get(ctx, o.ref.Name, metav1.GetOptions{})
		return err
	})
	return out, err
}

// getMeta reads an object's metadata; nil if there is no such object.
func (c *client) getMeta(ctx context.Context, t target) (*metav1.PartialObjectMetadata, error) {
	release, err := c.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	var out *metav1.PartialObjectMetadata
	err = retry(ctx, func() error {
		out, err = c.metadata.Resource(t.gvr).Namespace(t.namespace()).Get(ctx, t.ref.Name, metav1.GetOptions{})
		return err
	})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return out, err
}

// patchMeta changes an object's metadata by a JSON patch.
func (c *client) patchMeta(ctx context.Context, t target, body []byte) (*metav1.PartialObjectMetadata, error) {
	release, err := c.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	return c.metadata.Resource(t.gvr).Namespace(t.namespace()).
		Patch(ctx, t.ref.Name, types.JSONPatchType, body, metav1.PatchOptions{FieldManager: c.manager})
}

// create posts an object as a dry run, under the name that it has in body.
func (c *client) dryCreate(ctx context.Context, o *object, body map[string]any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	release, err := c.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	path := o.path()
	req := c.rest.Post().AbsPath(path[:len(path)-1]...).SetHeader("Accept", metadataOnly).
		SetHeader("Content-Type", "application/json").
		Param("fieldManager", c.manager).Param("dryRun", "All").Param("fieldValidation", "Strict").Body(data)
	_, err = c.do(ctx, req)
	return err
}

// serves asks the API server itself, and no cache of discovery, whether it
// serves a kind. An API that does not answer is an error, not a no.
func (c *client) serves(ctx context.Context, gvk schema.GroupVersionKind) (bool, error) {
	path := []string{"apis", gvk.Group, gvk.Version}
	if gvk.Group == "" {
		path = []string{"api", gvk.Version}
	}
	data, err := c.rest.Get().AbsPath(path...).SetHeader("Accept", "application/json").DoRaw(ctx)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var list metav1.APIResourceList
	if err := json.Unmarshal(data, &list); err != nil {
		return false, err
	}
	return slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Kind == gvk.Kind }), nil
}

// pacer makes all requests wait when the server says that they are too many.
type pacer struct {
	pauseUntil atomic.Int64 // local clock, nanoseconds
}

func (p *pacer) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		if err := p.wait(req.Context()); err != nil {
			return nil, err
		}
		resp, err := next.RoundTrip(req)
		noteExchange(req, resp, err)
		if err == nil {
			p.learn(resp)
		}
		return resp, err
	})
}

func (p *pacer) learn(resp *http.Response) {
	if resp.StatusCode == http.StatusTooManyRequests {
		secs, err := time.ParseDuration(resp.Header.Get("Retry-After") + "s")
		if err != nil || secs <= 0 {
			secs = time.Second
		}
		p.pauseUntil.Store(time.Now().Add(min(secs, time.Minute)).UnixNano())
	}
}

func (p *pacer) wait(ctx context.Context) error {
	d := time.Until(time.Unix(0, p.pauseUntil.Load()))
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
