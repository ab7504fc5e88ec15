package cluster

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"
)

// Options says which cluster to run and how.
type Options struct {
	// Name tells instances apart; a DNS label. Empty means "default", or a
	// random name when Ephemeral is set.
	Name string
	// Nodes is the number of KWOK nodes. Zero means 1.
	Nodes int
	// DataDir holds everything the instance keeps. Empty means a folder of
	// that name below the home folder (see [Home]), or a temporary one when
	// Ephemeral is set.
	DataDir string
	// Kubeconfig is a further file to write the admin's access into; what
	// else that file holds is kept. The data folder's own kubeconfig is
	// always written.
	Kubeconfig string
	// Port of the API server on 127.0.0.1. Zero means the port of the last
	// run if it is still free, otherwise any free one.
	Port int
	// Ephemeral removes the data when the cluster ends.
	Ephemeral bool
	// UnsafeNoFsync lets etcd skip fsync: faster, and a crash of the machine
	// (not of the process) may lose data. Implied by Ephemeral.
	UnsafeNoFsync bool
	// ReadyTimeout bounds the start. Zero means 2 minutes.
	ReadyTimeout time.Duration
	// Verbosity is the -v of the Kubernetes components, 0 to 10.
	Verbosity int
	// Progress receives one line for each thing that happens; nil discards.
	Progress io.Writer
	// OnReady is called once, when the cluster is ready.
	OnReady func(Status)
}

var nameRule = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$`)

// CheckName tells whether name can name an instance.
func CheckName(name string) error {
	if !nameRule.MatchString(name) {
		return fmt.Errorf("name %q: use 1 to 40 lower-case letters, digits and dashes", name)
	}
	return nil
}

func (o Options) withDefaults() (Options, error) {
	if o.Nodes == 0 {
		o.Nodes = 1
	}
	if o.Nodes < 0 || o.Nodes > 5000 {
		return o, fmt.Errorf("nodes %d: use 1 to 5000", o.Nodes)
	}
	if o.Port < 0 || o.Port > 65535 {
		return o, fmt.Errorf("port %d: use 1 to 65535, or 0 for any", o.Port)
	}
	if o.Name == "" {
		o.Name = "default"
		if o.Ephemeral {
			o.Name = "ephemeral-" + randomHex(4)
		}
	}
	if err := CheckName(o.Name); err != nil {
		return o, err
	}
	if o.ReadyTimeout == 0 {
		o.ReadyTimeout = 2 * time.Minute
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	o.UnsafeNoFsync = o.UnsafeNoFsync || o.Ephemeral
	return o, nil
}

// Errors that callers tell apart.
var (
	// ErrRunning means that a live instance holds the data folder.
	ErrRunning = errors.New("already running")
	// ErrNotRunning means that no live instance has that name.
	ErrNotRunning = errors.New("not running")
	// ErrUnknown means that there is no instance of that name.
	ErrUnknown = errors.New("no such instance")
)
