package cluster

import (
	"slices"
	"sync"
	"time"
)

// Names of the components.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
	Kwok              = "kwok"
)

// Phases of an instance.
const (
	PhaseStarting = "starting"
	PhaseReady    = "ready"
	PhaseStopping = "stopping"
	PhaseStopped  = "stopped"
)

// States of a component.
const (
	StateRunning    = "running"
	StateRestarting = "restarting"
	StateHeld       = "held"
	StateStopped    = "stopped"
)

// Status is what status.json tells about an instance.
type Status struct {
	Name       string            `json:"name"`
	Phase      string            `json:"phase"`
	PID        int               `json:"pid"`
	Server     string            `json:"server"`
	Kubeconfig string            `json:"kubeconfig"`
	DataDir    string            `json:"dataDir"`
	Version    string            `json:"version"`
	Nodes      int               `json:"nodes"`
	Ephemeral  bool              `json:"ephemeral,omitempty"`
	Started    time.Time         `json:"started"`
	ReadyAfter string            `json:"readyAfter,omitempty"`
	Etcd       EtcdAccess        `json:"etcd"`
	Components []ComponentStatus `json:"components"`
}

// EtcdAccess says how a client reaches etcd.
type EtcdAccess struct {
	Endpoint string `json:"endpoint"`
	CAFile   string `json:"caFile"`
	CertFile string `json:"certFile"`
	KeyFile  string `json:"keyFile"`
}

// ComponentStatus is the state of one child process.
type ComponentStatus struct {
	Name     string    `json:"name"`
	State    string    `json:"state"`
	PID      int       `json:"pid,omitempty"`
	Restarts int       `json:"restarts"`
	Since    time.Time `json:"since"`
	Log      string    `json:"log"`
}

// ReadStatus reads the status of the instance in dir. A phase other than stopped
// is turned into stopped when no supervisor lives.
func ReadStatus(dir string) (Status, error) {
	var s Status
	if err := readJSON(dataDir(dir).statusFile(), &s); err != nil {
		return s, err
	}
	return s, nil
}

// ReadLiveStatus is [ReadStatus] corrected by what is known of the processes: an
// instance whose supervisor is gone is stopped, whatever the file says.
func ReadLiveStatus(dir string) (Status, error) {
	s, err := ReadStatus(dir)
	if err != nil || Running(dir) {
		return s, err
	}
	s.Phase, s.PID = PhaseStopped, 0
	for i := range s.Components {
		s.Components[i].State, s.Components[i].PID = StateStopped, 0
	}
	return s, nil
}

// board keeps the status and writes each change to disk.
type board struct {
	mu     sync.Mutex
	file   string
	status Status
	err    error
}

func (b *board) update(change func(*Status)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.status)
	if err := writeJSON(b.file, b.status); err != nil && b.err == nil {
		b.err = err
	}
}

func (b *board) component(name string, change func(*ComponentStatus)) {
	b.update(func(s *Status) {
		i := slices.IndexFunc(s.Components, func(c ComponentStatus) bool { return c.Name == name })
		if i < 0 {
			s.Components = append(s.Components, ComponentStatus{Name: name})
			i = len(s.Components) - 1
		}
		change(&s.Components[i])
	})
}

func (b *board) get() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.status
	s.Components = slices.Clone(s.Components)
	return s
}
