package kustomize_test

import (
	"context"
	"fmt"
	"log"
	"testing/fstest"

	"github.com/gitopskit/gitopskit/render/envsubst"
	"github.com/gitopskit/gitopskit/render/kustomize"
)

func ExampleBuild() {
	folder := fstest.MapFS{
		"base/kustomization.yaml": {Data: []byte("resources: [web.yaml]")},
		"base/web.yaml":           {Data: []byte("apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  annotations: {region: '${region}'}\n")},
		"prod/kustomization.yaml": {Data: []byte("resources: [../base]\nnamePrefix: prod-")},
	}
	objects, err := kustomize.Build(context.Background(), folder, "prod", kustomize.Options{
		TargetNamespace: "shop",
		Substitute:      envsubst.Substitution{Variables: map[string]string{"region": "eu"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, obj := range objects {
		fmt.Println(obj.GetKind(), obj.GetNamespace(), obj.GetName(), obj.GetAnnotations())
	}
	// Output:
	// Service shop prod-web map[region:eu]
}
