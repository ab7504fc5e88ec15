package setters_test

import (
	"fmt"

	"github.com/gitopskit/gitopskit/imagepolicy/setters"
)

func ExampleUpdateContent() {
	content := []byte("# a comment\nimage:   'app:1.0.0'  # {\"$imagepolicy\": \"flux-system:app\"}\n")
	changed, result, err := setters.UpdateContent("app.yaml", content, map[setters.Policy]setters.Image{
		{Namespace: "flux-system", Name: "app"}: {Name: "ghcr.io/org/app", Tag: "1.1.0"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(string(changed))
	for _, c := range result.Changes {
		fmt.Println(c.File, "line", c.Line, c.Field, c.Old, "->", c.New)
	}
	// Output:
	// # a comment
	// image:   'ghcr.io/org/app:1.1.0'  # {"$imagepolicy": "flux-system:app"}
	// app.yaml line 2 image app:1.0.0 -> ghcr.io/org/app:1.1.0
}
