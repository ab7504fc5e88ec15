package release

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"testing/fstest"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/gitopskit/gitopskit/internal/testcluster"
	"github.com/gitopskit/gitopskit/render/helm"
)

const childEnv = "GITOPSKIT_RELEASE_CHILD"

type childInput struct {
	Kubeconfig, Namespace, Value string
	Record                       Record
}

const killChart = `apiVersion: v1
kind: ConfigMap
metadata: {name: "rel-cm"}
data: {v: {{ .Values.v | quote }}}
{{ range until 20 }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: "more-{{ . }}"}
data: {v: {{ $.Values.v | quote }}}
{{ end }}`

func killSpec(namespace, value string) (Spec, error) {
	c, err := helm.LoadFS(context.Background(), fstest.MapFS{
		"Chart.yaml": {Data: []byte("apiVersion: v2\nname: c\nversion: 1.0.0\n")}, "templates/a.yaml": {Data: []byte(killChart)},
	}, ".", helm.LoadOptions{})
	return Spec{
		Name: "rel", Namespace: namespace, Chart: c, Values: map[string]any{"v": value}, Timeout: 20 * time.Second,
		Install: Install{Remediation: Remediation{Retries: -1}}, Upgrade: Upgrade{Remediation: Remediation{Retries: -1}},
	}, err
}

// child reconciles once in a process of its own, which the test kills.
func child() int {
	var in childInput
	err := json.Unmarshal([]byte(os.Getenv(childEnv)), &in)
	if err == nil {
		err = in.reconcile()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func (in childInput) reconcile() error {
	cfg, err := clientcmd.BuildConfigFromFlags("", in.Kubeconfig)
	if err != nil {
		return err
	}
	m, err := New(Options{Config: cfg})
	if err != nil {
		return err
	}
	s, err := killSpec(in.Namespace, in.Value)
	if err != nil {
		return err
	}
	_, err = m.Reconcile(context.Background(), s, in.Record)
	return err
}

// TestKilledAtAnyMomentTheReleaseEndsRight kills the process at random moments
// and throws away what it would have recorded.
func TestKilledAtAnyMomentTheReleaseEndsRight(t *testing.T) {
	f := newFixture(t)
	c := testcluster.Shared(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	killed, rounds := 0, 10
	if testing.Short() {
		rounds = 4
	}
	for i := range rounds {
		value := fmt.Sprintf("v%d", i)
		in, err := json.Marshal(childInput{c.Kubeconfig(), f.s.Namespace, value, f.r})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(50+rand.IntN(900))*time.Millisecond)
		cmd := exec.CommandContext(ctx, exe)
		cmd.Env = append(os.Environ(), childEnv+"="+string(in))
		err = cmd.Run()
		late := ctx.Err() != nil
		if late {
			killed++
		}
		cancel()
		var exit *exec.ExitError
		if err != nil && !late && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if f.s, err = killSpec(f.s.Namespace, value); err != nil {
			t.Fatal(err)
		}
		for try := 0; ; try++ {
			res, err := f.m.Reconcile(t.Context(), f.s, f.r)
			f.r = res.Record
			if err == nil && res.State.Status == InSync {
				break
			}
			if try == 5 {
				t.Fatalf("after kill %d: state %s (%s), %v", i, res.State.Status, res.State.Reason, err)
			}
		}
		f.deployed(value)
	}
	if killed == 0 {
		t.Error("no process was killed")
	}
}
