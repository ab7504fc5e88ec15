package main

import (
	"os"

	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
)

// kubectlCommand is the name under which this binary is kubectl.
const kubectlCommand = "kubectl"

// runKubectl becomes kubectl, of the cluster's own version, for machines that
// have none. It reads KUBECONFIG and its flags as kubectl always does.
func runKubectl(args []string) {
	os.Args = append([]string{kubectlCommand}, args...)
	if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err) // prints it and ends
	}
	os.Exit(0)
}
