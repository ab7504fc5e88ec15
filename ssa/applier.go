package ssa

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// Options say how an Applier works. The zero value works.
type Options struct {
	// FieldManager is the name under which fields are owned. Default
	// "gitopskit". Use one name for one purpose, always the same: fields that
	// were applied under another name are not removed when they leave the set.
	FieldManager string

	// MarkPrefix begins the labels and annotations by which an object says how
	// it wants to be treated: <prefix>ssa, <prefix>prune, <prefix>reconcile and
	// <prefix>force. Default "gitopskit.github.io/".
	MarkPrefix string

	// TakeOver names other field managers whose fields become ours, so that
	// what they added and the set does not have goes away. An entry that ends
	// in "*" matches every name that begins so. Applied objects that carry
	// kubectl's last-applied annotation lose it when kubectl is taken over.
	// Default: nothing is taken over; fields of the set are set in any case.
	TakeOver []string

	// Concurrency is how many requests are under way at once at most. Default
	// 32.
	Concurrency int

	// Mapper finds the resource of a kind. Default: one made from the
	// cluster's discovery, asked again when a kind is not known. A mapper that
	// has a Reset method is reset for that.
	Mapper meta.RESTMapper

	// WatchSelector limits what Watch watches to objects whose labels match.
	// Everything that Apply writes must match then; set a label of OwnerLabels
	// here. Default: all objects of the kinds in use.
	WatchSelector string

	// Logger is told what the Applier can't tell its caller, and each warning of
	// the API server once, unless the rest.Config has a handler for those. Default:
	// nothing is logged.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.FieldManager == "" {
		o.FieldManager = "gitopskit"
	}
	if o.MarkPrefix == "" {
		o.MarkPrefix = "gitopskit.github.io/"
	}
	if o.Concurrency <= 0 {
		o.Concurrency = 32
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	return o
}

// An Applier makes one cluster match sets of objects. It is safe for
// concurrent use, also by several sets at once, and keeps nothing running
// between calls unless Watch runs.
type Applier struct {
	opts   Options
	marks  markNames
	client *client
	kinds  *kinds
	state  *state // shared by the Appliers made by As
}

// New returns an Applier for the cluster that cfg leads to. It sends no
// request. cfg is copied; its QPS and Burst are not used: the number of
// requests is bounded by Options.Concurrency and by the API server's own
// priority and fairness, and all requests pause when that says so.
func New(cfg *rest.Config, opts Options) (*Applier, error) {
	if cfg == nil {
		return nil, errors.New("ssa: no rest.Config: give the one that leads to your cluster")
	}
	opts = opts.withDefaults()
	c, err := newClient(cfg, opts)
	if err != nil {
		return nil, fmt.Errorf("ssa: %w", err)
	}
	k, err := newKinds(c, opts)
	if err != nil {
		return nil, fmt.Errorf("ssa: %w", err)
	}
	return &Applier{
		opts:   opts,
		marks:  newMarkNames(opts.MarkPrefix),
		client: c,
		kinds:  k,
		state:  newState(),
	}, nil
}

// As returns an Applier that acts as somebody else: what the API server does
// not allow that account, it does not do. It shares with a what is known of
// the cluster, and the watches.
func (a *Applier) As(who rest.ImpersonationConfig) (*Applier, error) {
	cfg := rest.CopyConfig(a.client.cfg)
	cfg.Impersonate = who
	c, err := newClient(cfg, a.opts)
	if err != nil {
		return nil, fmt.Errorf("ssa: impersonate %s: %w", who.UserName, err)
	}
	b := *a
	b.client = c
	return &b, nil
}

func (a *Applier) takesOver(e metav1.ManagedFieldsEntry) bool {
	for _, name := range a.opts.TakeOver {
		prefix, isPrefix := strings.CutSuffix(name, "*")
		if e.Manager == name || isPrefix && strings.HasPrefix(e.Manager, prefix) {
			return true
		}
	}
	return false
}
