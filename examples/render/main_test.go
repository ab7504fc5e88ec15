package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"github.com/gitopskit/gitopskit/internal/gitserver"
	"github.com/gitopskit/gitopskit/internal/parts"
	"github.com/gitopskit/gitopskit/render/kustomize"
	"github.com/gitopskit/gitopskit/render/sops"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/git"
)

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func out(t *testing.T, args ...string) string {
	t.Helper()
	var b strings.Builder
	if err := run(t.Context(), args, &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestFolderFileAndChart(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"base/kustomization.yaml": "resources: [a.yaml]\n", "base/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: \"${v}\"}\n",
		"prod/kustomization.yaml": "resources: [../base]\nnamePrefix: prod-\n",
		"c/Chart.yaml":            "apiVersion: v2\nname: c\nversion: 1.0.0\n",
		"c/templates/a.yaml":      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\ndata: {k: {{ .Values.k | quote }}, num: {{ .Values.n | quote }}}\n",
		"values.yaml":             "k: file\n",
	})
	want := "---\napiVersion: v1\ndata:\n  k: value\nkind: ConfigMap\nmetadata:\n  name: prod-a\n"
	if diff := cmp.Diff(want, out(t, filepath.Join(dir, "prod"), "--substitute", "v=value")); diff != "" {
		t.Error(diff)
	}
	want = strings.Replace(want, "prod-a", "a", 1)
	if diff := cmp.Diff(want, out(t, "--substitute=v=value", filepath.Join(dir, "base/a.yaml"))); diff != "" {
		t.Error(diff)
	}
	want = "---\napiVersion: v1\ndata:\n  k: file\n  num: \"3\"\nkind: ConfigMap\nmetadata:\n  name: r\n"
	if diff := cmp.Diff(want, out(t, filepath.Join(dir, "c"), "--release=r", "--values", filepath.Join(dir, "values.yaml"), "--set", "n=3")); diff != "" {
		t.Error(diff)
	}
}

func TestDecrypt(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	to, err := sops.AgeRecipient(id.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	enc, err := sops.Encrypt(t.Context(), []byte("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {p: hunter2}\n"), sops.YAML, sops.EncryptOptions{Recipients: []sops.Recipient{to}, EncryptedRegex: "^stringData$"})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, dir, map[string]string{"s.yaml": string(enc), "key": id.String()})
	if got := out(t, filepath.Join(dir, "s.yaml"), "--decrypt", filepath.Join(dir, "key")); !strings.Contains(got, "p: hunter2") {
		t.Errorf("got\n%s", got)
	}
}

func TestSinceARevision(t *testing.T) {
	git := parts.RequireProgram(t, "git", "install git")
	dir := t.TempDir()
	write(t, dir, map[string]string{"app/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: old}\n"})
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}, {"-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "one"}} {
		cmd := exec.CommandContext(t.Context(), git, args...)
		cmd.Dir = dir
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	write(t, dir, map[string]string{"app/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: new}\n"})
	if got := out(t, filepath.Join(dir, "app"), "--since", "HEAD"); !strings.Contains(got, "-  k: old\n+  k: new\n") {
		t.Errorf("got\n%s", got)
	}
}

// TestRemoteBase fetches a base from a Git server, by each way to name a
// revision, and from no server that was not allowed.
func TestRemoteBase(t *testing.T) {
	server := gitserver.New(t, gitserver.Options{})
	repo := server.Repo("org/base")
	base := func(v string) map[string]string {
		return map[string]string{
			"deploy/kustomization.yaml": "resources: [../lib]\n", "lib/kustomization.yaml": "resources: [a.yaml]\n",
			"lib/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: " + v + "}\n",
		}
	}
	first := repo.Commit(base("one"))
	repo.Tag("v1")
	repo.Commit(base("two"))
	repo.Branch("next")
	repo.Commit(base("three"))
	mirrors, err := git.OpenMirrors(t.TempDir(), git.MirrorOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer mirrors.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	for ref, want := range map[string]string{"": "three", "?ref=v1": "one", "?ref=next": "three", "?ref=" + first: "one", "?ref=refs/tags/v1": "one", "?ref=none": ""} {
		r := remotes([]string{host + "/org"}, mirrors)
		r.AllowHTTP = true // the test's server is on this machine
		objects, err := kustomize.Build(t.Context(), fstest.MapFS{
			"kustomization.yaml": {Data: []byte("resources:\n- " + repo.URL() + "//deploy" + ref + "\nnamePrefix: x-\n")},
		}, ".", kustomize.Options{Remote: r})
		if want == "" {
			if !errors.Is(err, source.ErrNotFound) {
				t.Errorf("%s: %v", ref, err)
			}
			continue
		}
		if err != nil || len(objects) != 1 || objects[0].GetName() != "x-a" || objects[0].Object["data"].(map[string]any)["k"] != want {
			t.Errorf("%s: %v, %v", ref, objects, err)
		}
	}
	dir := t.TempDir()
	write(t, dir, map[string]string{"app/kustomization.yaml": "resources:\n- https://" + host + "/org/base.git//deploy\n"})
	for _, args := range [][]string{{}, {"--remote", "example.com"}} {
		if err := run(t.Context(), append([]string{filepath.Join(dir, "app")}, args...), &strings.Builder{}); !errors.Is(err, kustomize.ErrRemote) {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, args := range [][]string{{}, {"/nonexistent"}, {".", "other"}, {".", "--set", "x"}} {
		if err := run(t.Context(), args, &strings.Builder{}); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}
