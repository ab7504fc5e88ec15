package signature

import (
	"bytes"
	"errors"
	"fmt"
)

var (
	// ErrUnsigned: the object has no signature.
	ErrUnsigned = errors.New("not signed")
	// ErrUntrusted: the signature was made by none of the keys.
	ErrUntrusted = errors.New("signed by none of the trusted keys")
	// ErrBad: the signature is malformed, does not fit the object, or there
	// is more than one.
	ErrBad = errors.New("bad signature")
	// ErrKey: a key cannot be read.
	ErrKey = errors.New("key cannot be read")
)

// SplitCommit separates a commit object's bytes into what was signed and the
// armored signature. Errors wrap ErrUnsigned or ErrBad.
func SplitCommit(raw []byte) (payload, sig []byte, err error) {
	head, body, found := bytes.Cut(raw, []byte("\n\n"))
	if !found {
		head, body = bytes.TrimSuffix(raw, []byte("\n")), nil
	}
	own := []byte(signatureHeader(raw) + " ")
	var kept [][]byte
	inSig, count := false, 0
	for line := range bytes.SplitSeq(head, []byte("\n")) {
		switch {
		case inSig && bytes.HasPrefix(line, []byte(" ")):
			sig = append(append(sig, line[1:]...), '\n')
			continue
		case bytes.HasPrefix(line, own):
			inSig = true
			count++
			sig = append(append(sig, line[len(own):]...), '\n')
			continue
		case bytes.HasPrefix(line, []byte("gpgsig")):
			// A second signature for another hash: two are refused.
			count++
		}
		inSig = false
		kept = append(kept, line)
	}
	switch {
	case count == 0:
		return nil, nil, ErrUnsigned
	case count > 1 || signatures(sig) != 1:
		return nil, nil, fmt.Errorf("%w: the commit has more than one", ErrBad)
	}
	payload = append(bytes.Join(kept, []byte("\n")), '\n')
	if found {
		payload = append(append(payload, '\n'), body...)
	}
	return payload, sig, nil
}

// JoinCommit adds an armored signature to the bytes of an unsigned commit.
func JoinCommit(payload, sig []byte) []byte {
	head, body, _ := bytes.Cut(payload, []byte("\n\n"))
	var out bytes.Buffer
	_, _ = out.Write(head)
	_, _ = out.WriteString("\n" + signatureHeader(payload) + " ")
	_, _ = out.Write(bytes.ReplaceAll(bytes.TrimRight(sig, "\n"), []byte("\n"), []byte("\n ")))
	_, _ = out.WriteString("\n\n")
	_, _ = out.Write(body)
	return out.Bytes()
}

// signatureHeader is where a commit has its signature: it depends on the hash
// of the repository, which the id of the tree shows (hash-function-transition(7)).
func signatureHeader(commit []byte) string {
	first, _, _ := bytes.Cut(commit, []byte("\n"))
	if tree, ok := bytes.CutPrefix(first, []byte("tree ")); ok && len(tree) == 64 {
		return "gpgsig-sha256"
	}
	return "gpgsig"
}

// SplitTag separates a tag object's bytes into what was signed and the armored
// signature at its end. Errors wrap ErrUnsigned or ErrBad.
func SplitTag(raw []byte) (payload, sig []byte, err error) {
	at := -1
	for _, begin := range [][]byte{[]byte(pgpBegin), []byte(sshBegin)} {
		if i := bytes.Index(raw, append([]byte("\n"), begin...)); i >= 0 && (at < 0 || i+1 < at) {
			at = i + 1
		}
	}
	if at < 0 {
		return nil, nil, ErrUnsigned
	}
	if signatures(raw[at:]) != 1 {
		return nil, nil, fmt.Errorf("%w: the tag has more than one", ErrBad)
	}
	return raw[:at], raw[at:], nil
}

const (
	pgpBegin = "-----BEGIN PGP SIGNATURE-----"
	sshBegin = "-----BEGIN SSH SIGNATURE-----"
	sshEnd   = "-----END SSH SIGNATURE-----"
)

func signatures(sig []byte) int {
	return bytes.Count(sig, []byte(pgpBegin)) + bytes.Count(sig, []byte(sshBegin))
}
