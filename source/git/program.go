package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gitopskit/gitopskit/source"
)

// Transport says what speaks to the server.
type Transport string

const (
	// TransportGoGit needs no program beside this one. It is the default.
	TransportGoGit Transport = "go-git"
	// TransportGit runs the system's git (2.31 or newer) and, for SSH, ssh.
	// It speaks protocol version 2, which servers that go-git has trouble
	// with want, reads SHA-256 repositories, and needs less memory for large
	// files. It reads no configuration, asks nothing, runs no hooks and
	// knows only http, https and ssh.
	TransportGit Transport = "git"
)

// gitProgram is TransportGit.
type gitProgram struct {
	program  string
	endpoint endpoint
	auth     Auth
	proxy    Proxy
	login    loginFunc
	ssh      *sshDialer // explains why ssh failed
}

func newGitProgram(e endpoint, auth Auth, p Proxy, login loginFunc) (*gitProgram, error) {
	program, err := exec.LookPath("git")
	if err != nil {
		return nil, invalidf("Options.Transport %q wants the program git: %v", TransportGit, err)
	}
	b := &gitProgram{program: program, endpoint: e, auth: auth, proxy: p, login: login}
	if p.URL != "" {
		if _, err := p.parse(); err != nil {
			return nil, err
		}
		if e.scheme == "ssh" {
			return nil, invalidf("Options.Transport %q cannot use a proxy for SSH: use %q", TransportGit, TransportGoGit)
		}
	}
	if e.scheme == "ssh" {
		d, err := newSSHDialer(e, auth, p)
		if err != nil {
			return nil, err
		}
		b.ssh = &d
	}
	return b, nil
}

func (b *gitProgram) close() {}

// run runs git with the configuration in the environment, where no other user
// sees it, and nothing else. The folder private is for files with secrets.
func (b *gitProgram) run(ctx context.Context, dir, private string, args ...string) ([]byte, error) {
	auth, err := b.login(ctx)
	if err != nil {
		return nil, err
	}
	env, err := b.environment(auth, private)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, b.program, args...) //nolint:gosec // fixed verbs; what users give comes after --
	cmd.Dir, cmd.Env = dir, env
	ownGroup(cmd)
	cmd.WaitDelay = 5 * time.Second
	out, errs := &cappedBuffer{max: maxListing}, &cappedBuffer{max: maxErrorBody}
	cmd.Stdout, cmd.Stderr = out, errs
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case out.over:
		return nil, fmt.Errorf("%w: git printed more than %d bytes", source.ErrTooLarge, maxListing)
	case err != nil:
		return out.Bytes(), b.explain(ctx, err, errs.String())
	}
	return out.Bytes(), nil
}

// cappedBuffer keeps the first bytes that are written to it.
type cappedBuffer struct {
	bytes.Buffer
	max  int
	over bool
}

func (c *cappedBuffer) Write(p []byte) (int, error) {
	if room := c.max - c.Len(); room < len(p) {
		c.over = true
		_, _ = c.Buffer.Write(p[:max(room, 0)])
		return len(p), nil
	}
	return c.Buffer.Write(p)
}

