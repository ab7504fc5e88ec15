package gitserver

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitopskit/gitopskit/internal/parts"
)

// Repo is a bare repository with a work tree beside it. Its branch is main.
type Repo struct {
	// Dir is the bare repository.
	Dir string
	// Work is the work tree that Commit commits all of.
	Work string

	t      testing.TB
	name   string
	server *Server
}

// NewRepo makes an empty repository below dir that no server serves. More
// arguments are those of git init, such as --object-format=sha256.
func NewRepo(t testing.TB, dir, name string, initArgs ...string) *Repo {
	t.Helper()
	parts.RequireProgram(t, "git", "apt-get install git")
	r := &Repo{Dir: filepath.Join(dir, name+".git"), Work: t.TempDir(), t: t, name: name}
	r.run(dir, "git", append(append([]string{"init", "--quiet", "--bare", "--initial-branch=main"}, initArgs...), r.Dir)...)
	return r
}

// Commit writes files into the work tree, commits all of it and returns the
// commit's id. A nil map commits what is there, changed or not.
func (r *Repo) Commit(files map[string]string) string {
	r.t.Helper()
	for name, content := range files {
		r.Write(name, content)
	}
	r.Git("add", "--all", "--force", ".")
	r.Git("commit", "--quiet", "--allow-empty", "-m", "change")
	return r.Head()
}

// Write writes a file into the work tree.
func (r *Repo) Write(name, content string) {
	r.t.Helper()
	path := filepath.Join(r.Work, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// Remove removes files or folders from the work tree.
func (r *Repo) Remove(names ...string) {
	r.t.Helper()
	for _, name := range names {
		if err := os.RemoveAll(filepath.Join(r.Work, name)); err != nil {
			r.t.Fatal(err)
		}
	}
}

// Branch makes a branch at the current commit and switches to it, or switches
// to it if it is there.
func (r *Repo) Branch(name string) {
	r.t.Helper()
	if strings.Contains("\n"+r.Git("for-each-ref", "--format=%(refname:short)", "refs/heads")+"\n", "\n"+name+"\n") {
		r.Git("checkout", "--quiet", "--force", name)
		return
	}
	r.Git("checkout", "--quiet", "-b", name)
}

// Tag makes a lightweight tag at the current commit.
func (r *Repo) Tag(name string) { r.t.Helper(); r.Git("tag", name) }

// TagAnnotated makes an annotated tag at the current commit.
func (r *Repo) TagAnnotated(name string) { r.t.Helper(); r.Git("tag", "-a", "-m", name, name) }

// Head is the current commit's id.
func (r *Repo) Head() string { r.t.Helper(); return r.Git("rev-parse", "HEAD") }

// URL is where the server offers the repository over HTTP.
func (r *Repo) URL() string { return r.server.URL + "/" + r.name + ".git" }

// Git runs git on the repository and its work tree and returns what it prints,
// trimmed.
func (r *Repo) Git(args ...string) string {
	r.t.Helper()
	return r.run(r.Work, "git", append([]string{"--git-dir=" + r.Dir, "--work-tree=" + r.Work, "-c", "core.bare=false"}, args...)...)
}

func (r *Repo) run(dir, program string, args ...string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), program, args...)
	cmd.Dir = dir
	cmd.Env = gitEnv()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		r.t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, errs.String())
	}
	return strings.TrimSpace(out.String())
}

// gitEnv keeps the machine's and the user's configuration out.
func gitEnv() []string {
	return append(os.Environ(),
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.com",
		"GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.com")
}
