package kustomize

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseRepository(t *testing.T) {
	https := func(path, folder, ref string) Repository {
		return Repository{URL: "https://" + path, Path: folder, Ref: ref, Timeout: 27 * time.Second, Submodules: true}
	}
	for ref, want := range map[string]Repository{
		"https://github.com/org/repo//deploy/base?ref=v1.2.3":   https("github.com/org/repo", "deploy/base", "v1.2.3"),
		"https://github.com/org/repo?version=main":              https("github.com/org/repo", ".", "main"),
		"https://github.com/org/repo?ref=a&version=b":           https("github.com/org/repo", ".", "a"),
		"https://github.com/org/repo.git/deploy":                https("github.com/org/repo.git", "deploy", ""),
		"https://gitlab.example/group/sub/repo.git//deploy/../": https("gitlab.example/group/sub/repo.git", ".", ""),
		"https://gitlab.example/group/sub/repo//deploy":         https("gitlab.example/group/sub/repo", "deploy", ""),
		"https://example.com/org/repo/some/folder":              https("example.com/org/repo", "some/folder", ""),
		"https://user@dev.azure.com/org/project/_git/repo/a/b":  https("dev.azure.com/org/project/_git/repo", "a/b", ""),
		"github.com/org/repo/deploy?ref=v1":                     https("github.com/org/repo", "deploy", "v1"),
		"GitHub.com:org/repo":                                   https("github.com/org/repo", ".", ""),
		"git::https://example.com:8443/org/repo//a":             https("example.com:8443/org/repo", "a", ""),
		"git@github.com:org/repo.git//deploy?ref=v1":            {URL: "ssh://git@github.com/org/repo.git", Path: "deploy", Ref: "v1", Timeout: 27 * time.Second, Submodules: true},
		"ssh://git@example.com:2222/org/repo//a?timeout=90":     {URL: "ssh://git@example.com:2222/org/repo", Path: "a", Timeout: 90 * time.Second, Submodules: true},
		"https://example.com/o/r?timeout=2m&submodules=false":   {URL: "https://example.com/o/r", Path: ".", Timeout: 2 * time.Minute},
	} {
		got, err := ParseRepository(ref)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", ref, err, diff)
		}
	}
	for ref, want := range map[string]error{
		"file:///etc//x": ErrRemote, "file://etc/x": ErrRemote, "ftp://example.com/a/b": ErrRemote, "https://u:hunter2@example.com/a/b": ErrRemote,
		"https://example.com": ErrInvalid, "https://example.com/org": ErrInvalid, "https://example.com/o/r//../..": ErrInvalid, "deploy/base": ErrInvalid,
		"https://example.com//x": ErrInvalid, "": ErrInvalid, "https://": ErrInvalid, "host:path": ErrInvalid,
	} {
		if got, err := ParseRepository(ref); !errors.Is(err, want) {
			t.Errorf("%s: %+v, %v", ref, got, err)
		}
	}
}

func TestRemotesFollowThePolicy(t *testing.T) {
	var fetched []string
	r := Remotes{
		Allow: []string{"github.com/org", "Files.example.com/", "git.example.com:8443"},
		Git: func(ctx context.Context, r Repository) (fs.FS, error) {
			if _, ok := ctx.Deadline(); !ok {
				t.Error("no time limit")
			}
			fetched = append(fetched, r.URL)
			return memory(map[string]string{
				"deploy/kustomization.yaml": "resources: [../base]", "base/kustomization.yaml": "resources: [a.yaml]", "base/a.yaml": configMap,
			}), nil
		},
		File: func(_ context.Context, url string) ([]byte, error) {
			fetched = append(fetched, url)
			return []byte(configMap), nil
		},
	}
	for ref, want := range map[string]string{
		"https://github.com/org/repo//deploy?ref=v1":     "https://github.com/org/repo",
		"github.com/org/repo/deploy":                     "https://github.com/org/repo",
		"https://git.example.com:8443/a/b//deploy":       "https://git.example.com:8443/a/b",
		"https://files.example.com/x/a.yaml":             "https://files.example.com/x/a.yaml",
		"https://files.example.com/x/a.yaml?token=1":     "https://files.example.com/x/a.yaml?token=1",
		"https://git.example.com/a/b//deploy":            "",
		"https://github.com/organisation/repo//deploy":   "",
		"https://github.com/org/../other/repo//deploy":   "",
		"https://evil.example/github.com/org//deploy":    "",
		"https://github.com.evil.example/org/b//deploy":  "",
		"https://github.com@evil.example/org/b//deploy":  "",
		"http://github.com/org/repo//deploy":             "",
		"http://files.example.com/a.yaml":                "",
		"https://other.example.com/a.yaml":               "",
		"git@gitlab.example.com:org/repo//deploy?ref=v1": "",
	} {
		fetched = nil
		got, err := Build(t.Context(), memory(map[string]string{"kustomization.yaml": "resources:\n- " + ref + "\n"}), "", Options{Remote: r})
		if want == "" {
			if !errors.Is(err, ErrRemote) || len(fetched) > 0 {
				t.Errorf("%s: %d objects, %v, fetched %q", ref, len(got), err, fetched)
			}
			continue
		}
		if err != nil || len(got) != 1 || cmp.Diff([]string{want}, fetched) != "" {
			t.Errorf("%s: %d objects, %v, fetched %q", ref, len(got), err, fetched)
		}
	}
	for _, ref := range []string{"https://github.com/org/repo//deploy", "https://files.example.com/a.yaml"} {
		if _, _, err := (Remotes{Allow: r.Allow}).FetchRemote(t.Context(), ref); !errors.Is(err, ErrRemote) {
			t.Errorf("without functions: %v", err)
		}
	}
}
