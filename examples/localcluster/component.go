package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	"sigs.k8s.io/kwok/pkg/config"
	kwok "sigs.k8s.io/kwok/pkg/kwok/cmd"
	"sigs.k8s.io/kwok/pkg/log"
	"sigs.k8s.io/kwok/pkg/utils/signals"

	"github.com/gitopskit/gitopskit/examples/localcluster/internal/cluster"
)

// runComponent becomes the component of that name and never returns. Its
// standard input is a pipe that the supervisor holds open: when the supervisor
// is gone, however it ended, the component ends too.
func runComponent(name string, args []string) {
	go endWithParent()
	os.Args = append([]string{name}, args...)
	switch name {
	case cluster.Etcd:
		etcdmain.Main(os.Args)
	case cluster.APIServer:
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	case cluster.ControllerManager:
		os.Exit(cli.Run(controllermanager.NewControllerManagerCommand()))
	case cluster.Scheduler:
		os.Exit(cli.Run(scheduler.NewSchedulerCommand()))
	case cluster.Kwok:
		os.Exit(runKwok())
	default:
		fmt.Fprintf(os.Stderr, "localcluster: no component %q in this binary\n", name)
		os.Exit(2)
	}
}

func endWithParent() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	fmt.Fprintln(os.Stderr, "localcluster: the supervisor is gone, ending")
	os.Exit(1)
}

// runKwok reads KWOK's configuration from the command line, as KWOK's own main
// does, and runs its controller until a signal ends it.
func runKwok() int {
	forgetGlobalFlags()
	flags := pflag.NewFlagSet("global", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Usage = func() {}

	ctx, _ := log.InitFlags(signals.SetupSignalContext(), flags)
	ctx, err := config.InitFlags(ctx, flags)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	command := kwok.NewCommand(ctx)
	command.PersistentFlags().AddFlagSet(flags)
	if err := command.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
