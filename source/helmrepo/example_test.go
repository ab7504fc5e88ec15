package helmrepo_test

import (
	"context"
	"fmt"
	"io/fs"
	"testing/fstest"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/helmrepo"
)

// A chart in a repository, with a library beside it and values for production.
func ExampleBuild() {
	repository, err := source.FromFS(fstest.MapFS{
		"charts/app/Chart.yaml":  {Data: []byte("apiVersion: v2\nname: app\nversion: 1.2.3\ndependencies:\n- {name: lib, version: 0.x, repository: file://../lib}\n")},
		"charts/app/values.yaml": {Data: []byte("replicas: 1\nimage: app\n")},
		"charts/lib/Chart.yaml":  {Data: []byte("apiVersion: v2\nname: lib\nversion: 0.1.0\ntype: library\n")},
		"production.yaml":        {Data: []byte("replicas: 3\n")},
	}, "main@sha1:1eabc9a41ca088515cab83f1cce49eb43e84b67f", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	chart, err := helmrepo.Build(context.Background(), repository, helmrepo.BuildOptions{
		Path:        "charts/app",
		ValuesFiles: []string{"charts/app/values.yaml", "production.yaml"},
		Strategy:    helmrepo.StrategyRevision,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(chart.Revision())
	for _, e := range chart.Entries() {
		if e.Mode.IsRegular() {
			fmt.Println(e.Path)
		}
	}
	values, err := fs.ReadFile(chart.FS(), "values.yaml")
	fmt.Print(string(values), err)
	// Output:
	// 1.2.3+1eabc9a41ca0
	// Chart.yaml
	// charts/lib-0.1.0/Chart.yaml
	// values.yaml
	// image: app
	// replicas: 3
	// <nil>
}
