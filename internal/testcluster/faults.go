package testcluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Components of a localcluster.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
	Kwok              = "kwok"
)

const (
	faultLimit = time.Minute
	lookEvery  = 20 * time.Millisecond
)

// status is the part of localcluster's status.json that is read here.
type status struct {
	Kubeconfig string `json:"kubeconfig"`
	DataDir    string `json:"dataDir"`
	Components []struct {
		Name  string `json:"name"`
		State string `json:"state"`
		PID   int    `json:"pid"`
	} `json:"components"`
}

// KillAPIServer kills the API server with SIGKILL and returns when its successor
// is ready. etcd and the controllers stay.
func (c *Cluster) KillAPIServer(t testing.TB) {
	t.Helper()
	c.Kill(t, APIServer)
	c.WaitReady(t)
}

// Kill kills a component with SIGKILL and returns when its successor runs.
func (c *Cluster) Kill(t testing.TB, component string) {
	t.Helper()
	c.needLocal(t)
	old := c.process(t, component)
	kill(t, old)
	c.until(t, component+" to be started again", func() (bool, error) {
		pid, running, err := c.find(component)
		return running && pid != old, err
	})
}

// StopComponent kills a component and keeps it down until the function that it
// returns is called, or the test ends. That function returns when the component
// runs again.
func (c *Cluster) StopComponent(t testing.TB, component string) (resume func()) {
	t.Helper()
	c.needLocal(t)
	hold := filepath.Join(c.dataDir, "hold-"+component)
	if err := os.WriteFile(hold, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(hold) })
	kill(t, c.process(t, component))
	c.until(t, component+" to stay down", func() (bool, error) {
		_, running, err := c.find(component)
		return !running, err
	})
	return func() {
		t.Helper()
		if err := os.Remove(hold); err != nil {
			t.Fatal(err)
		}
		c.until(t, component+" to be started again", func() (bool, error) {
			_, running, err := c.find(component)
			return running, err
		})
	}
}

// WaitReady returns when the API server says that it is ready.
func (c *Cluster) WaitReady(t testing.TB) {
	t.Helper()
	client, err := c.core()
	if err != nil {
		t.Fatal(err)
	}
	defer closeIdle(client)
	c.until(t, "the API server to be ready", func() (bool, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		return client.Get().AbsPath("/readyz").Do(ctx).Error() == nil, nil
	})
}

func (c *Cluster) needLocal(t testing.TB) {
	t.Helper()
	if !c.Local() {
		t.Skipf("kills components, but the cluster is the one that %s names", KubeconfigEnv)
	}
}

func (c *Cluster) process(t testing.TB, component string) int {
	t.Helper()
	pid, running, err := c.find(component)
	if err != nil {
		t.Fatal(err)
	}
	if !running {
		t.Fatalf("%s does not run", component)
	}
	return pid
}

func kill(t testing.TB, pid int) {
	t.Helper()
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Kill()
	}
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
}

func (c *Cluster) find(component string) (pid int, running bool, err error) {
	b, err := os.ReadFile(filepath.Join(c.dataDir, "status.json"))
	if err != nil {
		return 0, false, err
	}
	var s status
	if err := json.Unmarshal(b, &s); err != nil {
		return 0, false, err
	}
	for _, comp := range s.Components {
		if comp.Name == component {
			return comp.PID, comp.State == "running", nil
		}
	}
	return 0, false, fmt.Errorf("localcluster has no component %q", component)
}

// until looks again and again, as what it waits for is in another process.
func (c *Cluster) until(t testing.TB, what string, done func() (bool, error)) {
	t.Helper()
	limit := time.After(faultLimit)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		ok, err := done()
		if err != nil {
			t.Fatalf("waiting for %s: %v", what, err)
		}
		if ok {
			return
		}
		select {
		case <-limit:
			t.Fatalf("waited %s for %s; the logs are in %s", faultLimit, what, filepath.Join(c.dataDir, "logs"))
		case <-tick.C:
		}
	}
}
