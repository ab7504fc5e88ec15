package signature_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/gitopskit/gitopskit/internal/gitserver"
	"github.com/gitopskit/gitopskit/source/git/signature"
)

const unsigned = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor A <a@x> 1 +0000\ncommitter A <a@x> 1 +0000\n\nmessage\n\nwith gpgsig in it\n"

func signer(t *testing.T) (*signature.Signer, signature.Keyring) {
	t.Helper()
	private, public := gitserver.NewKey(t, "")
	s, err := signature.NewSSHSigner(private, "")
	if err != nil {
		t.Fatal(err)
	}
	var k signature.Keyring
	if err := k.AddSSH(ssh.MarshalAuthorizedKey(public)); err != nil {
		t.Fatal(err)
	}
	return s, k
}

func TestVerifyCommit(t *testing.T) {
	s, keys := signer(t)
	sig, err := s.Sign([]byte(unsigned))
	if err != nil {
		t.Fatal(err)
	}
	good := signature.JoinCommit([]byte(unsigned), sig)
	if who, err := keys.VerifyCommit(good); err != nil || who != s.String() {
		t.Errorf("%q, %v", who, err)
	}
	other, _ := signer(t)
	otherSig, err := other.Sign([]byte(unsigned))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		raw []byte
		is  error
	}{
		"unsigned":          {[]byte(unsigned), signature.ErrUnsigned},
		"message changed":   {bytes.Replace(good, []byte("message"), []byte("massage"), 1), signature.ErrBad},
		"author changed":    {bytes.Replace(good, []byte("author A"), []byte("author B"), 1), signature.ErrBad},
		"header added":      {bytes.Replace(good, []byte("\nauthor"), []byte("\nparent x\nauthor"), 1), signature.ErrBad},
		"of somebody else":  {signature.JoinCommit([]byte(unsigned), otherSig), signature.ErrUntrusted},
		"two headers":       {signature.JoinCommit(good, otherSig), signature.ErrBad},
		"two in one header": {signature.JoinCommit([]byte(unsigned), append(bytes.Clone(sig), otherSig...)), signature.ErrBad},
		"for another hash":  {bytes.Replace(good, []byte("\ngpgsig "), []byte("\ngpgsig-sha256 x\ngpgsig "), 1), signature.ErrBad},
		"cut off":           {bytes.Replace(good, []byte("-----END"), []byte("-----XXX"), 1), signature.ErrBad},
		"no base64":         {bytes.Replace(good, []byte("\n U1NI"), []byte("\n !!!!"), 1), signature.ErrBad},
		"only in the body":  {[]byte(unsigned + "gpgsig " + string(sig)), signature.ErrUnsigned},
		"nothing":           {nil, signature.ErrUnsigned},
	} {
		if _, err := keys.VerifyCommit(c.raw); !errors.Is(err, c.is) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := (signature.Keyring{}).VerifyCommit(good); !errors.Is(err, signature.ErrUntrusted) {
		t.Errorf("no keys: %v", err)
	}
}

// A repository of SHA-256 ids has its signatures in a header of another name.
func TestSHA256CommitHasItsOwnHeader(t *testing.T) {
	s, keys := signer(t)
	payload := []byte("tree " + strings.Repeat("ab", 32) + "\nauthor A <a@x> 1 +0000\ncommitter A <a@x> 1 +0000\n\nm\n")
	sig, err := s.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	signed := signature.JoinCommit(payload, sig)
	if !bytes.Contains(signed, []byte("\ngpgsig-sha256 ")) {
		t.Errorf("%s", signed)
	}
	if _, err := keys.VerifyCommit(signed); err != nil {
		t.Error(err)
	}
	for name, bad := range map[string][]byte{
		"only for the other hash": bytes.Replace(signed, []byte("gpgsig-sha256 "), []byte("gpgsig "), 1),
		"for both":                bytes.Replace(signed, []byte("\ngpgsig-sha256 "), []byte("\ngpgsig x\ngpgsig-sha256 "), 1),
	} {
		if _, err := keys.VerifyCommit(bad); !errors.Is(err, signature.ErrBad) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVerifyTag(t *testing.T) {
	s, keys := signer(t)
	payload := "object x\ntype commit\ntag v1\ntagger A <a@x> 1 +0000\n\nmessage\n"
	sig, err := s.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.VerifyTag(append([]byte(payload), sig...)); err != nil {
		t.Error(err)
	}
	for name, raw := range map[string][]byte{
		"two": append(append([]byte(payload), sig...), sig...), "changed": append([]byte("x"+payload), sig...), "none": []byte(payload),
		"text after it": append(append([]byte(payload), sig...), "more"...),
	} {
		if _, err := keys.VerifyTag(raw); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestKeysThatCannotBeRead(t *testing.T) {
	if _, err := signature.KeyringFromSecret(map[string][]byte{"a.asc": []byte("x")}); !errors.Is(err, signature.ErrKey) {
		t.Error(err)
	}
	if _, err := signature.KeyringFromSecret(nil); !errors.Is(err, signature.ErrKey) {
		t.Error(err)
	}
	private, _ := gitserver.NewKey(t, "topsecret")
	for _, pass := range []string{"", "wrongpass"} {
		_, err := signature.NewSSHSigner(private, pass)
		if !errors.Is(err, signature.ErrKey) || pass != "" && strings.Contains(err.Error(), pass) {
			t.Error(err)
		}
	}
	if _, err := signature.NewPGPSigner([]byte("x"), ""); !errors.Is(err, signature.ErrKey) {
		t.Error(err)
	}
	s, _ := signer(t)
	if text := fmt.Sprintf("%v %+v %#v", s, s, s); !strings.HasPrefix(text, "SSH key SHA256:") || strings.Contains(text, "0x") {
		t.Error(text)
	}
}

func FuzzSplitCommit(f *testing.F) {
	f.Add([]byte(unsigned))
	f.Add([]byte("tree x\ngpgsig -----BEGIN SSH SIGNATURE-----\n abc\n -----END SSH SIGNATURE-----\n\nm\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		payload, sig, err := signature.SplitCommit(raw)
		if err != nil {
			return
		}
		if bytes.Contains(payload[:max(0, bytes.Index(payload, []byte("\n\n")))], []byte("\ngpgsig ")) || len(sig) == 0 {
			t.Errorf("payload %q, signature %q", payload, sig)
		}
	})
}
