package receiver

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Cluster is what a receiver acts on.
type Cluster interface {
	// List returns the objects of a resource, as decoded JSON.
	List(ctx context.Context, r Resource) ([]map[string]any, error)
	// Request asks for the reconciliation of one object, as by the annotation
	// reconcile.fluxcd.io/requestedAt.
	Request(ctx context.Context, object map[string]any, at time.Time) error
}

// Options configures [New].
type Options struct {
	// Cluster is required.
	Cluster Cluster
	// MaxBody is the largest body, in bytes; 5 MiB where zero.
	MaxBody int64
	// MaxConcurrent is how many requests are in work at once; 32 where zero.
	MaxConcurrent int
	// ReplayWindow is how long requests are remembered; 1 h where zero. Of
	// each receiver, the last 4,096 are.
	ReplayWindow time.Duration
	// HTTP fetches the keys of Google's ID tokens; http.DefaultClient where nil.
	HTTP *http.Client
	// GoogleKeys is where they are; Google's where empty.
	GoogleKeys string
	// Logger gets why a request was refused; nil discards.
	Logger *slog.Logger
}

// Handler is an http.Handler for /hook/… . Many goroutines may use it.
type Handler struct {
	opts   Options
	log    *slog.Logger
	google *googleKeys
	slots  chan struct{}

	mu    sync.RWMutex
	hooks map[[sha256.Size]byte]*hook
	paths map[string][sha256.Size]byte // by namespace/name
}

// hook is a receiver at work.
type hook struct {
	config Config
	kind   kind
	seen   *seen
}

// New returns a handler without receivers.
func New(o Options) *Handler {
	if o.MaxBody <= 0 {
		o.MaxBody = 5 << 20
	}
	if o.MaxConcurrent <= 0 {
		o.MaxConcurrent = 32
	}
	if o.ReplayWindow <= 0 {
		o.ReplayWindow = time.Hour
	}
	if o.HTTP == nil {
		o.HTTP = http.DefaultClient
	}
	if o.GoogleKeys == "" {
		o.GoogleKeys = googleKeysURL
	}
	h := &Handler{
		opts: o, log: o.Logger, google: &googleKeys{url: o.GoogleKeys, client: o.HTTP}, slots: make(chan struct{}, o.MaxConcurrent),
		hooks: map[[sha256.Size]byte]*hook{}, paths: map[string][sha256.Size]byte{},
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	return h
}

// Set adds a receiver, or replaces the one with its name and namespace, and
// returns its path. Errors wrap [ErrInvalid].
func (h *Handler) Set(c Config) (path string, err error) {
	ref := c.Namespace + "/" + c.Name
	if h.opts.Cluster == nil {
		return "", &Error{Op: "set", Ref: ref, Err: fmt.Errorf("%w: Options.Cluster must be set", ErrInvalid)}
	}
	c, err = c.complete()
	if err != nil {
		return "", &Error{Op: "set", Ref: ref, Err: err}
	}
	path = Path(c.Token, c.Name, c.Namespace)
	key := sha256.Sum256([]byte(path))
	h.mu.Lock()
	defer h.mu.Unlock()
	k := &hook{config: c, kind: kinds()[c.Type], seen: &seen{}}
	if old, ok := h.paths[ref]; ok {
		if old == key {
			k.seen = h.hooks[old].seen
		}
		delete(h.hooks, old)
	}
	h.hooks[key], h.paths[ref] = k, key
	return path, nil
}

// Remove forgets a receiver.
func (h *Handler) Remove(name, namespace string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ref := namespace + "/" + name
	if key, ok := h.paths[ref]; ok {
		delete(h.hooks, key)
		delete(h.paths, ref)
	}
}

// find looks a path up by its hash, so that the time tells nothing of the paths
// that there are.
func (h *Handler) find(path string) *hook {
	key := sha256.Sum256([]byte(path))
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.hooks[key]
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k := h.find(r.URL.Path)
	switch {
	case k == nil:
		answer(w, http.StatusNotFound)
		return
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		answer(w, http.StatusMethodNotAllowed)
		return
	case k.config.Suspended:
		answer(w, http.StatusServiceUnavailable)
		return
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	default:
		w.Header().Set("Retry-After", "1")
		answer(w, http.StatusServiceUnavailable)
		return
	}
	err := h.serve(w, r, k)
	if err != nil {
		h.log.Warn("webhook refused", "receiver", k.config.Namespace+"/"+k.config.Name, "type", k.config.Type, "error", err)
	}
	answer(w, statusOf(err))
}

func answer(w http.ResponseWriter, code int) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(http.StatusText(code) + "\n"))
}

