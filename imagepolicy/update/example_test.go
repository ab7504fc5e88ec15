package update_test

import (
	"context"
	"fmt"
	"testing/fstest"

	"github.com/gitopskit/gitopskit/imagepolicy/setters"
	"github.com/gitopskit/gitopskit/imagepolicy/update"
)

// printer is a Repository that prints what it would push.
type printer struct{ files fstest.MapFS }

func (p printer) Push(ctx context.Context, change update.ChangeFunc, to update.Target) (update.Pushed, error) {
	commit, err := change(ctx, p.files)
	if err != nil || len(commit.Files) == 0 {
		return update.Pushed{}, err
	}
	fmt.Printf("to %s: %s\n", to.Branch, commit.Message)
	for name, content := range commit.Files {
		fmt.Printf("%s: %s", name, content)
	}
	return update.Pushed{Changed: true}, nil
}

func ExampleRun() {
	repository := printer{fstest.MapFS{"clusters/prod/app.yaml": {
		Data: []byte("image: ghcr.io/org/app:1.0.0 # {\"$imagepolicy\": \"flux-system:app\"}\n"),
	}}}
	result, err := update.Run(context.Background(), update.Options{
		Repository: repository,
		Path:       "clusters/prod",
		Images: map[setters.Policy]setters.Image{
			{Namespace: "flux-system", Name: "app"}: {Name: "ghcr.io/org/app", Tag: "1.1.0"},
		},
		Message: "{{ range .Changed.Changes }}Update {{ .OldValue }} to {{ .NewValue }}{{ end }}",
		Branch:  "image-updates/{{ .ID }}",
	})
	fmt.Println(len(result.Changes), "change,", err)
	// Output:
	// to image-updates/bc1955b5a4cf: Update ghcr.io/org/app:1.0.0 to ghcr.io/org/app:1.1.0
	// clusters/prod/app.yaml: image: ghcr.io/org/app:1.1.0 # {"$imagepolicy": "flux-system:app"}
	// 1 change, <nil>
}
