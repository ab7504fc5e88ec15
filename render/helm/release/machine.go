package release

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	helmrelease "helm.sh/helm/v3/pkg/release"
	"k8s.io/client-go/rest"
)

// Options of a Machine.
type Options struct {
	// Config leads to the cluster; it is required and not changed. QPS is used
	// as it is, but zero, which client-go takes for 5, is taken for no limit.
	Config *rest.Config
	// Waiter waits for objects; nil polls, by Helm's notion of what is ready.
	Waiter Waiter
	// OnEvent hears of each action when it has ended, serially.
	OnEvent func(Event)
	// FieldManager of drift corrections. Empty means "helm-controller".
	FieldManager string
	// Logger hears of decisions and of the API server's warnings. Nil discards.
	Logger *slog.Logger
}

// Event is one action that ended.
type Event struct {
	Action  Action
	Reason  string
	Release string // namespace/name
	Version int    // the revision concerned
	Err     error  // nil if it succeeded
}

// Machine brings releases to their specifications. It keeps no state and is safe
// for use by several goroutines, but not for the same release at the same time.
type Machine struct {
	config  *rest.Config
	waiter  Waiter
	onEvent func(Event)
	manager string
	log     *slog.Logger
}

// New returns a Machine. It sends no request.
func New(o Options) (*Machine, error) {
	if o.Config == nil {
		return nil, &Error{Op: "observe", Err: fmt.Errorf("%w: set Options.Config", ErrSpec)}
	}
	c := rest.CopyConfig(o.Config)
	if c.QPS == 0 && c.RateLimiter == nil {
		c.QPS = -1
	}
	m := &Machine{config: c, waiter: o.Waiter, onEvent: o.OnEvent, manager: o.FieldManager, log: o.Logger}
	if m.manager == "" {
		m.manager = "helm-controller"
	}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	if c.WarningHandler == nil && c.WarningHandlerWithContext == nil {
		c.WarningHandler = warnings{m.log} // client-go would print them
	}
	return m, nil
}

// Result of a reconciliation.
type Result struct {
	// Record is to be kept and given to the next reconciliation, also on error.
	Record Record
	// State is the last that was observed.
	State State
	// Actions that ran, in order.
	Actions []Event
	// Requeue says that another reconciliation should follow at once.
	Requeue bool
}

// Observe tells the state of a release without changing anything.
func (m *Machine) Observe(ctx context.Context, s Spec, r Record) (State, error) {
	s, err := s.withDefaults()
	if err != nil {
		return State{}, err
	}
	if s.Chart == nil {
		return State{}, specError(s, "set Spec.Chart")
	}
	op, err := m.operation(ctx, s)
	if err != nil {
		return State{}, m.fail("observe", s, nil, err)
	}
	return m.observe(ctx, op, s, r)
}

// Reconcile observes, decides and acts until the release is as specified, an
// action of the same kind would run again (installing and upgrading are one), or a
// remediation ran. r is not
// changed. The Result is valid also with an error.
//
// It fails with ErrRetriesExceeded or ErrMissingRollbackTarget where nothing
// more is done until the specification changes, and with the error of the action
// that failed otherwise.
func (m *Machine) Reconcile(ctx context.Context, s Spec, r Record) (Result, error) {
	res := Result{Record: r.clone()}
	s, err := s.withDefaults()
	if err != nil {
		return res, err
	}
	if s.Chart == nil {
		return res, specError(s, "set Spec.Chart")
	}
	if err := m.moved(ctx, s, &res); err != nil {
		return res, err
	}
	res.Record.reset(s)
	res.Record.Name, res.Record.Namespace = s.Name, s.Namespace
	res.Record.StorageNamespace, res.Record.ChartName = s.StorageNamespace, s.Chart.Metadata().Name
	return m.loop(ctx, s, res)
}

func (m *Machine) loop(ctx context.Context, s Spec, res Result) (Result, error) {
	var failure error
	var ran []Action
	for {
		if err := ctx.Err(); err != nil {
			return res, errors.Join(failure, err)
		}
		op, err := m.operation(ctx, s)
		if err != nil {
			return res, errors.Join(failure, m.fail("observe", s, nil, err))
		}
		if res.State, err = m.observe(ctx, op, s, res.Record); err != nil {
			return res, errors.Join(failure, err)
		}
		d, err := decide(res.State, s, res.Record)
		if err != nil {
			return res, errors.Join(failure, m.fail("observe", s, nil, err))
		}
		m.log.Debug("release", "release", s.ref(), "state", res.State.Status, "action", d.Action, "reason", d.Reason)
		if d.Action == ActionNone {
			res.Record.settle(s.remediation(res.Record.LastAction).ignoresTests(s.Test))
			return res, failure
		}
		if slices.ContainsFunc(ran, d.Action.sameKind) {
			res.Requeue = true
			return res, failure
		}
		ran = append(ran, d.Action)
		err = m.act(ctx, op, s, d, &res)
		failure = errors.Join(failure, err)
		s.Force = false
		if d.Action == ActionRollback || d.Action == ActionUninstall {
			rem := s.remediation(res.Record.LastAction)
			failures := max(res.Record.InstallFailures, res.Record.UpgradeFailures)
			res.Requeue = !rem.exhausted(failures)
			return res, failure
		}
		if err != nil && !m.stored(err) {
			return res, failure
		}
	}
}

// stored says whether an action that failed left a trace in the storage, so that
// looking again makes sense.
func (m *Machine) stored(err error) bool {
	for _, known := range []error{ErrInstall, ErrUpgrade, ErrTest} {
		if errors.Is(err, known) {
			return !errors.Is(err, errNothingStored)
		}
	}
	return false
}

