package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// process is a program that runs as long as the demo.
type process struct {
	name  string
	cmd   *exec.Cmd
	stdin io.Closer
	ended chan struct{}
	err   error // valid once ended is closed
}

// begin starts a program that writes to out. It is not killed with ctx, but
// ended in order by stop.
func begin(name string, out io.Writer, program string, args ...string) (*process, error) {
	cmd := exec.Command(program, args...) //nolint:noctx // stop ends it, with a signal first
	cmd.Stdout, cmd.Stderr = out, out
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	separate(cmd)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p := &process{name: name, cmd: cmd, stdin: stdin, ended: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

const stopTimeout = 15 * time.Second

// stop asks the program to end, and kills it if it does not.
func (p *process) stop() error {
	_ = p.stdin.Close()
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	t := time.NewTimer(stopTimeout)
	defer t.Stop()
	select {
	case <-p.ended:
		return nil
	case <-t.C:
		err := p.cmd.Process.Kill()
		<-p.ended
		return errors.Join(fmt.Errorf("%s did not end within %s and was killed", p.name, stopTimeout), err)
	}
}

// startCluster starts a localcluster of its own, whose kubeconfig is in dir.
func startCluster(ctx context.Context, program, dir string, out io.Writer) (*process, *rest.Config, error) {
	kubeconfig := filepath.Join(dir, "cluster", "kubeconfig")
	p, err := begin("localcluster", out, program, "up", "--name=demo", "--ephemeral", "--exit-with-stdin",
		"--data-dir="+filepath.Join(dir, "cluster"))
	if err != nil {
		return nil, nil, err
	}
	cfg, err := awaitCluster(ctx, p, kubeconfig)
	if err != nil {
		return nil, nil, errors.Join(err, p.stop())
	}
	return p, cfg, nil
}

func awaitCluster(ctx context.Context, p *process, kubeconfig string) (*rest.Config, error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig); err == nil && answers(ctx, cfg) {
			return cfg, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-p.ended:
			return nil, fmt.Errorf("the cluster ended while it started: %w", p.err)
		case <-tick.C:
		}
	}
}

// indented writes lines with a margin, so that the output of other programs
// stands apart from the story.
type indented struct{ w io.Writer }

func (i indented) Write(p []byte) (int, error) {
	text := bytes.ReplaceAll(bytes.TrimRight(p, "\n"), []byte("\n"), []byte("\n    "))
	if _, err := fmt.Fprintf(i.w, "    %s\n", text); err != nil {
		return 0, err
	}
	return len(p), nil
}

// findProgram returns the path of localcluster: that of the environment, or one
// beside this program, or in ./bin.
func findProgram() (string, error) {
	candidates := []string{os.Getenv("GITOPSKIT_LOCALCLUSTER")}
	if self, err := os.Executable(); err == nil {
		candidates = append(candidates, filepath.Join(filepath.Dir(self), "localcluster"))
	}
	candidates = append(candidates, filepath.Join("bin", "localcluster"))
	for _, c := range candidates {
		if info, err := os.Stat(c); c != "" && err == nil && !info.IsDir() { //nolint:gosec // the user names the program to run
			return c, nil
		}
	}
	return "", errors.New("localcluster is not here: run 'make demo' in a clone of the repository, which builds it, or name it by GITOPSKIT_LOCALCLUSTER")
}
