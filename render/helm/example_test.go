package helm_test

import (
	"context"
	"fmt"
	"log"
	"testing/fstest"

	"github.com/gitopskit/gitopskit/render/helm"
)

func ExampleTemplate() {
	ctx := context.Background()
	folder := fstest.MapFS{
		"Chart.yaml":         {Data: []byte("apiVersion: v2\nname: web\nversion: 1.0.0\n")},
		"values.yaml":        {Data: []byte("replicas: 1\n")},
		"templates/web.yaml": {Data: []byte("apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {{ .Release.Name }}\nspec:\n  replicas: {{ .Values.replicas }}\n")},
	}
	chart, err := helm.LoadFS(ctx, folder, ".", helm.LoadOptions{})
	if err != nil {
		log.Fatal(err)
	}
	values, err := helm.ComposeValues([]helm.ValuesSource{{Name: "ConfigMap web", Data: []byte("replicas: 3")}}, nil)
	if err != nil {
		log.Fatal(err)
	}
	out, err := helm.Template(ctx, chart, helm.Options{ReleaseName: "shop", Values: values})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(out.Manifest)
	// Output:
	// ---
	// # Source: web/templates/web.yaml
	// apiVersion: apps/v1
	// kind: Deployment
	// metadata:
	//   name: shop
	// spec:
	//   replicas: 3
}
