package git

import (
	"context"
	"fmt"
	"sort"
	"strings"

	"github.com/gitopskit/gitopskit/internal/versions"
	"github.com/gitopskit/gitopskit/source"
)

const defaultBranch = "master"

// check returns what is wrong with a reference.
func (r Reference) check() error {
	if r.Commit != "" {
		if _, ok := parseOID(r.Commit); !ok {
			return invalidf("Reference.Commit must be a full commit id of 40 hex digits, not %q", r.Commit)
		}
	}
	if r.Name != "" && !strings.HasPrefix(r.Name, "refs/") && r.Name != "HEAD" {
		return invalidf("Reference.Name must be a full name such as refs/heads/main, not %q", r.Name)
	}
	for _, name := range []string{r.Name, r.Tag, r.Branch} {
		if err := checkRefName(name); err != nil {
			return err
		}
	}
	if r.SemVer != "" {
		if err := r.query().Check(); err != nil {
			return invalidf("Reference.SemVer and TagFilter: %v", err)
		}
	}
	return nil
}

// checkRefName refuses what git check-ref-format refuses.
func checkRefName(name string) error {
	bad := strings.ContainsAny(name, " ~^:?*[\\\x7f") || strings.Contains(name, "..") || strings.Contains(name, "@{") ||
		strings.Contains(name, "//") || strings.HasPrefix(name, "-") || strings.HasPrefix(name, "/") ||
		strings.HasSuffix(name, "/") || strings.HasSuffix(name, ".") || strings.Contains("/"+name, "/.") ||
		strings.Contains(name+"/", ".lock/")
	for _, c := range name {
		bad = bad || c < 0x20
	}
	if bad {
		return invalidf("%q is no name that a Git reference can have", name)
	}
	return nil
}

// picked is the commit that a reference stands for.
type picked struct {
	name   string // in the revision: a branch, a tag, a full name, or ""
	ref    string // full name of where it is
	commit oid
}

func (p picked) revision() source.Revision {
	return source.NewRevision(p.name, p.commit.algorithm(), p.commit.hex())
}

// pinned returns the commit that needs no question to the server.
func (r Reference) pinned() (picked, bool) {
	if r.Commit == "" {
		return picked{}, false
	}
	id, _ := parseOID(r.Commit)
	p := picked{name: r.Branch, commit: id}
	if r.Branch != "" {
		p.ref = "refs/heads/" + r.Branch
	}
	return p, true
}

// pick finds the reference in a listing. Of tags with equal versions newest
// returns the one to take.
func (r Reference) pick(ctx context.Context, l *listing, newest func(context.Context, []picked) (picked, error)) (picked, error) {
	if len(l.refs) == 0 {
		return picked{}, ErrEmpty
	}
	switch {
	case r.Name != "":
		return pickName(l, strings.TrimSuffix(r.Name, "^{}"), r.Name, "reference", "")
	case r.Tag != "":
		return pickName(l, "refs/tags/"+r.Tag, r.Tag, "tag", "refs/tags/")
	case r.SemVer != "":
		return r.pickVersion(ctx, l, newest)
	}
	branch := r.Branch
	if branch == "" {
		branch = defaultBranch
	}
	return pickName(l, "refs/heads/"+branch, branch, "branch", "refs/heads/")
}

func pickName(l *listing, full, name, what, prefix string) (picked, error) {
	found, ok := l.refs[full]
	if !ok {
		return picked{}, fmt.Errorf("%w: no %s %q%s", source.ErrNotFound, what, name, suggest(name, l.names(prefix)))
	}
	return picked{name: name, ref: full, commit: found.commit()}, nil
}

func (r Reference) query() versions.Query {
	return versions.Query{Range: r.SemVer, Filter: r.TagFilter, PreReleases: r.PreReleases}
}

// pickVersion takes the highest tag in the range.
func (r Reference) pickVersion(ctx context.Context, l *listing, newest func(context.Context, []picked) (picked, error)) (picked, error) {
	best, all, err := r.query().Best(l.names("refs/tags/"))
	if err != nil {
		return picked{}, invalidf("Reference.SemVer: %v", err)
	}
	equal := make([]picked, 0, len(best))
	for _, tag := range best {
		full := "refs/tags/" + tag
		equal = append(equal, picked{name: tag, ref: full, commit: l.refs[full].commit()})
	}
	switch len(equal) {
	case 0:
		return picked{}, r.noVersion(all)
	case 1:
		return equal[0], nil
	}
	return newest(ctx, equal)
}

func (r Reference) noVersion(versions []string) error {
	if len(versions) == 0 {
		return fmt.Errorf("%w: no tag is a version such as v1.2.3%s", source.ErrNotFound, r.filterText())
	}
	sort.Slice(versions, func(i, j int) bool { return versions[i] > versions[j] })
	return fmt.Errorf("%w: no tag in the range %q%s%s", source.ErrNotFound, r.SemVer, r.filterText(), suggest("", versions))
}

func (r Reference) filterText() string {
	if r.TagFilter == "" {
		return ""
	}
	return fmt.Sprintf(" among those that match %q", r.TagFilter)
}
