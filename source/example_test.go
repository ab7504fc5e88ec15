package source_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"testing/fstest"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/archive"
)

func ExampleParseRevision() {
	r, err := source.ParseRevision("feature/login@sha1:1eabc9a41ca088515cab83f1cce49eb43e84b67f")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Name(), r.Digest())
	// Output: feature/login sha1:1eabc9a41ca088515cab83f1cce49eb43e84b67f
}

func ExampleFromFS() {
	folder := fstest.MapFS{
		"deploy/app.yaml": {Data: []byte("kind: ConfigMap\n")},
		"logo.png":        {Data: []byte("…")},
	}
	a, err := source.FromFS(folder, "main@sha1:1eabc9a41ca088515cab83f1cce49eb43e84b67f", archive.NewIgnore(archive.IgnoreOptions{}))
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := fs.ReadFile(a.FS(), "deploy/app.yaml")
	fmt.Printf("%s%v\n", text, err)
	info, err := a.WriteArchive(context.Background(), io.Discard)
	fmt.Println(len(a.Entries()), info.Size > 0, err)
	// Output:
	// kind: ConfigMap
	// <nil>
	// 2 true <nil>
}

func ExampleDiff() {
	before, err := source.FromFS(fstest.MapFS{"a": {Data: []byte("1")}, "b": {Data: []byte("1")}}, "v1", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	after, err := source.FromFS(fstest.MapFS{"a": {Data: []byte("2")}, "c": {Data: []byte("1")}}, "v2", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	differences, err := source.Diff(before, after)
	for _, d := range differences {
		fmt.Println(d.Kind, d.Path)
	}
	fmt.Println(err)
	// Output:
	// changed a
	// removed b
	// added c
	// <nil>
}
