package git

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/gitopskit/gitopskit/internal/gitserver"
	"github.com/gitopskit/gitopskit/source"
)

func line(hosts string, key ssh.PublicKey) string {
	return hosts + " " + string(ssh.MarshalAuthorizedKey(key))
}

func TestKnownHosts(t *testing.T) {
	_, key := gitserver.NewKey(t, "")
	_, other := gitserver.NewKey(t, "")
	caPrivate, ca := gitserver.NewKey(t, "")
	signer, err := ssh.ParsePrivateKey(caPrivate)
	if err != nil {
		t.Fatal(err)
	}
	certificate := func(kind uint32, hosts ...string) ssh.PublicKey {
		c := &ssh.Certificate{Key: key, CertType: kind, ValidPrincipals: hosts, ValidBefore: ssh.CertTimeInfinity}
		if err := c.SignCert(rand.Reader, signer); err != nil {
			t.Fatal(err)
		}
		return c
	}
	cert := certificate(ssh.HostCert, "git.example.com")
	const host, addr = "git.example.com", "git.example.com:22"
	for name, c := range map[string]struct {
		lines string
		addr  string
		key   ssh.PublicKey
		ok    bool
	}{
		"name":                           {line(host, key), addr, key, true},
		"name in capitals":               {line("GIT.example.COM", key), addr, key, true},
		"one of several names":           {line("a,"+host+",1.2.3.4", key), addr, key, true},
		"name with the port 22":          {line("[git.example.com]:22", key), addr, key, true},
		"name, but another port":         {line(host, key), host + ":2222", key, false},
		"another port":                   {line("[git.example.com]:2222", key), host + ":2222", key, true},
		"another port, asked without":    {line("[git.example.com]:2222", key), addr, key, false},
		"address of version 6":           {line("::1", key), "[::1]:22", key, true},
		"address of version 6, port":     {line("[::1]:2222", key), "[::1]:2222", key, true},
		"star":                           {line("*.example.com", key), addr, key, true},
		"star, of the domain itself":     {line("*.example.com", key), "example.com:22", key, false},
		"star over the port":             {line("[*.example.com]:*", key), host + ":2222", key, true},
		"question mark":                  {line("gi?.example.com", key), addr, key, true},
		"dot is no wildcard":             {line("git.example.com", key), "git-example.com:22", key, false},
		"excluded":                       {line("*.example.com,!git.example.com", key), addr, key, false},
		"excluded on another line":       {line("!git.example.com,x", key) + line("*", key), addr, key, true},
		"hashed":                         {line(knownhosts.HashHostname(host), key), addr, key, true},
		"hashed with a port":             {line(knownhosts.HashHostname("[git.example.com]:2222"), key), host + ":2222", key, true},
		"hashed, another name":           {line(knownhosts.HashHostname("git.example.org"), key), addr, key, false},
		"hash that is cut off":           {line("|1|aGVsbG8=", key) + line(host, other), addr, key, false},
		"another key":                    {line(host, other), addr, key, false},
		"second of two keys":             {line(host, other) + line(host, key), addr, key, true},
		"revoked":                        {"@revoked " + line(host, key) + line(host, key), addr, key, false},
		"revoked for all":                {line(host, key) + "@revoked " + line("*", key), addr, key, false},
		"revoked for another host":       {"@revoked " + line("x", key) + line(host, key), addr, key, true},
		"authority":                      {"@cert-authority " + line("*.example.com", ca), addr, cert, true},
		"authority of another host":      {"@cert-authority " + line("*.example.org", ca), addr, cert, false},
		"another authority":              {"@cert-authority " + line("*.example.com", other), addr, cert, false},
		"authority is revoked":           {"@cert-authority " + line("*", ca) + "@revoked " + line("*", ca), addr, cert, false},
		"certified key is revoked":       {"@cert-authority " + line("*", ca) + "@revoked " + line("*", key), addr, cert, false},
		"certificate for another host":   {"@cert-authority " + line("*", ca), addr, certificate(ssh.HostCert, "other"), false},
		"certificate that names no host": {"@cert-authority " + line("*", ca), addr, certificate(ssh.HostCert), true},
		"certificate of a user":          {"@cert-authority " + line("*", ca), addr, certificate(ssh.UserCert, host), false},
		"authority's key as a host's":    {"@cert-authority " + line(host, key), addr, key, false},
		"authority without its marker":   {line(host, ca), addr, cert, false},
		"unknown marker":                 {"@unknown " + line(host, key) + line("x", key), addr, key, false},
		"comments and bad lines between": {"# x\n\nnonsense\n" + line(host, key), addr, key, true},
	} {
		t.Run(name, func(t *testing.T) {
			k, err := parseKnownHosts([]byte(c.lines))
			if err != nil {
				t.Fatal(err)
			}
			err = k.check(c.addr, nil, c.key)
			if c.ok != (err == nil) {
				t.Errorf("%v", err)
			}
			if err != nil && !errors.Is(err, source.ErrHostKey) {
				t.Errorf("%v is not: %v", err, source.ErrHostKey)
			}
		})
	}
}

func TestHostKeyAlgorithmsFollowKnownHosts(t *testing.T) {
	_, key := gitserver.NewKey(t, "")
	k, err := parseKnownHosts([]byte(line("a", key) + "@cert-authority " + line("b", key)))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(k.algorithms("a:22")); got != "[ssh-ed25519]" {
		t.Error(got)
	}
	if got := fmt.Sprint(k.algorithms("b:22")); !strings.Contains(got, "ssh-ed25519-cert-v01@openssh.com") {
		t.Error(got)
	}
	if got := k.algorithms("c:22"); got != nil {
		t.Error(got)
	}
}
