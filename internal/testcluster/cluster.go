package testcluster

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Cluster is a running cluster for tests.
type Cluster struct {
	kubeconfig string
	config     *rest.Config
	dataDir    string // empty for a cluster that is not ours
}

// shared is the one cluster of a test binary.
var shared struct {
	once    sync.Once
	cluster *Cluster
	in      *instance
	err     error
}

// Shared returns the cluster of this test binary and starts it if it is the
// first to ask. Tests share it: each works in a [Cluster.Namespace] of its own.
func Shared(t testing.TB) *Cluster {
	t.Helper()
	if c := external(t); c != nil {
		return c
	}
	path := binary(t)
	shared.once.Do(func() {
		shared.in, shared.cluster, shared.err = open(path)
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.cluster
}

// New starts a cluster for this test alone and ends it with the test. args are
// further flags of 'localcluster up', such as "--nodes=3". A test that cannot do
// without a cluster of its own is skipped when $GITOPSKIT_KUBECONFIG is set.
func New(t testing.TB, args ...string) *Cluster {
	t.Helper()
	if os.Getenv(KubeconfigEnv) != "" {
		t.Skipf("needs a cluster of its own, but %s names one to use", KubeconfigEnv)
	}
	in, c, err := open(binary(t), args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// Main runs the tests of a package and then ends the shared cluster cleanly. It
// returns the exit code for os.Exit.
func Main(m *testing.M) int {
	code := m.Run()
	if shared.in == nil {
		return code
	}
	if err := shared.in.stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}

func open(path string, args ...string) (*instance, *Cluster, error) {
	in, s, err := start(path, args...)
	if err != nil {
		return nil, nil, err
	}
	c, err := newCluster(s.Kubeconfig)
	if err != nil {
		return nil, nil, err
	}
	c.dataDir = s.DataDir
	return in, c, nil
}

func external(t testing.TB) *Cluster {
	t.Helper()
	path := os.Getenv(KubeconfigEnv)
	if path == "" {
		return nil
	}
	c, err := newCluster(path)
	if err != nil {
		t.Fatalf("%s: %v", KubeconfigEnv, err)
	}
	return c
}

func newCluster(kubeconfig string) (*Cluster, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 2000, 4000
	return &Cluster{kubeconfig: kubeconfig, config: config}, nil
}

// RESTConfig returns a copy of the admin's access, with a client-side limit so
// high (2,000 requests a second) that it is not what a test measures.
func (c *Cluster) RESTConfig() *rest.Config { return rest.CopyConfig(c.config) }

// Kubeconfig returns the path of a kubeconfig with the admin's access.
func (c *Cluster) Kubeconfig() string { return c.kubeconfig }

// Local tells whether the cluster is a localcluster, whose components a test may
// kill.
func (c *Cluster) Local() bool { return c.dataDir != "" }
