// Command localcluster runs a real Kubernetes control plane on this machine:
// etcd, kube-apiserver, kube-controller-manager, kube-scheduler and KWOK (nodes
// and pods without containers), compiled into this one binary.
//
// Each component is a child process: the binary started again under the
// component's name.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/pflag"

	"github.com/gitopskit/gitopskit/examples/localcluster/internal/cli"
	"github.com/gitopskit/gitopskit/examples/localcluster/internal/cluster"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == cluster.ComponentCommand {
		runComponent(os.Args[2], os.Args[3:])
		return
	}
	if len(os.Args) > 1 && os.Args[1] == kubectlCommand {
		runKubectl(os.Args[2:])
	}
	forgetGlobalFlags()
	code, err := cli.Run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintf(os.Stderr, "localcluster: %v\n", err)
	}
	os.Exit(code)
}

// forgetGlobalFlags drops the flags, such as --version, that Kubernetes' packages
// have put where every cobra command finds them.
func forgetGlobalFlags() {
	pflag.CommandLine = pflag.NewFlagSet(os.Args[0], pflag.ExitOnError)
}
