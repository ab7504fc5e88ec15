package git

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/git/signature"
)

// ErrRejected: the server refused a push for a reason that trying again does
// not change, such as a protected branch or a hook.
var ErrRejected = errors.New("push rejected")

// Edit changes one file of a commit.
type Edit struct {
	// Path is relative to the repository's root, with forward slashes.
	Path string
	// Content is the file's new content; a file that does not exist is made.
	Content []byte
	// Executable makes a new file executable; a file that exists keeps its
	// bit.
	Executable bool
	// Delete removes the file.
	Delete bool
}

// Change is what a ChangeFunc wants.
type Change struct {
	// Edits are the files that change. None, or none that changes a byte,
	// means that nothing is pushed.
	Edits []Edit
	// Message is the commit's. Required if there are edits.
	Message string
}

// ChangeFunc computes a change on top of what the repository holds, ignored
// files included. It is called again, on the newer state, when somebody else
// pushed in between.
type ChangeFunc func(ctx context.Context, base *source.Artifact) (Change, error)

// Signature names who made a commit.
type Signature struct {
	// Name and Email are required and hold no "<", ">" or line break.
	Name, Email string
	// When is the time; zero means now.
	When time.Time
}

// PushOptions configures Push.
type PushOptions struct {
	// Author made the change. Required.
	Author Signature
	// Committer made the commit; the zero value means Author.
	Committer Signature
	// Signer signs the commit; nil leaves it unsigned.
	Signer *signature.Signer
	// Branch is pushed to. Empty means the source's branch, unless RefSpec is
	// set. A branch that does not exist is made from the source's reference.
	Branch string
	// RefSpec names another reference to push to, as "HEAD:refs/for/main"
	// does; what comes before the colon must be HEAD or the source's branch.
	RefSpec string
	// Force starts from the source's reference even if Branch exists, and
	// overwrites it. Nothing is pushed if the branch already is that one
	// change on top of that reference.
	Force bool
	// Options are sent to the server (git push -o key=value).
	Options map[string]string
	// MaxAttempts is how often a push is tried that others outrun. Zero
	// means 5.
	MaxAttempts int
}

// Pushed is what Push did.
type Pushed struct {
	// Revision is that of the new commit, or of what was there if nothing
	// changed.
	Revision source.Revision
	// Changed tells whether a commit was pushed.
	Changed bool
	// Refs are the full names of the references that were updated.
	Refs []string
	// Attempts counts how often the change was computed.
	Attempts int
}

const defaultAttempts = 5

// Push commits what change wants and pushes it. When the branch moved in
// between, it fetches the difference, calls change again and pushes again; it
// never overwrites the commits of others unless Force says so.
func (s *Source) Push(ctx context.Context, change ChangeFunc, opts PushOptions) (Pushed, error) {
	ctx, cancel := s.timeout(ctx)
	defer cancel()
	p, err := s.newPush(change, opts)
	if err != nil {
		return Pushed{}, s.fail("push", "", err)
	}
	for attempt := 1; ; attempt++ {
		done, outrun, err := p.try(ctx)
		done.Attempts = attempt
		if err == nil {
			return done, nil
		}
		if !outrun || attempt >= p.attempts || ctx.Err() != nil {
			return done, s.fail("push", "", err)
		}
		s.log.Info("push was outrun by another and is tried again", "url", s.endpoint.url, "attempt", attempt)
	}
}

// push is one call of Push.
type push struct {
	source   *Source
	change   ChangeFunc
	opts     PushOptions
	branch   string // full name of the branch that is started from if it exists, or ""
	targets  []string
	force    map[string]bool
	attempts int
}

func (s *Source) newPush(change ChangeFunc, opts PushOptions) (*push, error) {
	p := &push{source: s, change: change, opts: opts, attempts: opts.MaxAttempts, force: map[string]bool{}}
	if p.attempts <= 0 {
		p.attempts = defaultAttempts
	}
	if change == nil {
		return nil, invalidf("give the function that computes the change")
	}
	if err := opts.Author.check("Author"); err != nil {
		return nil, err
	}
	if opts.Committer != (Signature{}) {
		if err := opts.Committer.check("Committer"); err != nil {
			return nil, err
		}
	}
	branch := opts.Branch
	if own := s.branchName(); branch == "" && own != "" && strings.HasSuffix(opts.RefSpec, ":refs/heads/"+own) {
		branch = own // the refspec is another way to write it
	}
	if branch == "" && opts.RefSpec == "" {
		if branch = s.branchName(); branch == "" {
			return nil, invalidf("set PushOptions.Branch: the source's reference is no branch")
		}
	}
	if branch != "" {
		if err := checkRefName(branch); err != nil {
			return nil, err
		}
		p.branch = "refs/heads/" + branch
		p.add(p.branch, opts.Force)
	}
	return p, p.addRefSpec()
}

func (p *push) add(target string, force bool) {
	p.targets = append(p.targets, target)
	p.force[target] = force
}

