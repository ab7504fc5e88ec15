package git

import (
	"context"
	"fmt"
	"strings"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/git/signature"
)

// VerifyMode says what must be signed.
type VerifyMode string

const (
	// VerifyHEAD means the commit. It is the default.
	VerifyHEAD VerifyMode = "HEAD"
	// VerifyTag means the annotated tag; the reference must be a tag or a range.
	VerifyTag VerifyMode = "Tag"
	// VerifyTagAndHEAD means both.
	VerifyTagAndHEAD VerifyMode = "TagAndHEAD"
)

// Verify makes Fetch fail unless the commit, its tag or both are signed by a
// trusted key.
type Verify struct {
	// Mode is what must be signed; empty means VerifyHEAD.
	Mode VerifyMode
	// Keys are trusted. Required.
	Keys signature.Keyring
}

// Keys of an artifact's metadata that tell who signed.
const (
	// MetadataCommitSigner names the key that signed the commit.
	MetadataCommitSigner = "gitopskit.github.io/commit-signer"
	// MetadataTagSigner names the key that signed the tag.
	MetadataTagSigner = "gitopskit.github.io/tag-signer"
)

func (v *Verify) check(r Reference) error {
	if v == nil {
		return nil
	}
	if v.Keys.Empty() {
		return invalidf("Verify.Keys has no key: nothing could be verified")
	}
	switch v.Mode {
	case "", VerifyHEAD:
		return nil
	case VerifyTag, VerifyTagAndHEAD:
		tag := r.Commit == "" && (strings.HasPrefix(r.Name, "refs/tags/") || r.Name == "" && (r.Tag != "" || r.SemVer != ""))
		if !tag {
			return invalidf("Verify.Mode %s wants a tag: set Reference.Tag or Reference.SemVer", v.Mode)
		}
		return nil
	}
	return invalidf("Verify.Mode %q: use %s, %s or %s", v.Mode, VerifyHEAD, VerifyTag, VerifyTagAndHEAD)
}

func (v *Verify) wantsTag() bool {
	return v != nil && (v.Mode == VerifyTag || v.Mode == VerifyTagAndHEAD)
}

func (v *Verify) wantsCommit() bool {
	return v != nil && v.Mode != VerifyTag
}

// tagObject finds the annotated tag through which a commit was reached.
func (s *Source) tagObject(ctx context.Context, w want) (oid, error) {
	l := s.mirror.lister.peek()
	r, ok := ref{}, false
	if l != nil {
		r, ok = l.refs[w.ref]
	}
	if !ok || r.commit() != w.commit {
		var err error
		if l, err = s.mirror.lister.get(ctx, 0); err != nil {
			return "", err
		}
		if r, ok = l.refs[w.ref]; !ok || r.commit() != w.commit {
			return "", fmt.Errorf("%w: the tag %s no longer points to commit %s: resolve it again", source.ErrVerification, w.ref, w.commit.hex())
		}
	}
	if r.peeled == "" {
		return "", fmt.Errorf("%w: %s is a lightweight tag, which cannot be signed", source.ErrVerification, w.ref)
	}
	return r.id, nil
}

// verify checks what Options.Verify asks for and returns who signed.
func (s *Source) verify(o *objects, w want) (map[string]string, error) {
	v := s.opts.Verify
	out := map[string]string{}
	if v.wantsCommit() {
		c, err := o.commit(w.commit)
		if err != nil {
			return nil, err
		}
		signer, err := v.Keys.VerifyCommit(c.raw)
		if err != nil {
			return nil, fmt.Errorf("%w: commit %s: %w", source.ErrVerification, w.commit.hex(), err)
		}
		out[MetadataCommitSigner] = signer
	}
	if v.wantsTag() {
		raw, err := o.read(w.tag, typeTag)
		if err != nil {
			return nil, err
		}
		// A tag that is signed but for another commit, or under another
		// name, says nothing about this one.
		if !tagFits(raw, w) {
			return nil, fmt.Errorf("%w: the tag object does not name commit %s as %s", source.ErrVerification, w.commit.hex(), w.ref)
		}
		signer, err := v.Keys.VerifyTag(raw)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", source.ErrVerification, w.ref, err)
		}
		out[MetadataTagSigner] = signer
	}
	return out, nil
}

func tagFits(raw []byte, w want) bool {
	head, _, _ := strings.Cut(string(raw), "\n\n")
	lines := strings.Split(head, "\n")
	return len(lines) >= 3 && lines[0] == "object "+w.commit.hex() && lines[1] == "type commit" &&
		lines[2] == "tag "+strings.TrimPrefix(w.ref, "refs/tags/")
}
