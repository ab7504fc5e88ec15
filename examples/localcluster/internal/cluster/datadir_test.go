package cluster

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestClaim(t *testing.T) {
	t.Run("refuses a folder that another instance runs in", func(t *testing.T) {
		d := madeDir(t)
		if err := writeJSON(d.statusFile(), Status{Name: "first", PID: 4711}); err != nil {
			t.Fatal(err)
		}
		_, err := d.claim()
		if !errors.Is(err, ErrRunning) || !strings.Contains(err.Error(), "4711") {
			t.Errorf("got %v, want ErrRunning with the process", err)
		}
		if !Running(string(d)) {
			t.Error("Running says false")
		}
	})
	t.Run("takes the folder of an instance that was killed", func(t *testing.T) {
		d := dataDir(t.TempDir())
		for range 2 {
			lock, err := d.claim()
			if err != nil {
				t.Fatal(err)
			}
			if err := lock.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if Running(string(d)) {
			t.Error("Running says true")
		}
	})
	t.Run("refuses a folder with somebody else's files", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := dataDir(dir).claim(); err == nil {
			t.Error("no error")
		}
		if err := Purge(Entry{Name: "a", DataDir: dir}); err == nil {
			t.Error("would have removed it")
		}
		if _, err := os.Stat(filepath.Join(dir, "thesis.txt")); err != nil {
			t.Error(err)
		}
	})
}

func TestRegistry(t *testing.T) {
	t.Setenv(HomeEnv, t.TempDir())
	home, err := Home()
	if err != nil {
		t.Fatal(err)
	}
	there, gone := t.TempDir(), filepath.Join(t.TempDir(), "gone")
	for name, dir := range map[string]string{"a": there, "b": gone} {
		if err := register(home, Entry{Name: name, DataDir: dir}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := List()
	if err != nil || len(got) != 1 || got[0].Name != "a" {
		t.Errorf("List: %v, %v; want a alone", got, err)
	}
	if _, err := Find("b"); !errors.Is(err, ErrUnknown) {
		t.Errorf("Find of what is gone: %v", err)
	}
	if _, err := Find("../a"); err == nil {
		t.Error("a name that leaves the registry is accepted")
	}
}

func TestSweepRemovesWhatKilledEphemeralClustersLeft(t *testing.T) {
	t.Setenv(HomeEnv, t.TempDir())
	home, err := Home()
	if err != nil {
		t.Fatal(err)
	}
	running, killed, kept := madeDir(t), dataDir(t.TempDir()), dataDir(t.TempDir())
	for _, d := range []dataDir{killed, kept} {
		lock, err := d.claim()
		if err != nil {
			t.Fatal(err)
		}
		if err := lock.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, d := range map[string]dataDir{"running": running, "killed": killed, "kept": kept} {
		if err := register(home, Entry{Name: name, DataDir: string(d), Ephemeral: name != "kept"}); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := sweep(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	got, err := List()
	if err != nil || len(got) != 2 || got[0].Name != "kept" || got[1].Name != "running" {
		t.Errorf("left are %v, %v; want kept and running", got, err)
	}
	if _, err := os.Stat(string(killed)); !os.IsNotExist(err) {
		t.Errorf("its data are left: %v", err)
	}
}

func TestStatusOfAKilledInstanceIsStopped(t *testing.T) {
	d := dataDir(t.TempDir())
	s := Status{Name: "a", Phase: PhaseReady, PID: 1, Components: []ComponentStatus{{Name: Etcd, State: StateRunning, PID: 2}}}
	if err := writeJSON(d.statusFile(), s); err != nil {
		t.Fatal(err)
	}
	got, err := ReadLiveStatus(string(d))
	if err != nil {
		t.Fatal(err)
	}
	if got.Phase != PhaseStopped || got.PID != 0 || got.Components[0].State != StateStopped || got.Components[0].PID != 0 {
		t.Errorf("got %+v", got)
	}
}