func (p *push) addRefSpec() error {
	spec := p.opts.RefSpec
	if spec == "" {
		return nil
	}
	rest, force := strings.CutPrefix(spec, "+")
	from, to, ok := strings.Cut(rest, ":")
	own := from == "HEAD" || from == p.source.branchName() || from == "refs/heads/"+p.source.branchName() || from == p.branch
	if !ok || !own || !strings.HasPrefix(to, "refs/") || checkRefName(to) != nil {
		return invalidf("PushOptions.RefSpec %q must be like HEAD:refs/heads/other", spec)
	}
	if to != p.branch {
		p.add(to, force || p.opts.Force)
	}
	return nil
}

// branchName is the branch of the source's reference, or "".
func (s *Source) branchName() string {
	r := s.opts.Reference
	switch {
	case r.Name != "":
		short, _ := strings.CutPrefix(r.Name, "refs/heads/")
		if short == r.Name {
			return ""
		}
		return short
	case r.Tag != "" || r.SemVer != "":
		return ""
	case r.Branch != "":
		return r.Branch
	case r.Commit != "":
		return ""
	}
	return defaultBranch
}

func (g Signature) check(field string) error {
	for _, part := range []string{g.Name, g.Email} {
		if strings.TrimSpace(part) == "" || strings.ContainsAny(part, "<>\n\r\x00") {
			return invalidf("PushOptions.%s wants a Name and an Email without <, > and line breaks", field)
		}
	}
	return nil
}

// try makes one attempt. It reports outrun if another push came in between.
func (p *push) try(ctx context.Context) (done Pushed, outrun bool, err error) {
	s := p.source
	l, err := s.mirror.lister.get(ctx, 0)
	if err != nil {
		return Pushed{}, false, err
	}
	base, err := p.base(ctx, l)
	if err != nil {
		return Pushed{}, false, err
	}
	o, err := s.mirror.bring(ctx, want{commit: base.commit, ref: base.ref})
	if err != nil {
		return Pushed{}, false, err
	}
	e, err := p.compute(ctx, o, base)
	if err != nil {
		return Pushed{}, false, err
	}
	if e == nil {
		return Pushed{Revision: base.revision()}, false, nil
	}
	if there, ok := p.alreadyThere(ctx, l, e); ok {
		return Pushed{Revision: picked{name: p.shortTarget(), commit: there}.revision()}, false, nil
	}
	if err := p.send(ctx, l, base.commit, e); err != nil {
		return Pushed{}, p.moved(ctx, l), err
	}
	done = Pushed{Revision: picked{name: p.shortTarget(), commit: e.commit}.revision(), Changed: true, Refs: p.targets}
	// The mirror learns the commit now, so that fetching it costs nothing. If
	// that fails the next fetch brings it.
	if err := s.mirror.adopt(ctx, base.commit, e); err != nil {
		s.log.Warn("pushed commit was not kept", "url", s.endpoint.url, "cause", err)
	}
	return done, false, nil
}

// alreadyThere returns the commit of the branch that would be overwritten if it
// has the tree and the parent of the new one, which then differs in its date
// alone.
func (p *push) alreadyThere(ctx context.Context, l *listing, e *edited) (oid, bool) {
	r, exists := l.refs[p.branch]
	if !p.opts.Force || !exists || len(p.targets) != 1 {
		return "", false
	}
	tip := r.commit()
	o, err := p.source.mirror.bring(ctx, want{commit: tip, ref: p.branch})
	if err != nil {
		return "", false // pushing will tell
	}
	old, err := o.commit(tip)
	if err != nil {
		return "", false
	}
	treeAndParents := func(raw []byte) []byte {
		before, _, _ := bytes.Cut(raw, []byte("\nauthor "))
		return before
	}
	made := e.objects[len(e.objects)-1].data
	return tip, bytes.Equal(treeAndParents(old.raw), treeAndParents(made))
}

func (p *push) shortTarget() string {
	return strings.TrimPrefix(p.targets[0], "refs/heads/")
}

// base is the commit to build on: the branch that is pushed to, or the
// source's reference.
func (p *push) base(ctx context.Context, l *listing) (picked, error) {
	if p.branch != "" && !p.opts.Force {
		if r, ok := l.refs[p.branch]; ok {
			return picked{name: strings.TrimPrefix(p.branch, "refs/heads/"), ref: p.branch, commit: r.commit()}, nil
		}
	}
	if pinned, ok := p.source.opts.Reference.pinned(); ok {
		return pinned, nil
	}
	return p.source.opts.Reference.pick(ctx, l, p.source.newest)
}

// moved tells whether a target is no longer what it was when the attempt
// began.
func (p *push) moved(ctx context.Context, before *listing) bool {
	now, err := p.source.mirror.lister.get(ctx, 0)
	if err != nil {
		return false
	}
	for _, t := range p.targets {
		if now.refs[t].id != before.refs[t].id {
			return true
		}
	}
	return false
}
