package update

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/gitopskit/gitopskit/imagepolicy/setters"
)

// Options describes an update. Message, Branch, Title and Body are templates
// (text/template, with those functions of sprig that give the same everywhere)
// over Data.
type Options struct {
	// Repository is what is updated. Required.
	Repository Repository
	// Path is the folder whose YAML files are updated, and those below it; empty
	// means all. One that leads out of the repository is refused.
	Path string
	// Images are what the policies chose. Required.
	Images map[setters.Policy]setters.Image
	// Message is the commit's. Empty means DefaultMessage.
	Message string
	// Automation and Values are for the templates.
	Automation Name
	Values     map[string]string
	// Branch is pushed to; empty means the branch that is checked out, unless
	// RefSpec is set. With {{ .ID }} in it each update has a branch of its own.
	Branch string
	// RefSpec is pushed as well; see Target.
	RefSpec string
	// PullRequests opens a pull request from Branch, which is required then. Nil
	// opens none.
	PullRequests PullRequests
	// Base is the branch that a pull request asks to merge into. Required with
	// PullRequests.
	Base string
	// Title and Body are those of the pull request. Empty means the first line of
	// the message, and what follows it.
	Title, Body string
	// DryRun computes all and pushes nothing.
	DryRun bool
	// MaxBytes is the size above which a file is left alone and reported; zero
	// means setters.DefaultMaxBytes.
	MaxBytes int64
}

// Result is what an update did, or with Options.DryRun would do. When there was
// nothing to change, Changes is empty.
type Result struct {
	// Result has the changes and what was skipped; files are named from the root
	// of the repository.
	setters.Result
	// Files are the new contents by name.
	Files map[string][]byte
	// Message is that of the commit.
	Message string
	// Branch is what was pushed to; empty is the branch that was checked out.
	Branch string
	// Pushed is what the Repository did.
	Pushed Pushed
	// PullRequest is the one that is open for the update, nil without
	// Options.PullRequests.
	PullRequest *Opened
}

// Run writes the chosen images into a repository: it finds the markers, changes
// their scalars, commits, pushes, and opens a pull request if that is asked for.
// When somebody else pushes at the same time, the change is computed anew on what
// they pushed. The error wraps ErrInvalid, ErrTemplate, ErrPullRequest, or what the
// Repository returned; the result then holds what was done before.
func Run(ctx context.Context, opts Options) (Result, error) {
	r, err := newRun(opts)
	if err != nil {
		return Result{}, err
	}
	templated := strings.Contains(opts.Branch, "{{")
	if opts.DryRun || templated {
		// Nothing is pushed without files: this only looks.
		_, err := opts.Repository.Push(ctx, r.look, Target{})
		if err != nil {
			return r.result, pushError("", err)
		}
		if opts.DryRun || len(r.result.Changes) == 0 {
			return r.result, nil
		}
	}
	target := Target{Branch: opts.Branch, RefSpec: opts.RefSpec}
	if templated {
		target.Branch = r.result.Branch
	}
	r.result.Pushed, err = opts.Repository.Push(ctx, r.compute, target)
	if err != nil {
		return r.result, pushError(target.Branch, err)
	}
	if len(r.result.Changes) == 0 {
		return r.result, nil
	}
	r.result.Branch = target.Branch // computed anew, another name may have come out
	if opts.PullRequests == nil {
		return r.result, nil
	}
	return r.result, r.propose(ctx)
}

func pushError(ref string, err error) error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	return &Error{Op: "push", Ref: ref, Err: err}
}

// run is one call of Run.
type run struct {
	opts                         Options
	message, branch, title, body text
	result                       Result
	data                         Data
}

