package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/client/pkg/v3/fileutil"
)

// dataDir is the folder of one instance. The lock file marks it as ours and is
// locked while a supervisor lives.
type dataDir string

func (d dataDir) path(elem ...string) string {
	return filepath.Join(append([]string{string(d)}, elem...)...)
}

func (d dataDir) lockFile() string         { return d.path("localcluster.lock") }
func (d dataDir) statusFile() string       { return d.path("status.json") }
func (d dataDir) portsFile() string        { return d.path("ports.json") }
func (d dataDir) kubeconfig() string       { return d.path("kubeconfig") }
func (d dataDir) pki(name string) string   { return d.path("pki", name) }
func (d dataDir) log(name string) string   { return d.path("logs", name+".log") }
func (d dataDir) etcd() string             { return d.path("etcd") }
func (d dataDir) hold(name string) string  { return d.path("hold-" + name) }
func (d dataDir) stages() string           { return d.path("kwok.yaml") }
func (d dataDir) access(who string) string { return d.path("pki", who+".kubeconfig") }
func (d dataDir) tokens() string           { return d.path("pki", "tokens.csv") }

// LogFile is the log of that component of the instance in dir; the supervisor's
// own is called "localcluster".
func LogFile(dir, component string) string { return dataDir(dir).log(component) }

// claim makes the folder if need be and takes its lock. The caller closes the
// lock when the instance has ended.
func (d dataDir) claim() (*fileutil.LockedFile, error) {
	if err := d.checkOurs(); err != nil {
		return nil, err
	}
	for _, sub := range []string{"", "pki", "logs"} {
		if err := os.MkdirAll(d.path(sub), 0o700); err != nil {
			return nil, err
		}
	}
	lock, err := fileutil.TryLockFile(d.lockFile(), os.O_WRONLY|os.O_CREATE, 0o600)
	if errors.Is(err, fileutil.ErrLocked) {
		s, _ := ReadStatus(string(d))
		return nil, fmt.Errorf("%w: instance %q (process %d) uses %s: end it with 'localcluster down --name %s', or choose another --name or --data-dir",
			ErrRunning, s.Name, s.PID, d, s.Name)
	}
	return lock, err
}

// checkOurs refuses a folder that holds somebody else's files.
func (d dataDir) checkOurs() error {
	entries, err := os.ReadDir(string(d))
	if errors.Is(err, fs.ErrNotExist) || (err == nil && len(entries) == 0) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if _, err := os.Stat(d.lockFile()); err != nil {
		return fmt.Errorf("data folder %s: it holds files that are not localcluster's: choose an empty or a new folder", d)
	}
	return nil
}

// Running tells whether a supervisor holds the data folder.
func Running(dir string) bool {
	file := dataDir(dir).lockFile()
	if _, err := os.Stat(file); err != nil {
		return false
	}
	lock, err := fileutil.TryLockFile(file, os.O_WRONLY, 0o600)
	if err != nil {
		return errors.Is(err, fileutil.ErrLocked)
	}
	_ = lock.Close()
	return false
}

// LogDir is the folder of the logs of the instance in dir.
func LogDir(dir string) string { return dataDir(dir).path("logs") }
