package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// repository is a bare Git repository that is served over HTTP on a port of
// this machine, and a clone of it to work in.
type repository struct {
	bare, work string
	url        string
	server     *http.Server
}

// newRepository makes the repository below dir, with the files of the sample
// application as its first commit.
func newRepository(ctx context.Context, dir string) (*repository, error) {
	r := &repository{bare: filepath.Join(dir, "shop.git"), work: filepath.Join(dir, "shop")}
	if err := os.CopyFS(r.work, appFiles()); err != nil {
		return nil, err
	}
	steps := [][]string{
		{"init", "-q", "--bare", "--initial-branch=main", r.bare},
		{"init", "-q", "--initial-branch=main", r.work},
		{"-C", r.work, "config", "user.name", "demo"},
		{"-C", r.work, "config", "user.email", "demo@example.com"},
		{"-C", r.work, "config", "commit.gpgsign", "false"},
		{"-C", r.work, "remote", "add", "origin", r.bare},
	}
	for _, args := range steps {
		if _, err := git(ctx, args...); err != nil {
			return nil, err
		}
	}
	if err := r.serve(ctx, dir); err != nil {
		return nil, err
	}
	_, err := r.push(ctx, "first release")
	return r, err
}

// serve offers what is below dir by Git's own HTTP backend.
func (r *repository) serve(ctx context.Context, dir string) error {
	path, err := git(ctx, "--exec-path")
	if err != nil {
		return err
	}
	backend := filepath.Join(path, "git-http-backend")
	if _, err := os.Stat(backend); err != nil {
		return fmt.Errorf("git is here, but without its HTTP server: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	r.url = "http://" + listener.Addr().String() + "/shop.git"
	r.server = &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: &cgi.Handler{
			Path: backend,
			Env:  []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1"},
		},
	}
	go func() {
		if err := r.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, "git server:", err)
		}
	}()
	return nil
}

func (r *repository) close() error { return r.server.Close() }

// edit replaces text in a file of the work tree, and fails if it is not there.
func (r *repository) edit(file, old, replacement string) error {
	path := filepath.Join(r.work, file)
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !strings.Contains(string(data), old) {
		return fmt.Errorf("%s does not contain %q", file, old)
	}
	return os.WriteFile(path, []byte(strings.Replace(string(data), old, replacement, 1)), 0o600) //nolint:gosec // below the demo's own folder
}

// push commits everything and pushes it, and returns the commit.
func (r *repository) push(ctx context.Context, message string) (string, error) {
	for _, args := range [][]string{{"add", "-A"}, {"commit", "-q", "-m", message}, {"push", "-q", "origin", "main"}} {
		if _, err := git(ctx, append([]string{"-C", r.work}, args...)...); err != nil {
			return "", err
		}
	}
	return git(ctx, "-C", r.work, "rev-parse", "HEAD")
}

// revert undoes the last commit and pushes that.
func (r *repository) revert(ctx context.Context) (string, error) {
	for _, args := range [][]string{{"revert", "--no-edit", "HEAD"}, {"push", "-q", "origin", "main"}} {
		if _, err := git(ctx, append([]string{"-C", r.work}, args...)...); err != nil {
			return "", err
		}
	}
	return git(ctx, "-C", r.work, "rev-parse", "HEAD")
}

// git runs a command and returns what it prints. The user's own configuration
// has no part in it.
func git(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return strings.TrimSpace(string(out)), nil
}