func newRun(opts Options) (*run, error) {
	switch {
	case opts.Repository == nil:
		return nil, invalid("Repository", "it is required")
	case len(opts.Images) == 0:
		return nil, invalid("Images", "none is given")
	case opts.PullRequests != nil && opts.Branch == "":
		return nil, invalid("Branch", "a pull request needs one")
	case opts.PullRequests != nil && opts.Base == "":
		return nil, invalid("Base", "a pull request needs one")
	}
	if p := strings.TrimPrefix(path.Clean(opts.Path), "./"); opts.Path != "" {
		if p = strings.TrimPrefix(p, "/"); !fs.ValidPath(p) && p != "" {
			return nil, invalid("Path", "%q leads out of the repository", opts.Path)
		}
		opts.Path = p
	}
	if opts.Message == "" {
		opts.Message = DefaultMessage
	}
	r := &run{opts: opts}
	for _, t := range []struct {
		field, source string
		to            *text
	}{{"Message", opts.Message, &r.message}, {"Branch", opts.Branch, &r.branch}, {"Title", opts.Title, &r.title}, {"Body", opts.Body, &r.body}} {
		parsed, err := parse(t.field, t.source)
		if err != nil {
			return nil, err
		}
		*t.to = parsed
	}
	return r, nil
}

// look computes the change and commits nothing.
func (r *run) look(ctx context.Context, files fs.FS) (Commit, error) {
	_, err := r.compute(ctx, files)
	return Commit{}, err
}

// compute is a ChangeFunc. It may be called again, on other files.
func (r *run) compute(ctx context.Context, files fs.FS) (Commit, error) {
	if err := ctx.Err(); err != nil {
		return Commit{}, err
	}
	r.result = Result{Pushed: r.result.Pushed}
	if r.opts.Path != "" && r.opts.Path != "." {
		sub, err := fs.Sub(files, r.opts.Path)
		if err == nil {
			_, err = fs.Stat(sub, ".")
		}
		if err != nil {
			return Commit{}, invalid("Path", "%w", err)
		}
		files = sub
	}
	contents, found, err := setters.Rewrite(files, setters.Options{Images: r.opts.Images, MaxBytes: r.opts.MaxBytes})
	if err != nil {
		return Commit{}, err
	}
	r.keep(contents, found)
	if len(contents) == 0 {
		return Commit{}, nil
	}
	if r.data, err = newData(r.result.Changes, r.opts); err != nil {
		return Commit{}, err
	}
	if r.result.Message, err = r.message.fill(r.data); err != nil {
		return Commit{}, err
	}
	if r.opts.Branch != "" {
		if r.result.Branch, err = r.branch.fill(r.data); err != nil {
			return Commit{}, err
		}
	}
	return Commit{Files: r.result.Files, Message: r.result.Message}, nil
}

// keep notes what was found, with names from the root of the repository.
func (r *run) keep(contents map[string][]byte, found setters.Result) {
	r.result.Result, r.result.Files = found, make(map[string][]byte, len(contents))
	for name, content := range contents {
		r.result.Files[path.Join(r.opts.Path, name)] = content
	}
	for i := range found.Changes {
		found.Changes[i].File = path.Join(r.opts.Path, found.Changes[i].File)
	}
	for i := range found.Skipped {
		found.Skipped[i].File = path.Join(r.opts.Path, found.Skipped[i].File)
	}
}

// propose opens the pull request.
func (r *run) propose(ctx context.Context) error {
	first, rest, _ := strings.Cut(strings.TrimSpace(r.result.Message), "\n")
	p := PullRequest{Branch: r.result.Branch, Base: r.opts.Base, Title: first, Body: strings.TrimSpace(rest)}
	for _, t := range []struct {
		source string
		text   text
		to     *string
	}{{r.opts.Title, r.title, &p.Title}, {r.opts.Body, r.body, &p.Body}} {
		if t.source == "" {
			continue
		}
		filled, err := t.text.fill(r.data)
		if err != nil {
			return err
		}
		*t.to = filled
	}
	opened, err := r.opts.PullRequests.Open(ctx, p)
	if err != nil {
		return &Error{Op: "open the pull request", Ref: p.Branch + " -> " + p.Base, Err: errors.Join(ErrPullRequest, err)}
	}
	r.result.PullRequest = &opened
	return nil
}
