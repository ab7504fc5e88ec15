// Package demo tells what the reconciler does, on a cluster and a repository of
// its own, with real events as they happen.
package demo

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/crds"
	"github.com/gitopskit/gitopskit/ssa"
)

//go:embed app cluster.yaml
var files embed.FS

// appFiles are the files of the sample application.
func appFiles() fs.FS {
	sub, err := fs.Sub(files, "app")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return sub
}

// Options say how the demo runs.
type Options struct {
	// Exit ends it after the story, instead of staying until ctx ends.
	Exit bool
	// Out is told the story.
	Out io.Writer
}

// Run sets the stage, tells the story, and stays until ctx ends. The error says
// which step did not happen.
func Run(ctx context.Context, opts Options) (err error) {
	s := &stage{out: opts.Out, started: time.Now()}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.set(ctx); err != nil {
		return s.interrupted(ctx, err)
	}
	if err := s.story(ctx); err != nil {
		return s.interrupted(ctx, err)
	}
	if opts.Exit {
		return nil
	}
	s.lookAround()
	<-ctx.Done()
	s.say("\nending")
	return nil
}

// stage is what the story plays on.
type stage struct {
	mu      sync.Mutex // guards out
	out     io.Writer
	started time.Time

	dir        string
	kubeconfig string
	cluster    *process
	reconciler *process
	repo       *repository
	log        *os.File
	cfg        *rest.Config
	view       view
}

func (s *stage) interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if s.log != nil {
		err = fmt.Errorf("%w\nthe end of the reconciler's log:\n%s", err, tail(s.log.Name(), 2000))
	}
	return err
}

func tail(file string, n int) string {
	data, err := os.ReadFile(file) //nolint:gosec // a file that this program has made
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-n):])
}

func (s *stage) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, format+"\n", args...)
}

// event tells of something that the reconciler reports.
func (s *stage) event(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := time.Since(s.started).Seconds()
	fmt.Fprintf(s.out, "  %6.1fs  %s\n", at, strings.ReplaceAll(text, "\n", "\n           "))
}

func (s *stage) set(ctx context.Context) error {
	program, err := findProgram()
	if err != nil {
		return err
	}
	if s.dir, err = os.MkdirTemp("", "gitopskit-demo-"); err != nil {
		return err
	}
	s.kubeconfig = filepath.Join(s.dir, "cluster", "kubeconfig")
	s.say("==> starting a Kubernetes control plane on this machine")
	if s.cluster, s.cfg, err = startCluster(ctx, program, s.dir, indented{s.out}); err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(s.cfg)
	if err != nil {
		return err
	}
	s.view = view{client}
	s.say("==> making a Git repository with a sample application")
	if s.repo, err = newRepository(ctx, s.dir); err != nil {
		return err
	}
	s.say("    %s", s.repo.url)
	s.say("==> starting the reconciler")
	if err := s.startReconciler(ctx); err != nil {
		return err
	}
	return s.view.follow(ctx, s.event)
}

// startReconciler installs the definitions, runs the reconciler as a process of
// its own, and tells it what to reconcile.
func (s *stage) startReconciler(ctx context.Context) error {
	objects, err := crds.All()
	if err != nil {
		return err
	}
	applier, err := ssa.New(s.cfg, ssa.Options{FieldManager: "demo"})
	if err != nil {
		return err
	}
	if _, err := applier.Apply(ctx, objects, ssa.ApplyOptions{Wait: true}); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if s.log, err = os.Create(filepath.Join(s.dir, "reconciler.log")); err != nil {
		return err
	}
	s.reconciler, err = begin("reconciler", s.log, self, "run", "--kubeconfig="+s.kubeconfig,
		"--storage-path="+filepath.Join(s.dir, "data"), "--storage-addr=127.0.0.1:0", "--receiver-addr=0", "--metrics-addr=0", "--health-addr=0")
	if err != nil {
		return err
	}
	objects, err = s.manifests()
	if err != nil {
		return err
	}
	_, err = applier.Apply(ctx, objects, ssa.ApplyOptions{})
	return err
}

// manifests are the objects that tell the reconciler what to do.
func (s *stage) manifests() ([]*unstructured.Unstructured, error) {
	data, err := files.ReadFile("cluster.yaml")
	if err != nil {
		return nil, err
	}
	var out []*unstructured.Unstructured
	for doc := range strings.SplitSeq(strings.Replace(string(data), "GIT_URL", s.repo.url, 1), "\n---\n") {
		j, err := yaml.YAMLToJSON([]byte(doc))
		if err != nil {
			return nil, err
		}
		u := &unstructured.Unstructured{}
		if err := u.UnmarshalJSON(j); err != nil {
			return nil, err
		}
		out = append(out, u)
	}
	return out, nil
}

// close ends everything and removes what was made.
func (s *stage) close() error {
	var errs []error
	if s.reconciler != nil {
		errs = append(errs, s.reconciler.stop())
	}
	if s.repo != nil {
		errs = append(errs, s.repo.close())
	}
	if s.cluster != nil {
		errs = append(errs, s.cluster.stop())
	}
	if s.log != nil {
		errs = append(errs, s.log.Close())
	}
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

// kubectl is what the user can type: the program if there is one, else the one
// that localcluster has.
func (s *stage) kubectl() string {
	if _, err := exec.LookPath("kubectl"); err == nil {
		return "kubectl"
	}
	return s.cluster.cmd.Path + " kubectl"
}

func (s *stage) lookAround() {
	s.say(`
Everything goes on running. In another terminal:

  export KUBECONFIG=%s
  %[2]s get gitrepositories,kustomizations -n flux-system
  %[2]s get all -n shop-production
  %[2]s scale deployment shop -n shop-production --replicas=1   # and see it put back
  cd %[3]s && git log --oneline   # edit, commit, git push

The reconciler's log is %[4]s.
Ctrl-C ends and removes all of it.`, s.kubeconfig, s.kubectl(), s.repo.work, s.log.Name())
}