func statusOf(err error) int {
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		return http.StatusOK
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, ErrUnauthorized), errors.Is(err, ErrMalformed), errors.Is(err, ErrInvalid):
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, k *hook) error {
	if r.ContentLength > h.opts.MaxBody {
		return &http.MaxBytesError{Limit: h.opts.MaxBody}
	}
	now := time.Now()
	if k.config.Type == "gcr" { // the token does not cover the body: look at it first
		if err := h.google.check(r.Context(), &k.config, r.Header, now); err != nil {
			return err
		}
	}
	var buf bytes.Buffer
	if _, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, h.opts.MaxBody)); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return err
		}
		return fmt.Errorf("%w: body: %w", ErrMalformed, err)
	}
	body := buf.Bytes()
	if k.kind.check != nil {
		if err := k.kind.check(&k.config, r.Header, body); err != nil {
			return err
		}
	}
	return h.accepted(r.Context(), k, r.Header, body, now)
}

// accepted goes on once the sender is known.
func (h *Handler) accepted(ctx context.Context, k *hook, header http.Header, body []byte, now time.Time) error {
	if k.kind.event != "" {
		event, ok := one(header, k.kind.event)
		if !ok {
			return fmt.Errorf("%w: header %s is missing or there twice", ErrMalformed, k.kind.event)
		}
		if event == "ping" || event == "diagnostics:ping" {
			return nil
		}
		if len(k.config.Events) > 0 && !slices.Contains(k.config.Events, event) {
			return fmt.Errorf("%w: event %q is not among Events", ErrMalformed, clip(event))
		}
	}
	var push *Push
	if k.kind.decode != nil {
		var err error
		if push, err = k.kind.decode(header, body); err != nil {
			return err
		}
	}
	nonce := nonceOf(k, header, body)
	if nonce != "" && !k.seen.begin(nonce, now, h.opts.ReplayWindow) {
		h.log.Info("webhook seen before", "receiver", k.config.Namespace+"/"+k.config.Name, "type", k.config.Type)
		return nil
	}
	err := h.request(ctx, k, push, header, body, now)
	if err != nil && nonce != "" {
		k.seen.forget(nonce) // the sender tries again, and may
	}
	return err
}

func clip(s string) string { return s[:min(len(s), 64)] }

// nonceOf returns what is remembered of a request, or "" where the sender gives
// neither nonce nor time.
func nonceOf(k *hook, header http.Header, body []byte) string {
	if k.config.Type == "gcr" {
		var m pubSubMessage
		if json.Unmarshal(body, &m) == nil {
			return m.Message.MessageID
		}
	}
	for _, name := range k.kind.nonces {
		v, ok := one(header, name)
		if !ok {
			continue
		}
		if k.kind.signed {
			sum := sha256.Sum256(body)
			return hex.EncodeToString(sum[:])
		}
		sum := sha256.Sum256([]byte(v))
		return hex.EncodeToString(sum[:])
	}
	return ""
}

// request asks for the reconciliation of what is concerned. All is tried; errors
// are joined.
func (h *Handler) request(ctx context.Context, k *hook, push *Push, header http.Header, body []byte, now time.Time) error {
	var req any
	if k.config.Filter != nil {
		if err := decode(header, body, &req); err != nil {
			return err
		}
	}
	var errs []error
	for _, r := range k.config.Resources {
		objects, err := h.opts.Cluster.List(ctx, r)
		if err != nil {
			errs = append(errs, fmt.Errorf("list %s %s/%s: %w", r.Kind, r.Namespace, r.Name, err))
			continue
		}
		for _, o := range objects {
			wanted, err := k.wants(push, req, o)
			if err == nil && wanted {
				err = h.opts.Cluster.Request(ctx, o, now)
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("%s %s: %w", r.Kind, name(o), err))
			}
		}
	}
	return errors.Join(errs...)
}

func (k *hook) wants(push *Push, req any, object map[string]any) (bool, error) {
	if k.config.OnlyAffected {
		if use, ok := k.config.Use(object); ok && !push.Affects(use) {
			return false, nil
		}
	}
	if k.config.Filter == nil {
		return true, nil
	}
	ok, err := k.config.Filter.Match(req, object)
	if err != nil {
		return false, fmt.Errorf("filter: %w", err)
	}
	return ok, nil
}

func name(object map[string]any) string {
	meta, _ := object["metadata"].(map[string]any)
	ns, _ := meta["namespace"].(string)
	n, _ := meta["name"].(string)
	return strings.TrimPrefix(ns+"/"+n, "/")
}
