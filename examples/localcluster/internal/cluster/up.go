package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/fileutil"
	"k8s.io/client-go/kubernetes"
	"k8s.io/component-base/version"
)

// instance is a cluster that this process runs.
type instance struct {
	opts  Options
	entry Entry
	dir   dataDir
	ports ports
	board *board
	sup   *supervisor
	log   *logFile
	begun time.Time
}

// Up runs a cluster until ctx ends, and ends it in order: it returns nil when it
// ran and was told to end, and an error that says what to do when it could not
// start or a component kept crashing.
func Up(ctx context.Context, o Options) (err error) {
	o, err = o.withDefaults()
	if err != nil {
		return err
	}
	in := &instance{opts: o, begun: time.Now()}
	lock, err := in.prepare()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.finish(lock)) }()
	if err := in.configure(); err != nil {
		return err
	}
	if in.sup, err = newSupervisor(in.dir, in.board, in.say); err != nil {
		return err
	}
	defer in.sup.close(in.say)
	return in.run(ctx)
}

func (in *instance) say(format string, args ...any) {
	line := fmt.Sprintf(format+"\n", args...)
	_, _ = io.WriteString(in.opts.Progress, line)
	if in.log != nil {
		_, _ = in.log.Write([]byte(time.Now().Format(time.RFC3339) + " " + line))
	}
}

