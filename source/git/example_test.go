package git_test

import (
	"context"
	"fmt"
	"os"

	"github.com/gitopskit/gitopskit/source/git"
)

func ExampleNew() {
	dir, err := os.MkdirTemp("", "mirrors-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	mirrors, err := git.OpenMirrors(dir, git.MirrorOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer mirrors.Close()
	repo, err := git.New(git.Options{
		URL:       "https://github.com/stefanprodan/podinfo",
		Reference: git.Reference{Commit: "1eabc9a41ca088515cab83f1cce49eb43e84b67f", Branch: "master"},
		Mirrors:   mirrors,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	revision, err := repo.Resolve(context.Background()) // a commit costs no request
	fmt.Println(revision, err)
	// Output: master@sha1:1eabc9a41ca088515cab83f1cce49eb43e84b67f <nil>
}

func ExampleNew_explains() {
	_, err := git.New(git.Options{URL: "git@github.com:stefanprodan/podinfo"})
	fmt.Println(err)
	// Output: source: open Git source git@github.com:stefanprodan/podinfo: invalid options: the URL has no scheme: write https://host/path, or ssh://git@host/path for git@host:path
}
