package signature

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// The format of SSH signatures is OpenSSH's PROTOCOL.sshsig.
const (
	sshMagic     = "SSHSIG"
	sshNamespace = "git"
)

type sshBlob struct {
	Version   uint32
	PublicKey string
	Namespace string
	Reserved  string
	Hash      string
	Signature string
}

type sshSigned struct {
	Namespace string
	Reserved  string
	Hash      string
	Digest    string
}

func sshMessage(hash string, payload []byte) ([]byte, error) {
	var digest []byte
	switch hash {
	case "sha512":
		d := sha512.Sum512(payload)
		digest = d[:]
	case "sha256":
		d := sha256.Sum256(payload)
		digest = d[:]
	default:
		return nil, fmt.Errorf("%w: unknown hash %q", ErrBad, hash)
	}
	return append([]byte(sshMagic), ssh.Marshal(sshSigned{sshNamespace, "", hash, string(digest)})...), nil
}

// verifySSH returns the key that made the signature if it is one of keys.
func verifySSH(payload, armored []byte, keys []ssh.PublicKey) (ssh.PublicKey, error) {
	blob, err := parseSSH(armored)
	if err != nil {
		return nil, err
	}
	key, err := ssh.ParsePublicKey([]byte(blob.PublicKey))
	if err != nil {
		return nil, fmt.Errorf("%w: its key: %w", ErrBad, err)
	}
	trusted := false
	for _, k := range keys {
		trusted = trusted || bytes.Equal(k.Marshal(), key.Marshal())
	}
	if !trusted {
		return nil, fmt.Errorf("%w: it is by %s %s", ErrUntrusted, key.Type(), ssh.FingerprintSHA256(key))
	}
	message, err := sshMessage(blob.Hash, payload)
	if err != nil {
		return nil, err
	}
	var sig ssh.Signature
	if err := ssh.Unmarshal([]byte(blob.Signature), &sig); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBad, err)
	}
	if sig.Format == ssh.KeyAlgoRSA {
		return nil, fmt.Errorf("%w: RSA with SHA-1", ErrBad)
	}
	if err := key.Verify(message, &sig); err != nil {
		return nil, fmt.Errorf("%w: it does not fit the object: %w", ErrBad, err)
	}
	return key, nil
}

func parseSSH(armored []byte) (sshBlob, error) {
	text := strings.TrimSpace(string(armored))
	text, ok1 := strings.CutPrefix(text, sshBegin)
	text, ok2 := strings.CutSuffix(text, sshEnd)
	if !ok1 || !ok2 {
		return sshBlob{}, fmt.Errorf("%w: no SSH signature", ErrBad)
	}
	raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return sshBlob{}, fmt.Errorf("%w: %w", ErrBad, err)
	}
	body, ok := bytes.CutPrefix(raw, []byte(sshMagic))
	if !ok {
		return sshBlob{}, fmt.Errorf("%w: no SSH signature", ErrBad)
	}
	var blob sshBlob
	if err := ssh.Unmarshal(body, &blob); err != nil {
		return sshBlob{}, fmt.Errorf("%w: %w", ErrBad, err)
	}
	if blob.Version != 1 || blob.Namespace != sshNamespace {
		return sshBlob{}, fmt.Errorf("%w: version %d for %q, not 1 for %q", ErrBad, blob.Version, blob.Namespace, sshNamespace)
	}
	return blob, nil
}

// signSSH makes an armored signature.
func signSSH(payload []byte, key ssh.Signer) ([]byte, error) {
	message, err := sshMessage("sha512", payload)
	if err != nil {
		return nil, err
	}
	var sig *ssh.Signature
	if as, ok := key.(ssh.AlgorithmSigner); ok && key.PublicKey().Type() == ssh.KeyAlgoRSA {
		sig, err = as.SignWithAlgorithm(rand.Reader, message, ssh.KeyAlgoRSASHA512)
	} else {
		sig, err = key.Sign(rand.Reader, message)
	}
	if err != nil {
		return nil, err
	}
	blob := append([]byte(sshMagic), ssh.Marshal(sshBlob{
		Version: 1, PublicKey: string(key.PublicKey().Marshal()), Namespace: sshNamespace, Hash: "sha512",
		Signature: string(ssh.Marshal(*sig)),
	})...)
	var out strings.Builder
	out.WriteString(sshBegin + "\n")
	text := base64.StdEncoding.EncodeToString(blob)
	for len(text) > 0 {
		n := min(70, len(text))
		out.WriteString(text[:n] + "\n")
		text = text[n:]
	}
	out.WriteString(sshEnd + "\n")
	return []byte(out.String()), nil
}