// prepare finds the data folder, takes its lock and registers the instance.
func (in *instance) prepare() (*fileutil.LockedFile, error) {
	home, err := Home()
	if err != nil {
		return nil, err
	}
	if err := sweep(); err != nil {
		in.say("warning: could not clean up after an ephemeral cluster: %v", err)
	}
	if in.dir, err = chooseDir(home, in.opts); err != nil {
		return nil, err
	}
	if err := in.checkName(); err != nil {
		return nil, err
	}
	lock, err := in.dir.claim()
	if err != nil {
		return nil, err
	}
	if in.opts.Kubeconfig, err = furtherKubeconfig(in.opts); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	in.entry = Entry{Name: in.opts.Name, DataDir: string(in.dir), Ephemeral: in.opts.Ephemeral, Kubeconfig: in.opts.Kubeconfig}
	if err := register(home, in.entry); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

// checkName refuses a name under which another data folder is running.
func (in *instance) checkName() error {
	e, err := Find(in.opts.Name)
	if errors.Is(err, ErrUnknown) || (err == nil && e.DataDir == string(in.dir)) {
		return nil
	}
	if err == nil && Running(e.DataDir) {
		return fmt.Errorf("%w: instance %q, in %s: choose another --name", ErrRunning, e.Name, e.DataDir)
	}
	return err
}

// furtherKubeconfig is the file the user named, else the one of the last run,
// which would be left with a wrong port otherwise.
func furtherKubeconfig(o Options) (string, error) {
	if o.Kubeconfig != "" {
		return filepath.Abs(o.Kubeconfig)
	}
	e, err := Find(o.Name)
	if errors.Is(err, ErrUnknown) {
		return "", nil
	}
	return e.Kubeconfig, err
}

func chooseDir(home string, o Options) (dataDir, error) {
	switch {
	case o.DataDir != "":
		dir, err := filepath.Abs(o.DataDir)
		return dataDir(dir), err
	case o.Ephemeral:
		dir, err := os.MkdirTemp("", "localcluster-")
		return dataDir(dir), err
	default:
		return dataDir(filepath.Join(home, o.Name)), nil
	}
}

// configure writes the certificates, the ports and all configuration files.
func (in *instance) configure() (err error) {
	if in.log, err = openLog(in.dir.log("localcluster")); err != nil {
		return err
	}
	holds, err := filepath.Glob(in.dir.hold("*"))
	if err != nil {
		return err
	}
	for _, h := range holds {
		if err := os.Remove(h); err != nil {
			return err
		}
	}
	if _, err := os.Stat(in.dir.etcd()); errors.Is(err, fs.ErrNotExist) {
		in.say("making cluster %q in %s", in.opts.Name, in.dir)
	} else {
		in.say("starting cluster %q again, with its data in %s", in.opts.Name, in.dir)
	}
	if err := in.dir.ensurePKI(); err != nil {
		return err
	}
	if in.ports, err = in.dir.choosePorts(in.opts.Port, in.say); err != nil {
		return err
	}
	if err := in.dir.writeAccess(in.opts, in.ports); err != nil {
		return err
	}
	stages, err := kwokConfig()
	if err != nil {
		return err
	}
	in.board = &board{file: in.dir.statusFile(), status: Status{
		Name: in.opts.Name, Phase: PhaseStarting, PID: os.Getpid(), Server: in.ports.server(),
		Kubeconfig: in.dir.kubeconfig(), DataDir: string(in.dir), Version: version.Get().GitVersion,
		Nodes: in.opts.Nodes, Ephemeral: in.opts.Ephemeral, Started: in.begun.UTC(),
		Etcd: EtcdAccess{Endpoint: in.ports.etcd(), CAFile: in.dir.cert("ca"),
			CertFile: in.dir.cert("apiserver-etcd"), KeyFile: in.dir.key("apiserver-etcd")},
	}}
	return replaceFile(in.dir.stages(), stages)
}

// run starts the components and waits for the end.
func (in *instance) run(ctx context.Context) error {
	startCtx, cancel := context.WithTimeoutCause(ctx, in.opts.ReadyTimeout,
		fmt.Errorf("not ready after %s: see the logs in %s, or allow more with --timeout", in.opts.ReadyTimeout, in.dir.path("logs")))
	started := make(chan error, 1)
	go func() { started <- in.boot(startCtx) }()
	select {
	case err := <-in.sup.fatal:
		cancel()
		return errors.Join(err, ignoreCancelled(<-started))
	case err := <-started:
		cause := context.Cause(startCtx)
		cancel()
		if ctx.Err() != nil {
			return errors.New("told to end before it was ready")
		}
		if err != nil {
			return errors.Join(err, cause)
		}
	}
	if in.opts.OnReady != nil {
		in.opts.OnReady(in.board.get())
	}
	select {
	case err := <-in.sup.fatal:
		return err
	case <-ctx.Done():
		return nil
	}
}

// ignoreCancelled drops the error of a start that was given up because of another.
func ignoreCancelled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// boot starts the components in order and returns when the cluster is usable.
func (in *instance) boot(ctx context.Context) error {
	in.say("starting etcd and kube-apiserver on %s", in.ports.server())
	in.board.update(func(*Status) {})
	for _, c := range []component{etcdComponent(in.dir, in.opts, in.ports), apiserverComponent(in.dir, in.opts, in.ports)} {
		if err := in.sup.start(c); err != nil {
			return err
		}
	}
	client, err := connect(in.dir, in.opts.Name)
	if err != nil {
		return err
	}
	if err := waitServing(ctx, client); err != nil {
		return err
	}
	in.say("the API server is ready after %s; starting kube-controller-manager, kube-scheduler and kwok", in.since())
	return in.populate(ctx, client)
}

func (in *instance) populate(ctx context.Context, client kubernetes.Interface) error {
	for _, c := range []component{kwokComponent(in.dir, in.opts), controllerManagerComponent(in.dir, in.opts), schedulerComponent(in.dir, in.opts)} {
		if err := in.sup.start(c); err != nil {
			return err
		}
	}
	if err := seed(ctx, client, in.opts.Nodes); err != nil {
		return err
	}
	if err := waitUsable(ctx, client, in.opts.Nodes); err != nil {
		return err
	}
	after := in.since()
	in.say("ready after %s", after)
	in.board.update(func(s *Status) { s.Phase, s.ReadyAfter = PhaseReady, after.String() })
	return in.board.err
}

func (in *instance) since() time.Duration { return time.Since(in.begun).Round(10 * time.Millisecond) }

// close ends all components, those that write before those that store.
func (s *supervisor) close(say func(string, ...any)) {
	say("ending the cluster")
	s.board.update(func(st *Status) { st.Phase = PhaseStopping })
	s.stop(Kwok, ControllerManager, Scheduler)
	s.stop(APIServer)
	s.stop(Etcd)
	s.starter.close()
	s.board.update(func(st *Status) { st.Phase, st.PID = PhaseStopped, 0 })
}

// finish gives the lock back and removes what an ephemeral cluster leaves.
func (in *instance) finish(lock *fileutil.LockedFile) error {
	var err error
	if in.log != nil {
		err = in.log.Close()
	}
	if in.opts.Ephemeral {
		err = errors.Join(err, forget(in.entry))
	}
	return errors.Join(err, lock.Close())
}
