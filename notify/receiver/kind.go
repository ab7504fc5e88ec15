package receiver

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // what some senders sign with
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// kind is what a type of sender does.
type kind struct {
	// check tells whether the request comes from who has the token. It sees
	// the body's bytes and parses nothing. Nil: the path is the only secret.
	check func(c *Config, h http.Header, body []byte) error
	// event is the header that names the event; "" if there is none.
	event string
	// nonces are headers that differ for each request.
	nonces []string
	// signed says that check covers the body, but not the nonce.
	signed bool
	// decode checks the body's form once its sender is known, and returns
	// what it says was pushed, if it says so. Nil: any body will do.
	decode func(h http.Header, body []byte) (*Push, error)
}

func kinds() map[string]kind {
	return map[string]kind{
		"generic":      {},
		"generic-hmac": {check: checkGenericHMAC},
		"github": {
			check: checkHub, event: "X-GitHub-Event", nonces: []string{"X-GitHub-Delivery"}, signed: true, decode: decodeGitHub,
		},
		"gitea": {
			check: checkGitea, event: "X-GitHub-Event", nonces: []string{"X-Gitea-Delivery", "X-GitHub-Delivery"}, signed: true, decode: decodeGitHub,
		},
		"gitlab": {
			check: checkHeader("X-Gitlab-Token", ""), event: "X-Gitlab-Event",
			nonces: []string{"X-Gitlab-Event-UUID", "Idempotency-Key"}, decode: decodeGitLab,
		},
		"bitbucket": {
			check: checkHub, event: "X-Event-Key", nonces: []string{"X-Request-UUID", "X-Request-Id"}, signed: true, decode: decodeBitbucket,
		},
		"harbor":    {check: checkHeader("Authorization", ""), decode: decodeHarbor},
		"nexus":     {check: checkNexus, event: "X-Nexus-Webhook-Id", nonces: []string{"X-Nexus-Webhook-Delivery"}, signed: true, decode: decodeNexus},
		"dockerhub": {decode: decodeDockerHub},
		"quay":      {decode: decodeQuay},
		"acr":       {decode: decodeACR},
		"gcr":       {decode: decodeGCR},
		"cdevents":  {event: "Ce-Type", nonces: []string{"Ce-Id"}, decode: decodeCDEvents},
	}
}

// Types returns the names of all types, sorted.
func Types() []string { return slices.Sorted(maps.Keys(kinds())) }

// sameSecret compares in constant time, also where the lengths differ.
func sameSecret(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

func checkHeader(name, prefix string) func(*Config, http.Header, []byte) error {
	return func(c *Config, h http.Header, _ []byte) error {
		got, ok := one(h, name)
		if !ok {
			return fmt.Errorf("%w: header %s is missing or there twice", ErrUnauthorized, name)
		}
		if !sameSecret(got, prefix+c.Token) {
			return fmt.Errorf("%w: header %s is wrong", ErrUnauthorized, name)
		}
		return nil
	}
}

// one returns a header that is there exactly once.
func one(h http.Header, name string) (string, bool) {
	vs := h.Values(name)
	if len(vs) != 1 || vs[0] == "" {
		return "", false
	}
	return vs[0], true
}

func algorithm(name string) (func() hash.Hash, bool) {
	switch name {
	case "sha1":
		return sha1.New, true
	case "sha224":
		return sha256.New224, true
	case "sha256":
		return sha256.New, true
	case "sha384":
		return sha512.New384, true
	case "sha512":
		return sha512.New, true
	}
	return nil, false
}

// checkMAC checks a signature in hex.
func checkMAC(new func() hash.Hash, key, signature string, body []byte) error {
	mac := hmac.New(new, []byte(key))
	_, _ = mac.Write(body)
	got, err := hex.DecodeString(signature)
	if err != nil || !hmac.Equal(got, mac.Sum(nil)) {
		return fmt.Errorf("%w: the signature is wrong", ErrUnauthorized)
	}
	return nil
}

// checkPrefixed checks ALGORITHM=HEX in a header.
func checkPrefixed(c *Config, h http.Header, header string, body []byte, allowed ...string) error {
	value, ok := one(h, header)
	if !ok {
		return fmt.Errorf("%w: header %s is missing or there twice", ErrUnauthorized, header)
	}
	name, signature, ok := strings.Cut(value, "=")
	new, known := algorithm(name)
	if !ok || !known || !slices.Contains(allowed, name) {
		return fmt.Errorf("%w: header %s must be like sha256=HEX", ErrUnauthorized, header)
	}
	return checkMAC(new, c.Token, signature, body)
}

func checkGenericHMAC(c *Config, h http.Header, body []byte) error {
	return checkPrefixed(c, h, "X-Signature", body, "sha1", "sha224", "sha256", "sha384", "sha512")
}

// checkHub takes X-Hub-Signature-256; only where that is not there at all,
// X-Hub-Signature, which is SHA-1 at GitHub and SHA-256 at Bitbucket.
func checkHub(c *Config, h http.Header, body []byte) error {
	if len(h.Values("X-Hub-Signature-256")) > 0 {
		return checkPrefixed(c, h, "X-Hub-Signature-256", body, "sha256")
	}
	return checkPrefixed(c, h, "X-Hub-Signature", body, "sha1", "sha256")
}

// checkGitea also takes Gitea's own header, hex alone.
func checkGitea(c *Config, h http.Header, body []byte) error {
	if len(h.Values("X-Hub-Signature-256"))+len(h.Values("X-Hub-Signature")) > 0 {
		return checkHub(c, h, body)
	}
	value, ok := one(h, "X-Gitea-Signature")
	if !ok {
		return fmt.Errorf("%w: header X-Hub-Signature-256 is missing", ErrUnauthorized)
	}
	return checkMAC(sha256.New, c.Token, value, body)
}

func checkNexus(c *Config, h http.Header, body []byte) error {
	value, ok := one(h, "X-Nexus-Webhook-Signature")
	if !ok {
		return fmt.Errorf("%w: header X-Nexus-Webhook-Signature is missing or there twice", ErrUnauthorized)
	}
	return checkMAC(sha1.New, c.Token, value, body)
}
