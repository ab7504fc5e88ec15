package archive

import (
	"path"
	"strings"
)

// pattern is one line of .gitignore syntax (gitignore(5)).
type pattern struct {
	domain   []string // folder that holds the file, as parts
	parts    []string // pattern by components; one alone is a name at any depth
	anchored bool
	dirOnly  bool
	include  bool // "!": takes in again
}

func parsePattern(dir, line string) (pattern, bool) {
	line = strings.TrimSuffix(line, "\r")
	line = trimTrailingSpace(line)
	if line == "" || strings.HasPrefix(line, "#") {
		return pattern{}, false
	}
	var p pattern
	if dir != "" {
		p.domain = strings.Split(dir, "/")
	}
	if strings.HasPrefix(line, "!") {
		p.include = true
		line = line[1:]
	}
	if strings.HasPrefix(line, `\#`) || strings.HasPrefix(line, `\!`) {
		line = line[1:]
	}
	if strings.HasSuffix(line, "/") {
		p.dirOnly = true
		line = strings.TrimSuffix(line, "/")
	}
	p.anchored = strings.Contains(line, "/")
	line = strings.TrimPrefix(line, "/")
	if line == "" {
		return pattern{}, false
	}
	p.parts = strings.Split(line, "/")
	return p, true
}

// trimTrailingSpace drops trailing spaces that no backslash protects.
func trimTrailingSpace(s string) string {
	for strings.HasSuffix(s, " ") || strings.HasSuffix(s, "\t") {
		if strings.HasSuffix(s[:len(s)-1], `\`) {
			return s
		}
		s = s[:len(s)-1]
	}
	return s
}

// candidate is a path that patterns are tried on.
type candidate struct {
	parts []string
	isDir bool
}

func newCandidate(name string, isDir bool) candidate {
	return candidate{parts: strings.Split(name, "/"), isDir: isDir}
}

// decide returns what the last matching pattern says.
func (c candidate) decide(patterns []pattern) (ignored, matched bool) {
	for i := len(patterns) - 1; i >= 0; i-- {
		if patterns[i].match(c) {
			return !patterns[i].include, true
		}
	}
	return false, false
}

// match tells whether the pattern matches the path or a folder above it.
func (p pattern) match(c candidate) bool {
	if len(c.parts) <= len(p.domain) {
		return false
	}
	for i, d := range p.domain {
		if c.parts[i] != d {
			return false
		}
	}
	rest := c.parts[len(p.domain):]
	for n := 1; n <= len(rest); n++ {
		isDir := n < len(rest) || c.isDir
		if p.dirOnly && !isDir {
			continue
		}
		if p.matchExact(rest[:n]) {
			return true
		}
	}
	return false
}

func (p pattern) matchExact(parts []string) bool {
	if !p.anchored {
		return matchName(p.parts[0], parts[len(parts)-1])
	}
	return matchParts(p.parts, parts)
}

// matchParts matches component by component; "**" stands for any number. The
// loop backtracks to the last "**" only, so it takes at most
// len(pattern)*len(parts) steps.
func matchParts(pat, parts []string) bool {
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(parts) {
		switch {
		case i < len(pat) && pat[i] == "**":
			if i == len(pat)-1 {
				return true // "a/**" is everything below a
			}
			star, mark = i, j
			i++
		case i < len(pat) && matchName(pat[i], parts[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	return i == len(pat)
}

// matchName matches one component with shell globs. A malformed pattern
// matches nothing, as in Git.
func matchName(pat, name string) bool {
	if !strings.ContainsAny(pat, `*?[\`) {
		return pat == name
	}
	if rest, ok := strings.CutPrefix(pat, "*"); ok && !strings.ContainsAny(rest, `*?[\`) {
		return strings.HasSuffix(name, rest)
	}
	ok, err := path.Match(strings.ReplaceAll(pat, "[!", "[^"), name)
	return err == nil && ok
}
