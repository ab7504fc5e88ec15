// Package testcluster gives tests a real Kubernetes API server: a localcluster
// (see examples/localcluster) that lives as long as the test binary.
//
//	func TestMain(m *testing.M) { os.Exit(testcluster.Main(m)) }
//
//	func TestApply(t *testing.T) {
//		c := testcluster.Shared(t)
//		client, err := kubernetes.NewForConfig(c.RESTConfig())
//		...
//		ns := c.Namespace(t)
//	}
//
// [Shared] starts one cluster for the whole test binary, at its first call. [New]
// starts a fresh one for a test. Either ends when its owner does, even by panic,
// os.Exit or SIGKILL, because the cluster watches a pipe that the test binary
// holds open; [Main] makes a clean end of the shared one, and is optional.
//
// The program is $GITOPSKIT_LOCALCLUSTER, else bin/localcluster in the repository
// that holds the working directory; 'make cluster-build' builds it. Without it a
// test is skipped, and fails in CI. With $GITOPSKIT_KUBECONFIG set, tests use
// that cluster instead, in namespaces of their own, and those that kill
// components are skipped.
//
// The package starts no goroutine, so that goleak can be used beside it.
package testcluster
