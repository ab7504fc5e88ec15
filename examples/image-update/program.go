package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/gitopskit/gitopskit/imagepolicy/scan"
	"github.com/gitopskit/gitopskit/imagepolicy/setters"
	"github.com/gitopskit/gitopskit/imagepolicy/update"
	"github.com/gitopskit/gitopskit/internal/textdiff"
)

// program is what stays between rounds.
type program struct {
	options
	out    io.Writer
	repo   *repository // nil for a folder
	forge  update.PullRequests
	client *clients
	store  *scan.Store
	images map[string]*scan.Image
}

func newProgram(o options, out io.Writer) (*program, error) {
	p := &program{options: o, out: out, images: map[string]*scan.Image{}}
	var err error
	if p.client, err = newClients(o); err != nil {
		return nil, err
	}
	if err = p.open(o); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *program) open(o options) (err error) {
	if o.store != "" {
		if p.store, err = scan.OpenStore(o.store); err != nil {
			return err
		}
	}
	if o.isGit() {
		if p.repo, err = openRepository(o); err != nil {
			return err
		}
	}
	if o.forge != "" {
		p.forge, err = openForge(o)
	}
	return err
}

func (p *program) close() {
	p.client.close()
	if p.repo != nil {
		p.repo.close()
	}
}

// once scans, chooses and updates.
func (p *program) once(ctx context.Context) (changed bool, err error) {
	wishes, err := p.wishes(ctx)
	if err != nil {
		return false, err
	}
	images, failed := p.choose(ctx, wishes)
	if len(images) == 0 || ctx.Err() != nil {
		return false, failed
	}
	if p.repo != nil {
		changed, err = p.updateRepository(ctx, images)
	} else {
		changed, err = p.updateFolder(images)
	}
	return changed, errors.Join(failed, err)
}

func (p *program) wishes(ctx context.Context) ([]wish, error) {
	var wishes []wish
	read := func(files fs.FS) (err error) {
		wishes, err = readWishes(files, p.namespace)
		return err
	}
	var err error
	switch {
	case p.policies != "":
		var files fs.FS
		if files, err = policyFiles(p.policies); err == nil {
			err = read(files)
		}
	case p.repo != nil:
		err = p.repo.read(ctx, read)
	default:
		err = read(os.DirFS(p.target))
	}
	if err == nil && len(wishes) == 0 {
		err = errors.New("there is no ImagePolicy: name a file of them with --policies")
	}
	return wishes, err
}

// choose returns what the policies chose; those that could not choose are in the
// error.
func (p *program) choose(ctx context.Context, wishes []wish) (map[setters.Policy]setters.Image, error) {
	chosen, scanned := map[setters.Policy]setters.Image{}, map[*scan.Image]error{}
	var errs []error
	for _, w := range wishes {
		choice, err := p.chooseOne(ctx, w, scanned)
		if errors.Is(err, scan.ErrTooYoung) { // nothing is wrong, it takes its time
			fmt.Fprintf(p.out, "== %s waits: %v\n", w.name, err)
			continue
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("ImagePolicy %s: %w", w.name, err))
			continue
		}
		chosen[w.name] = setters.Image{Name: w.image, Tag: choice.Tag, Digest: choice.Digest}
	}
	return chosen, errors.Join(errs...)
}

// chooseOne scans the repository of a policy, unless this round did already.
func (p *program) chooseOne(ctx context.Context, w wish, scanned map[*scan.Image]error) (scan.Choice, error) {
	image, err := p.image(w)
	if err != nil {
		return scan.Choice{}, err
	}
	if _, done := scanned[image]; !done {
		_, scanned[image] = image.Scan(ctx)
	}
	if err := scanned[image]; err != nil {
		return scan.Choice{}, err
	}
	choice, err := image.Choose(ctx, scan.Want{
		Policy: w.policy, Soak: p.soak, Digest: w.digest || p.digest, Verifier: p.client.verifier,
	})
	if err == nil {
		p.explain(w, image, choice)
	}
	return choice, err
}