// explain turns what git printed into an error.
func (b *gitProgram) explain(ctx context.Context, err error, text string) error {
	text = strings.TrimSpace(text)
	if b.ssh != nil && strings.Contains(text, "Could not read from remote repository") && !strings.Contains(text, "not appear to be") {
		// ssh says little about why; the same connection made here says it.
		if client, err := b.ssh.dial(ctx); err != nil {
			return err
		} else if cerr := client.Close(); cerr != nil {
			text += "; " + cerr.Error()
		}
	}
	low := strings.ToLower(text)
	has := func(signs ...string) bool {
		for _, s := range signs {
			if strings.Contains(low, s) {
				return true
			}
		}
		return false
	}
	var kind error
	switch {
	case has("terminal prompts disabled", "authentication failed", "error: 401"):
		return refusedHTTP(b.auth, 401)
	case has("error: 403"):
		return refusedHTTP(b.auth, 403)
	case has("error: 404", "' not found", "not appear to be a git repository"):
		kind = source.ErrNotFound
	case has("ssl", "tls", "certificate"):
		return fmt.Errorf("%w: git says: %s (a server with an authority of its own wants Auth.CA, one that asks for a client certificate Auth.ClientCert)", source.ErrTLS, text)
	case has("not our ref", "unadvertised object"):
		kind = errNotOurRef
	case has("no space left", "file too large", "disk quota exceeded"):
		kind = source.ErrFull
	case has("could not resolve host", "failed to connect", "connection refused", "couldn't connect", "timed out", "connection reset"):
		kind = source.ErrUnreachable
	case has("redirect"):
		return fmt.Errorf("%w: the server redirects, which is not followed with credentials: set the URL to the new one: %s", source.ErrUnreachable, text)
	default:
		kind = source.ErrUnreachable
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	return fmt.Errorf("%w: git says: %s", kind, text)
}

// list implements remote.
func (b *gitProgram) list(ctx context.Context) (*listing, error) {
	private, err := os.MkdirTemp("", "gitopskit-git-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(private) }()
	out, err := b.run(ctx, private, private, "ls-remote", "--quiet", "--", b.endpoint.url)
	if err != nil {
		return nil, err
	}
	l := &listing{refs: map[string]ref{}}
	for line := range strings.Lines(string(out)) {
		hexID, name, ok := strings.Cut(strings.TrimSpace(line), "\t")
		id, good := parseOID(hexID)
		if !ok || !good {
			return nil, fmt.Errorf("%w: git ls-remote printed %q", source.ErrUnreachable, line)
		}
		if base, peeled := strings.CutSuffix(name, "^{}"); peeled {
			r := l.refs[base]
			r.peeled = id
			l.refs[base] = r
			continue
		}
		l.refs[name] = ref{id: id}
	}
	return l, nil
}

// fetch implements remote. The repository at dir borrows the mirror's objects,
// so that git asks for the difference only.
func (b *gitProgram) fetch(ctx context.Context, req fetchRequest, dir string) error {
	if err := b.prepare(ctx, dir, filepath.Dir(dir), req.wants[0].algorithm(), req.haves); err != nil {
		return err
	}
	args := []string{"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-gc", "--no-recurse-submodules"}
	if !req.history {
		args = append(args, "--depth=1")
	} else if len(req.haves) > 0 {
		args = append(args, "--unshallow")
	}
	args = append(args, "--", b.endpoint.url)
	for _, w := range req.wants {
		args = append(args, w.hex())
	}
	watched, stop := limitFolder(ctx, filepath.Join(dir, "objects", "pack"), req.maxBytes)
	defer stop()
	_, err := b.run(watched, dir, filepath.Join(dir, "private"), args...)
	return err
}

// prepare makes the repository that is fetched into or pushed from. It borrows
// the objects of the mirror, of which haves are complete.
func (b *gitProgram) prepare(ctx context.Context, dir, mirror, algorithm string, haves []oid) error {
	private := filepath.Join(dir, "private")
	if err := os.MkdirAll(private, 0o700); err != nil {
		return err
	}
	if _, err := b.run(ctx, dir, private, "init", "--quiet", "--bare", "--template=", "--object-format="+algorithm, "--", dir); err != nil {
		return err
	}
	if len(haves) == 0 {
		return nil
	}
	var refs, shallow strings.Builder
	refs.WriteString("# pack-refs with: peeled fully-peeled sorted \n")
	for i, h := range haves {
		refs.WriteString(h.hex() + " refs/haves/" + fmt.Sprintf("%04d", i) + "\n")
		shallow.WriteString(h.hex() + "\n")
	}
	objects, err := filepath.Abs(filepath.Join(mirror, "objects"))
	if err != nil {
		return err
	}
	for name, text := range map[string]string{
		"packed-refs": refs.String(), "shallow": shallow.String(), "objects/info/alternates": strconv.Quote(objects) + "\n",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// limitFolder ends the context when the files in a folder exceed a size.
func limitFolder(ctx context.Context, dir string, limit int64) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if folderSize(dir) > limit {
					cancel(fmt.Errorf("%w: the pack has more than %d bytes; set MirrorOptions.MaxPackBytes", source.ErrTooLarge, limit))
					return
				}
			}
		}
	}()
	return ctx, func() { cancel(nil); <-done }
}

func folderSize(dir string) int64 {
	total := int64(0)
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				total += info.Size()
			}
		}
		return nil
	})
	return total
}