var errNothingStored = errors.New("nothing was changed")

// act runs one action and records what the storage then says.
func (m *Machine) act(ctx context.Context, op *operation, s Spec, d Decision, res *Result) error {
	before := res.State.Version
	if d.Action == ActionInstall || d.Action == ActionUpgrade {
		res.Record.LastAction = d.Action
		res.Record.PostRenderDigest = postRenderDigest(s)
	}
	err := m.run(ctx, op, s, d, res.State)
	after, readErr := op.storage.last(context.WithoutCancel(ctx), s.Name)
	if readErr != nil {
		err = errors.Join(err, fmt.Errorf("%w: %w", ErrStorage, readErr))
	}
	if err != nil && after != nil && after.Info.Status.IsPending() {
		// Helm leaves some failures pending, as if the action still ran.
		if unlockErr := unlock(op, after); unlockErr != nil {
			err = errors.Join(err, fmt.Errorf("%w: %w", ErrStorage, unlockErr))
		}
	}
	m.remember(op, s, d, after, before, res, &err)
	e := Event{Action: d.Action, Reason: d.Reason, Release: s.ref(), Version: before, Err: err}
	if after != nil {
		e.Version = after.Version
	}
	res.Actions = append(res.Actions, e)
	if m.onEvent != nil {
		m.onEvent(e)
	}
	return err
}

// remember writes into the record what an action left behind.
func (m *Machine) remember(op *operation, s Spec, d Decision, after *helmrelease.Release, before int, res *Result, err *error) {
	switch d.Action {
	case ActionInstall, ActionUpgrade:
		if *err != nil {
			// An install that failed on an absent release, or an upgrade, leaves a
			// new revision; without one it is an error and no failed release.
			if after == nil || after.Version == before {
				*err = m.fail(string(d.Action), s, op.log.last(), fmt.Errorf("%w: %w", *err, errNothingStored))
				return
			}
			res.Record.failed(d.Action)
		}
	case ActionTest:
		if *err != nil && !s.remediation(res.Record.LastAction).ignoresTests(s.Test) {
			res.Record.failed(res.Record.LastAction)
		}
	}
	if *err != nil {
		*err = m.fail(string(d.Action), s, op.log.last(), *err)
	}
	if after == nil {
		res.Record.History = nil
		return
	}
	// Revisions before this one may have been superseded meanwhile.
	for i := range res.Record.History {
		h := &res.Record.History[i]
		if h.Version == after.Version {
			continue
		}
		if old, readErr := op.storage.revision(s.Name, h.Version); readErr == nil && old != nil {
			tested, hooks := h.Tested, h.TestHooks
			*h = snapshotOf(old, h.OCIDigest)
			h.Tested, h.TestHooks = tested, hooks
		}
	}
	oci := s.OCIDigest
	if latest := res.Record.Latest(); d.Action != ActionInstall && d.Action != ActionUpgrade && latest != nil && latest.Version == after.Version {
		oci = latest.OCIDigest
	}
	snap := snapshotOf(after, oci)
	if latest := res.Record.Latest(); latest != nil && latest.Version == snap.Version {
		snap.TestHooks, snap.Tested = latest.TestHooks, latest.Tested
	}
	if d.Action == ActionTest {
		snap.TestHooks, snap.Tested = testHooks(after), true
	}
	res.Record.put(snap)
}

func (m *Machine) fail(op string, s Spec, log []string, err error) error {
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	return &Error{Op: op, Ref: s.ref(), Log: log, Err: err}
}

// moved uninstalls the release of before where name, namespaces or chart name
// changed.
func (m *Machine) moved(ctx context.Context, s Spec, res *Result) error {
	r := &res.Record
	if r.Name == "" || len(r.History) == 0 {
		return nil
	}
	if r.Name == s.Name && r.Namespace == s.Namespace && r.StorageNamespace == s.StorageNamespace && r.ChartName == s.Chart.Metadata().Name {
		return nil
	}
	old := s
	old.Name, old.Namespace, old.StorageNamespace = r.Name, r.Namespace, r.StorageNamespace
	out, err := m.Uninstall(ctx, old, *r)
	res.Actions = append(res.Actions, out.Actions...)
	if err != nil {
		return err
	}
	res.Record = Record{}
	return nil
}

// Uninstall removes a release. One that is not there is no error.
func (m *Machine) Uninstall(ctx context.Context, s Spec, r Record) (Result, error) {
	res := Result{Record: r.clone()}
	s, err := s.withDefaults()
	if err != nil {
		return res, err
	}
	op, err := m.operation(ctx, s)
	if err != nil {
		return res, m.fail("uninstall", s, nil, err)
	}
	rel, err := op.storage.last(ctx, s.Name)
	if err != nil {
		return res, m.fail("uninstall", s, nil, fmt.Errorf("%w: %w", ErrStorage, err))
	}
	if rel == nil {
		res.Record.History = nil
		return res, nil
	}
	res.State = State{Version: rel.Version, release: rel}
	err = m.act(ctx, op, s, Decision{Action: ActionUninstall, Reason: "on request"}, &res)
	return res, err
}

// History lists the revisions of a release, the newest first, by metadata only.
func (m *Machine) History(ctx context.Context, storageNamespace, name string) ([]Info, error) {
	st, err := newStorage(m.storageConfig(), storageNamespace, func(string, ...any) {})
	if err != nil {
		return nil, err
	}
	infos, err := st.infos(ctx, name)
	if err != nil {
		return nil, &Error{Op: "observe", Ref: storageNamespace + "/" + name, Err: fmt.Errorf("%w: %w", ErrStorage, err)}
	}
	slices.SortFunc(infos, func(a, b Info) int { return b.Version - a.Version })
	return infos, nil
}
