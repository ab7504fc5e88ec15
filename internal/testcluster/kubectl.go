package testcluster

import (
	"os/exec"
	"testing"
)

// Kubectl returns a command that runs kubectl, which localcluster contains,
// with the admin's access to the cluster.
func (c *Cluster) Kubectl(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	return exec.CommandContext(t.Context(), binary(t), append([]string{"kubectl", "--kubeconfig=" + c.kubeconfig}, args...)...)
}
