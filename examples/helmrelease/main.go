// Command helmrelease installs or upgrades a release of a chart in a folder, in
// the cluster that KUBECONFIG names, and says what it did.
//
//	helmrelease CHART NAME [NAMESPACE]
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/gitopskit/gitopskit/render/helm"
	"github.com/gitopskit/gitopskit/render/helm/release"
)

const recordFile = "release.json"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		clientcmd.NewDefaultClientConfigLoadingRules(), nil).ClientConfig()
	if err == nil && len(os.Args) < 3 {
		err = errors.New("usage: helmrelease CHART NAME [NAMESPACE]")
	}
	if err == nil {
		err = run(ctx, config, os.Args[1], os.Args[2], append(os.Args, "default")[3])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run brings the release to the chart. What must be remembered between runs is
// kept in a file.
func run(ctx context.Context, config *rest.Config, folder, name, namespace string) error {
	chart, err := helm.LoadFS(ctx, os.DirFS(folder), ".", helm.LoadOptions{})
	if err != nil {
		return err
	}
	waiter, err := byWatch(config)
	if err != nil {
		return err
	}
	machine, err := release.New(release.Options{Config: config, Waiter: waiter, OnEvent: func(e release.Event) {
		fmt.Printf("%s of %s, revision %d: %v\n", e.Action, e.Release, e.Version, e.Err)
	}})
	if err != nil {
		return err
	}
	var record release.Record
	data, err := os.ReadFile(recordFile)
	if err == nil {
		err = json.Unmarshal(data, &record)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	result, failure := machine.Reconcile(ctx, release.Spec{Name: name, Namespace: namespace, Chart: chart}, record)
	fmt.Println(result.State.Status+":", result.State.Reason)
	if data, err = json.MarshalIndent(result.Record, "", "  "); err == nil {
		err = os.WriteFile(recordFile, data, 0o600)
	}
	return errors.Join(failure, err)
}
