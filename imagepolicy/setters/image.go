package setters

import (
	"fmt"
	"strings"
)

// Image is what a policy chose.
type Image struct {
	// Name is the repository with its registry, without a tag, such as
	// ghcr.io/org/app. Required.
	Name string
	// Tag is required unless there is a Digest.
	Tag string
	// Digest is optional, such as sha256:….
	Digest string
}

// String returns name:tag@digest, without what is empty.
func (i Image) String() string {
	s := i.Name
	if i.Tag != "" {
		s += ":" + i.Tag
	}
	if i.Digest != "" {
		s += "@" + i.Digest
	}
	return s
}

// part returns the text that a marker asks for; empty means that the image has no
// such part.
func (i Image) part(p Part) string {
	switch p {
	case Tag:
		return i.Tag
	case Name:
		return i.Name
	case Digest:
		return i.Digest
	case Whole:
	}
	return i.String()
}

// check refuses what is no part of a reference, so that nothing but a string of
// harmless letters is ever written into a file.
func (i Image) check() error {
	if i.Name == "" {
		return fmt.Errorf("%w: Name is required", ErrInvalid)
	}
	if i.Tag == "" && i.Digest == "" {
		return fmt.Errorf("%w: Tag or Digest is required", ErrInvalid)
	}
	for _, f := range []struct{ field, value, letters string }{
		{"Name", i.Name, "._-/:[]"}, {"Tag", i.Tag, "._-"}, {"Digest", i.Digest, ":._+-="},
	} {
		for _, r := range f.value {
			alphanumeric := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
			if !alphanumeric && !strings.ContainsRune(f.letters, r) {
				return fmt.Errorf("%w: %s %q has the letter %q", ErrInvalid, f.field, f.value, r)
			}
		}
	}
	return nil
}
