package archive

import (
	"bufio"
	"bytes"
	"slices"
	"sort"
	"strings"
)

// IgnoreFile is the name of the files, at every level of a tree, whose
// patterns leave files out.
const IgnoreFile = ".sourceignore"

// Patterns that Flux leaves out: version control always, the others as long as
// the user gives no pattern (fluxcd/pkg/sourceignore).
const (
	vcsPatterns     = ".gitignore\n.gitmodules\n.gitattributes"
	defaultPatterns = "*.jpg\n*.jpeg\n*.gif\n*.png\n*.wmv\n*.flv\n*.tar.gz\n*.zip\n" +
		".github/\n.circleci/\n.travis.yml\n.gitlab-ci.yml\nappveyor.yml\n.drone.yml\n" +
		"cloudbuild.yaml\ncodeship-services.yml\ncodeship-steps.yml\n" +
		"**/.goreleaser.yml\n**/.sops.yaml\n**/.flux.yaml"
)

// IgnoreOptions configures NewIgnore. The zero value leaves out what Flux
// leaves out of a Git repository.
type IgnoreOptions struct {
	// Patterns are lines in the syntax of .gitignore. They are looked at
	// after those of every IgnoreFile, so they win.
	Patterns string
	// NoDefaults keeps images, archives and CI files even where the user
	// gave no pattern. Any pattern of the user's does that too.
	NoDefaults bool
}

// Ignore decides which paths of a tree are left out. The last pattern that
// matches a path, or a folder above it, decides; unlike in Git, a file below
// a folder that is left out can be taken in again. Ignore is safe for
// concurrent use once all files were added.
type Ignore struct {
	vcs     []pattern
	base    []pattern
	extra   []pattern
	files   map[string][]pattern // by folder, "" is the root
	noBase  bool
	userHas bool
}

// NewIgnore returns the rules that opts gives.
func NewIgnore(opts IgnoreOptions) *Ignore {
	g := &Ignore{
		vcs:    parsePatterns("", vcsPatterns),
		base:   parsePatterns("", defaultPatterns),
		extra:  parsePatterns("", opts.Patterns),
		files:  map[string][]pattern{},
		noBase: opts.NoDefaults,
	}
	g.userHas = len(g.extra) > 0
	return g
}

// AddFile adds the patterns of the IgnoreFile in folder dir ("." for the root).
func (g *Ignore) AddFile(dir string, content []byte) {
	if dir == "." {
		dir = ""
	}
	ps := parsePatterns(dir, string(bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))))
	if len(ps) > 0 {
		g.files[dir] = ps
		g.userHas = true
	}
}

// Match reports whether the file or folder at path is left out.
func (g *Ignore) Match(path string, isDir bool) bool {
	p := newCandidate(path, isDir)
	if p.inGitFolder() {
		return true
	}
	if v, ok := p.decide(g.extra); ok {
		return v
	}
	if v, ok := g.matchFiles(p, path); ok {
		return v
	}
	if !g.userHas && !g.noBase {
		if v, ok := p.decide(g.base); ok {
			return v
		}
	}
	v, _ := p.decide(g.vcs)
	return v
}

// matchesFiles tells whether an IgnoreFile above path leaves it out; that is
// what decides whether the ignore files below it count.
func (g *Ignore) matchesFiles(path string, isDir bool) bool {
	p := newCandidate(path, isDir)
	v, ok := g.matchFiles(p, path)
	return ok && v || p.inGitFolder()
}

func (g *Ignore) matchFiles(p candidate, path string) (ignored, matched bool) {
	if len(g.files) == 0 {
		return false, false
	}
	for dir := parent(path); ; dir = parent(dir) {
		if v, ok := p.decide(g.files[dir]); ok {
			return v, true
		}
		if dir == "" {
			return false, false
		}
	}
}

// inGitFolder is true for Git's own files, which no pattern takes in again.
func (c candidate) inGitFolder() bool {
	return slices.Contains(c.parts, ".git")
}

// AddFiles adds every IgnoreFile among paths, from the root down, skipping
// those in folders that are already left out. The function read returns the
// content of one.
func (g *Ignore) AddFiles(paths []string, read func(path string) ([]byte, error)) error {
	var found []string
	for _, p := range paths {
		if p == IgnoreFile || strings.HasSuffix(p, "/"+IgnoreFile) {
			found = append(found, p)
		}
	}
	sort.Slice(found, func(i, j int) bool {
		a, b := strings.Count(found[i], "/"), strings.Count(found[j], "/")
		return a < b || a == b && found[i] < found[j]
	})
	for _, p := range found {
		dir := parent(p)
		if dir != "" && g.matchesFiles(dir, true) {
			continue
		}
		content, err := read(p)
		if err != nil {
			return fail("ignore", p, err)
		}
		if len(content) > maxIgnoreFile {
			return fail("ignore", p, tooLargef("%d bytes; at most %d are allowed", len(content), maxIgnoreFile))
		}
		g.AddFile(dir, content)
	}
	return nil
}

const maxIgnoreFile = 1 << 20

func parsePatterns(dir, text string) []pattern {
	var out []pattern
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, maxIgnoreFile+1)
	for lines.Scan() {
		if p, ok := parsePattern(dir, lines.Text()); ok {
			out = append(out, p)
		}
	}
	return out
}