func (p *program) image(w wish) (*scan.Image, error) {
	key := w.image + "\n" + strings.Join(w.exclude, "\n")
	if i, ok := p.images[key]; ok {
		return i, nil
	}
	client, err := p.client.registry(w)
	if err != nil {
		return nil, err
	}
	i, err := client.Image(scan.ImageOptions{Name: w.image, Exclude: w.exclude, Store: p.store})
	if err == nil {
		p.images[key] = i
	}
	return i, err
}

// explain prints why a tag was chosen.
func (p *program) explain(w wish, image *scan.Image, c scan.Choice) {
	if p.quiet {
		return
	}
	fmt.Fprintf(p.out, "== %s: %s\n%s", w.name, w.image, image.Tags().Explain(w.policy))
	for _, passed := range c.Passed {
		fmt.Fprintf(p.out, "passed over %s\n", passed)
	}
	if len(c.Passed) > 0 {
		fmt.Fprintf(p.out, "so chosen: %s\n", c.Tag)
	}
	if c.Signer != "" {
		fmt.Fprintf(p.out, "signed by: %s\n", c.Signer)
	}
	if c.Digest != "" {
		fmt.Fprintf(p.out, "digest: %s\n", c.Digest)
	}
}

func (p *program) updateRepository(ctx context.Context, images map[setters.Policy]setters.Image) (bool, error) {
	r, err := update.Run(ctx, update.Options{
		Repository: p.repo, Path: p.path, Images: images, Message: p.message, Automation: update.Name{Namespace: p.namespace, Name: "image-update"},
		Branch: p.pushBranch, RefSpec: p.refSpec, PullRequests: p.forge, Base: p.branch, DryRun: p.dryRun,
	})
	p.report(r.Result)
	if p.dryRun && len(r.Files) > 0 {
		before, err := p.repo.contents(ctx, r.Files)
		if err != nil {
			return true, err
		}
		for _, name := range sortedNames(r.Files) {
			p.diff(name, before[name], r.Files[name])
		}
	}
	if r.Pushed.Changed {
		fmt.Fprintf(p.out, "pushed %s\n", r.Pushed.Revision)
	}
	if r.PullRequest != nil {
		fmt.Fprintf(p.out, "pull request %d: %s\n", r.PullRequest.Number, r.PullRequest.URL)
	}
	return len(r.Changes) > 0, err
}

func (p *program) updateFolder(images map[setters.Policy]setters.Image) (bool, error) {
	root, err := os.OpenRoot(p.target)
	if err != nil {
		return false, err
	}
	defer root.Close()
	if p.path != "" {
		sub, err := root.OpenRoot(p.path)
		if err != nil {
			return false, err
		}
		defer sub.Close()
		root = sub
	}
	opts := setters.Options{Images: images, DryRun: p.dryRun}
	if p.dryRun {
		contents, found, err := setters.Rewrite(root.FS(), opts)
		p.report(found)
		for _, name := range sortedNames(contents) {
			before, readErr := fs.ReadFile(root.FS(), name)
			err = errors.Join(err, readErr)
			p.diff(name, before, contents[name])
		}
		return len(found.Changes) > 0, err
	}
	found, err := setters.Update(root.Name(), opts)
	p.report(found)
	return len(found.Changes) > 0, err
}

func (p *program) report(r setters.Result) {
	for _, c := range r.Changes {
		fmt.Fprintln(p.out, c)
	}
	for _, s := range r.Skipped {
		fmt.Fprintln(p.out, "skipped", s)
	}
	if len(r.Changes) == 0 {
		fmt.Fprintln(p.out, "nothing to change")
	}
}

func (p *program) diff(name string, before, after []byte) {
	fmt.Fprintf(p.out, "--- a/%s\n+++ b/%s\n%s", name, name, textdiff.Unified(string(before), string(after)))
}

func sortedNames(contents map[string][]byte) []string {
	names := make([]string, 0, len(contents))
	for name := range contents {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
