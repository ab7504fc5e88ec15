package kustomize

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
)

// withoutSecrets takes out of a message of the library what it quotes from
// decrypted files: everything from the first dump of an object on, and each line
// and value of the plaintext wherever it stands.
func (s *scanner) withoutSecrets(msg string) string {
	if len(s.plaintexts) == 0 {
		return msg
	}
	if i := strings.IndexAny(msg, "{`["); i >= 0 {
		msg = msg[:i] + "… (the rest is left out: this build decrypts)"
	}
	for _, secret := range secretsIn(s.plaintexts) {
		msg = strings.ReplaceAll(msg, secret, "…")
	}
	return msg
}

// secretsIn lists the lines and the values of texts, longest first.
func secretsIn(texts [][]byte) []string {
	var out []string
	add := func(s string) {
		s = strings.Trim(s, " \t\r\"',-")
		if len(s) > 2 {
			out = append(out, s, base64.StdEncoding.EncodeToString([]byte(s)))
		}
	}
	for _, text := range texts {
		for line := range bytes.Lines(text) {
			line = bytes.TrimRight(line, "\r\n")
			add(string(line))
			if i := bytes.IndexAny(line, "=:"); i >= 0 {
				add(string(line[i+1:]))
			}
		}
	}
	slices.SortFunc(out, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(out)
}
