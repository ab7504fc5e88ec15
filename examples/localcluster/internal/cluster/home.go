package cluster

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"go.etcd.io/etcd/client/pkg/v3/fileutil"
)

// HomeEnv names the environment variable that overrides [Home].
const HomeEnv = "LOCALCLUSTER_HOME"

// Home is the folder below which instances live and are registered:
// $LOCALCLUSTER_HOME, else $XDG_STATE_HOME/gitopskit/localcluster, else
// ~/.local/state/gitopskit/localcluster.
func Home() (string, error) {
	if dir := os.Getenv(HomeEnv); dir != "" {
		return filepath.Abs(dir)
	}
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "gitopskit", "localcluster"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find a folder for the instances: %w: set %s", err, HomeEnv)
	}
	return filepath.Join(home, ".local", "state", "gitopskit", "localcluster"), nil
}

// Entry is what the registry knows about an instance.
type Entry struct {
	Name      string `json:"name"`
	DataDir   string `json:"dataDir"`
	Ephemeral bool   `json:"ephemeral,omitempty"`
	// Kubeconfig is the further file that has the instance's access.
	Kubeconfig string `json:"kubeconfig,omitempty"`
}

func entryFile(home, name string) string {
	return filepath.Join(home, "registry", name+".json")
}

func register(home string, e Entry) error {
	return writeJSON(entryFile(home, e.Name), e)
}

func unregister(home, name string) error {
	err := os.Remove(entryFile(home, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Find returns the registered instance of that name, or [ErrUnknown].
func Find(name string) (Entry, error) {
	var e Entry
	if err := CheckName(name); err != nil {
		return e, err
	}
	home, err := Home()
	if err != nil {
		return e, err
	}
	err = readJSON(entryFile(home, name), &e)
	if errors.Is(err, fs.ErrNotExist) {
		return e, fmt.Errorf("%w: %q: 'localcluster list' shows what there is", ErrUnknown, name)
	}
	return e, err
}

// List returns all registered instances by name. Entries whose data folder is
// gone are dropped from the registry.
func List() ([]Entry, error) {
	home, err := Home()
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(entryFile(home, "*"))
	if err != nil {
		return nil, err
	}
	sort.Strings(files)
	var out []Entry
	for _, f := range files {
		var e Entry
		err := readJSON(f, &e)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has just ended
		}
		if err != nil {
			return out, err
		}
		if _, err := os.Stat(e.DataDir); errors.Is(err, fs.ErrNotExist) {
			if err := unregister(home, strings.TrimSuffix(filepath.Base(f), ".json")); err != nil {
				return out, err
			}
			continue
		}
		out = append(out, e)
	}
	return out, nil
}

// sweep removes ephemeral instances whose supervisor was killed. Several programs
// may do so at the same time: who has the lock removes.
func sweep() error {
	entries, err := List()
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if !e.Ephemeral {
			continue
		}
		err := Purge(e)
		if !errors.Is(err, ErrRunning) && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Purge removes the data of an instance that does not run, and its entry. The
// error is [ErrRunning] when it does run, and fs.ErrNotExist when the folder is
// gone or not an instance's.
func Purge(e Entry) error {
	lock, err := fileutil.TryLockFile(dataDir(e.DataDir).lockFile(), os.O_WRONLY, 0o600)
	if errors.Is(err, fileutil.ErrLocked) {
		return fmt.Errorf("remove %s: %w", e.DataDir, ErrRunning)
	}
	if err != nil {
		return err
	}
	return errors.Join(forget(e), lock.Close())
}

// forget removes the entry and the data of an instance whose lock is held.
func forget(e Entry) error {
	if e.Kubeconfig != "" {
		if err := removeContext(e.Kubeconfig, e.Name); err != nil {
			return err
		}
	}
	home, err := Home()
	if err != nil {
		return err
	}
	return errors.Join(unregister(home, e.Name), os.RemoveAll(e.DataDir))
}

func readJSON(file string, v any) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

func writeJSON(file string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return replaceFile(file, append(b, '\n'))
}

// replaceFile gives file new content, which a reader sees whole or not at all.
func replaceFile(file string, b []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(b)
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
	}
	return err
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}
