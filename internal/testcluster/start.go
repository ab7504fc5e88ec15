package testcluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/gitopskit/gitopskit/internal/parts"
)

const (
	// BinaryEnv names the environment variable with the path of localcluster.
	BinaryEnv = "GITOPSKIT_LOCALCLUSTER"
	// KubeconfigEnv names the environment variable with a kubeconfig of a
	// cluster to use instead of a localcluster.
	KubeconfigEnv = "GITOPSKIT_KUBECONFIG"

	startLimit = 3 * time.Minute
)

// instance is the localcluster process of this test binary.
type instance struct {
	cmd   *exec.Cmd
	stdin *os.File // its closing, by whatever means, ends the cluster
	out   *os.File
	log   *os.File // without a name, so that nothing is left of it
}

// binary returns the path of localcluster, or ends the test.
func binary(t testing.TB) string {
	t.Helper()
	if path := os.Getenv(BinaryEnv); path != "" {
		_, err := os.Stat(path)
		parts.Require(t, path+" (from $"+BinaryEnv+")", err == nil, "run 'make cluster-build', or set "+BinaryEnv)
		return path
	}
	root, err := repositoryRoot()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "bin", "localcluster")
	_, err = os.Stat(path)
	parts.Require(t, path, err == nil, "run 'make cluster-build', or set "+BinaryEnv+" to a localcluster, or "+KubeconfigEnv+" to the kubeconfig of a cluster for tests")
	return path
}

// repositoryRoot is the nearest folder upward that has a go.work.
func repositoryRoot() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.work in %s or above: run the tests in the repository, or set %s", start, BinaryEnv)
		}
	}
}

// start runs localcluster and returns when it is ready.
func start(path string, args ...string) (*instance, status, error) {
	var none status
	in, err := launch(path, append([]string{"up", "--ephemeral", "--output=json", "--exit-with-stdin"}, args...))
	if err != nil {
		return nil, none, err
	}
	if err := in.out.SetReadDeadline(time.Now().Add(startLimit)); err != nil {
		return nil, none, errors.Join(err, in.stop())
	}
	var s status
	if err := json.NewDecoder(in.out).Decode(&s); err != nil {
		return nil, none, errors.Join(fmt.Errorf("localcluster did not start: %w; it said:\n%s", err, in.said()), in.stop())
	}
	return in, s, nil
}

// launch starts the process. All its streams are files, so that no goroutine
// copies anything.
func launch(path string, args []string) (*instance, error) {
	log, err := os.CreateTemp("", "testcluster-*.log")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(log.Name()); err != nil {
		return nil, err
	}
	stdinR, stdinW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = stdinR.Close() }()
	outR, outW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = outW.Close() }()
	cmd := exec.Command(path, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdinR, outW, log
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	return &instance{cmd: cmd, stdin: stdinW, out: outR, log: log}, nil
}

// stop ends the cluster and returns when it has removed its data.
func (in *instance) stop() error {
	err := in.stdin.Close()
	if wait := in.cmd.Wait(); wait != nil {
		err = errors.Join(err, fmt.Errorf("localcluster: %w; it said:\n%s", wait, in.said()))
	}
	_, _ = io.Copy(io.Discard, in.out)
	return errors.Join(err, in.out.Close(), in.log.Close())
}

// said is what localcluster has written to its standard error.
func (in *instance) said() string {
	b, _ := io.ReadAll(io.NewSectionReader(in.log, 0, 1<<20))
	return string(b)
}
