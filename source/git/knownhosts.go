package git

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the format of hashed names
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"path"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/gitopskit/gitopskit/source"
)

// knownHosts holds the lines of a known_hosts file (sshd(8)).
type knownHosts struct {
	lines []knownHost
}

type knownHost struct {
	marker string // "", "cert-authority" or "revoked"
	hosts  []string
	key    ssh.PublicKey
}

// parseKnownHosts reads all lines and, as OpenSSH does, passes over those it
// cannot read; none that it can read is an error.
func parseKnownHosts(data []byte) (*knownHosts, error) {
	k := &knownHosts{}
	var bad error
	for n, line := range bytes.Split(data, []byte("\n")) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		marker, hosts, key, _, _, err := ssh.ParseKnownHosts(line)
		if err != nil {
			bad = fmt.Errorf("line %d: %w", n+1, err)
			continue
		}
		k.lines = append(k.lines, knownHost{marker, hosts, key})
	}
	if len(k.lines) == 0 {
		if bad == nil {
			bad = errors.New("it has no lines")
		}
		return nil, invalidf("Auth.KnownHosts has no host key: %v", bad)
	}
	return k, nil
}

// matching returns the lines with the marker for the address host:port.
func (k *knownHosts) matching(addr, marker string) []knownHost {
	name := normalizeHost(addr)
	var out []knownHost
	for _, l := range k.lines {
		if l.marker == marker && l.matches(name) {
			out = append(out, l)
		}
	}
	return out
}

func normalizeHost(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return strings.ToLower(addr)
	}
	host = strings.ToLower(host)
	if port == "22" {
		return host
	}
	return "[" + host + "]:" + port
}

func (l knownHost) matches(name string) bool {
	found := false
	for _, pat := range l.hosts {
		if strings.HasPrefix(pat, "|1|") {
			found = found || matchesHashed(pat, name)
			continue
		}
		negated := strings.HasPrefix(pat, "!")
		if matchesPattern(strings.ToLower(strings.TrimPrefix(pat, "!")), name) {
			if negated {
				return false
			}
			found = true
		}
	}
	return found
}

// matchesPattern knows * and ? only; brackets are part of [host]:port.
func matchesPattern(pat, name string) bool {
	if pat == "["+name+"]:22" {
		return true
	}
	escaped := strings.NewReplacer("[", `\[`, "]", `\]`).Replace(pat)
	ok, err := path.Match(escaped, name)
	return err == nil && ok
}

func matchesHashed(pat, name string) bool {
	parts := strings.Split(pat, "|")
	if len(parts) != 4 {
		return false
	}
	salt, err1 := base64.StdEncoding.DecodeString(parts[2])
	want, err2 := base64.StdEncoding.DecodeString(parts[3])
	if err1 != nil || err2 != nil {
		return false
	}
	mac := hmac.New(sha1.New, salt)
	_, _ = mac.Write([]byte(name))
	return hmac.Equal(mac.Sum(nil), want)
}

// algorithms are those to ask the server for, so that it shows a key that is
// known; nil if none is known.
func (k *knownHosts) algorithms(addr string) []string {
	var out []string
	for range k.matching(addr, "cert-authority") {
		out = append(out, ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA256v01, ssh.CertAlgoECDSA384v01,
			ssh.CertAlgoECDSA521v01, ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01)
		break
	}
	seen := map[string]bool{}
	for _, l := range k.matching(addr, "") {
		kind := l.key.Type()
		if seen[kind] {
			continue
		}
		seen[kind] = true
		if kind == ssh.KeyAlgoRSA {
			// The SHA-1 signature of the same key is not worth asking for.
			out = append(out, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
			continue
		}
		out = append(out, kind)
	}
	return out
}

// check is an ssh.HostKeyCallback. It must get the address that was asked for.
func (k *knownHosts) check(addr string, remote net.Addr, key ssh.PublicKey) error {
	for _, l := range k.matching(addr, "revoked") {
		if sameKey(l.key, key) {
			return hostKeyError(addr, key, "which is marked @revoked in known_hosts")
		}
	}
	checker := ssh.CertChecker{
		IsHostAuthority: func(auth ssh.PublicKey, _ string) bool {
			for _, l := range k.matching(addr, "cert-authority") {
				if sameKey(l.key, auth) {
					return true
				}
			}
			return false
		},
		IsRevoked: func(cert *ssh.Certificate) bool {
			for _, l := range k.matching(addr, "revoked") {
				if sameKey(l.key, cert.SignatureKey) || sameKey(l.key, cert.Key) {
					return true
				}
			}
			return false
		},
		HostKeyFallback: k.checkPlain,
	}
	if err := checker.CheckHostKey(addr, remote, key); err != nil {
		if errors.Is(err, source.ErrHostKey) {
			return err
		}
		return hostKeyError(addr, key, err.Error())
	}
	return nil
}

func (k *knownHosts) checkPlain(addr string, _ net.Addr, key ssh.PublicKey) error {
	known := k.matching(addr, "")
	if len(known) == 0 {
		return hostKeyError(addr, key, "and known_hosts has no key for this host")
	}
	prints := make([]string, 0, len(known))
	for _, l := range known {
		if sameKey(l.key, key) {
			return nil
		}
		prints = append(prints, l.key.Type()+" "+ssh.FingerprintSHA256(l.key))
	}
	return hostKeyError(addr, key, "and known_hosts expects "+strings.Join(prints, ", "))
}

func hostKeyError(addr string, key ssh.PublicKey, why string) error {
	return fmt.Errorf("%w: %s offered %s %s, %s; if that is the right server, add its key to known_hosts",
		source.ErrHostKey, addr, key.Type(), ssh.FingerprintSHA256(key), why)
}

func sameKey(a, b ssh.PublicKey) bool { return bytes.Equal(a.Marshal(), b.Marshal()) }
