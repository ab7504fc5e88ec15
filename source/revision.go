package source

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// Revision names one state of a source, in Flux's form: a name and a digest
// joined by "@", such as "main@sha1:1eab…" or "latest@sha256:3b4c…"; a digest
// alone for a pinned commit or digest, such as "sha1:1eab…"; or a plain version
// such as "6.5.1" for a Helm chart.
type Revision string

// NewRevision joins a name, which may be empty, with a digest in hex of the
// given algorithm.
func NewRevision(name, algorithm, hexDigest string) Revision {
	digest := algorithm + ":" + hexDigest
	if name == "" {
		return Revision(digest)
	}
	return Revision(name + "@" + digest)
}

// ParseRevision reads a revision. It takes the legacy forms "main/<hash>" and
// "HEAD/<hash>" and a bare hash too, and returns them in the new form. The
// error wraps ErrInvalid.
func ParseRevision(s string) (Revision, error) {
	if s == "" || strings.ContainsAny(s, "\x00\n\r") {
		return "", badRevision(s, "empty or with control characters")
	}
	if algorithm := algorithmOf(s); algorithm != "" {
		return NewRevision("", algorithm, s), nil
	}
	if i := strings.LastIndexByte(s, '/'); i > 0 {
		if algorithm := algorithmOf(s[i+1:]); algorithm != "" {
			name := s[:i]
			if name == "HEAD" {
				name = ""
			}
			return NewRevision(name, algorithm, s[i+1:]), nil
		}
	}
	name, digest := Revision(s).split()
	if digest == "" {
		if strings.Contains(s, "@") || strings.HasPrefix(s, "sha1:") || strings.HasPrefix(s, "sha256:") {
			return "", badRevision(s, "what follows @ is no sha1: or sha256: digest")
		}
		return Revision(s), nil
	}
	if name == "" && strings.Contains(s, "@") {
		return "", badRevision(s, "no name before @")
	}
	return Revision(s), nil
}

func badRevision(s, why string) error {
	return &Error{Op: "parse revision", Ref: fmt.Sprintf("%q", s), Err: fmt.Errorf("%w: %s", ErrInvalid, why)}
}

// algorithmOf tells by its length which digest a bare hex string is.
func algorithmOf(s string) string {
	if _, err := hex.DecodeString(s); err != nil || strings.ToLower(s) != s {
		return ""
	}
	switch len(s) {
	case 40:
		return "sha1"
	case 64:
		return "sha256"
	}
	return ""
}

func (r Revision) split() (name, digest string) {
	s := string(r)
	tail := s
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		name, tail = s[:i], s[i+1:]
	}
	algorithm, hash, ok := strings.Cut(tail, ":")
	if !ok || algorithmOf(hash) == "" || algorithmOf(hash) != algorithm {
		return s, ""
	}
	return name, tail
}

// Name is the part before the digest: a branch, a tag, a version, or empty for
// a digest alone.
func (r Revision) Name() string {
	name, _ := r.split()
	return name
}

// Digest is the part that identifies the content, such as "sha1:1eab…", or
// empty if the revision has none.
func (r Revision) Digest() string {
	_, digest := r.split()
	return digest
}

// Hash is the digest's hex digits, or empty.
func (r Revision) Hash() string {
	_, hash, _ := strings.Cut(r.Digest(), ":")
	return hash
}

// String returns the revision as it is.
func (r Revision) String() string { return string(r) }
