package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/gitopskit/gitopskit/source"
)

// push implements remote. The pack becomes a repository of its own, from which
// git pushes; each reference must be what it was when the commit was made.
func (b *gitProgram) push(ctx context.Context, req pushRequest) error {
	dir, err := os.MkdirTemp("", "gitopskit-push-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	to := req.updates[0].to
	if err := b.prepare(ctx, dir, req.mirror, to.algorithm(), []oid{req.base}); err != nil {
		return err
	}
	if err := indexPack(ctx, dir, bytes.NewReader(req.pack), nil, len(to)); err != nil {
		return err
	}
	args := []string{"push", "--quiet", "--porcelain", "--no-verify", "--no-thin"}
	if len(req.updates) > 1 {
		args = append(args, "--atomic")
	}
	keys := make([]string, 0, len(req.options))
	for k := range req.options {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		args = append(args, "--push-option="+k+"="+req.options[k])
	}
	specs := []string{"--", b.endpoint.url}
	for _, u := range req.updates {
		args = append(args, "--force-with-lease="+u.name+":"+u.from.hex())
		specs = append(specs, u.to.hex()+":"+u.name)
	}
	out, err := b.run(ctx, dir, filepath.Join(dir, "private"), append(args, specs...)...)
	return rejection(err, string(out))
}

// rejection adds the lines of git push --porcelain that say which reference
// was refused and why.
func rejection(err error, out string) error {
	if err == nil {
		return nil
	}
	var refused []string
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "!") {
			refused = append(refused, strings.Join(strings.Fields(line)[1:], " "))
		}
	}
	if len(refused) > 0 || strings.Contains(err.Error(), "does not support push options") {
		for _, known := range []error{source.ErrAuth, source.ErrTLS, source.ErrHostKey} {
			if errors.Is(err, known) {
				return err
			}
		}
		return fmt.Errorf("%w: %s: %w", ErrRejected, strings.Join(refused, "; "), err)
	}
	return err
}
