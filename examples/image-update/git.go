package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gitopskit/gitopskit/examples/internal/gitupdate"
	"github.com/gitopskit/gitopskit/imagepolicy/update"
	"github.com/gitopskit/gitopskit/imagepolicy/update/gitea"
	"github.com/gitopskit/gitopskit/imagepolicy/update/github"
	"github.com/gitopskit/gitopskit/imagepolicy/update/gitlab"
	"github.com/gitopskit/gitopskit/source/git"
	"github.com/gitopskit/gitopskit/source/git/signature"
)

// repository is what is updated, and what has to be closed in the end.
type repository struct {
	gitupdate.Repository
	mirrors *git.Mirrors
	scratch string // is removed in the end, if it is set
}

func openRepository(o options) (*repository, error) {
	r := &repository{Repository: gitupdate.Repository{Branch: o.branch, Author: git.Signature{Name: o.authorName, Email: o.authorEmail}}}
	auth, err := gitAuth(o)
	if err != nil {
		return nil, err
	}
	if o.signingKey != "" {
		if r.Signer, err = readSigner(o.signingKey); err != nil {
			return nil, err
		}
	}
	dir := filepath.Join(o.store, "git")
	if o.store == "" {
		if r.scratch, err = os.MkdirTemp("", "image-update-"); err != nil {
			return nil, err
		}
		dir = r.scratch
	}
	if r.mirrors, err = git.OpenMirrors(dir, git.MirrorOptions{}); err == nil {
		r.Source, err = git.New(git.Options{URL: o.target, Reference: git.Reference{Branch: o.branch}, Auth: auth, Mirrors: r.mirrors})
	}
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *repository) close() {
	if r.mirrors != nil {
		_ = r.mirrors.Close()
	}
	if r.scratch != "" {
		_ = os.RemoveAll(r.scratch)
	}
}

func gitAuth(o options) (git.Auth, error) {
	auth := git.Auth{Username: os.Getenv("GIT_USER"), Password: os.Getenv("GIT_PASSWORD")}
	var err error
	if o.ca != "" && strings.HasPrefix(o.target, "https://") {
		if auth.CA, err = os.ReadFile(o.ca); err != nil {
			return auth, err
		}
	}
	if !strings.HasPrefix(o.target, "ssh://") {
		return auth, nil
	}
	if o.sshKey == "" {
		return auth, errors.New("ssh:// needs --ssh-key")
	}
	hosts := o.knownHosts
	if hosts == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return auth, err
		}
		hosts = filepath.Join(home, ".ssh", "known_hosts")
	}
	auth = git.Auth{Passphrase: os.Getenv("SSH_PASSPHRASE")}
	if auth.Identity, err = os.ReadFile(o.sshKey); err != nil {
		return auth, err
	}
	auth.KnownHosts, err = os.ReadFile(hosts)
	return auth, err
}

func readSigner(file string) (*signature.Signer, error) {
	key, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	read := signature.NewSSHSigner
	if strings.Contains(string(key), "PGP PRIVATE KEY") {
		read = signature.NewPGPSigner
	}
	signer, err := read(key, os.Getenv("SIGNING_PASSPHRASE"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return signer, nil
}

// read shows the files of the branch. A change that is none pushes nothing.
func (r *repository) read(ctx context.Context, look func(files fs.FS) error) error {
	_, err := r.Push(ctx, func(_ context.Context, files fs.FS) (update.Commit, error) {
		return update.Commit{}, look(files)
	}, update.Target{})
	return err
}

// contents returns what files are in the branch.
func (r *repository) contents(ctx context.Context, of map[string][]byte) (map[string][]byte, error) {
	out := map[string][]byte{}
	err := r.read(ctx, func(files fs.FS) error {
		for name := range of {
			data, err := fs.ReadFile(files, name)
			if err != nil {
				return err
			}
			out[name] = data
		}
		return nil
	})
	return out, err
}

// openForge returns what opens pull requests.
func openForge(o options) (update.PullRequests, error) {
	token := os.Getenv("FORGE_TOKEN")
	switch o.forge {
	case "github":
		return github.New(github.Options{Repository: o.forgeRepository, URL: o.forgeURL, Token: token})
	case "gitlab":
		return gitlab.New(gitlab.Options{Project: o.forgeRepository, URL: o.forgeURL, Token: token})
	case "gitea":
		return gitea.New(gitea.Options{Repository: o.forgeRepository, URL: o.forgeURL, Token: token})
	}
	return nil, fmt.Errorf("--pull-request %s is none of github, gitlab, gitea", o.forge)
}
