package sops

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// metadata is the sops section of a file.
type metadata struct {
	ShamirThreshold         int `yaml:"shamir_threshold,omitempty"`
	keyLists                `yaml:",inline"`
	KeyGroups               []keyLists `yaml:"key_groups,omitempty"`
	LastModified            string     `yaml:"lastmodified"`
	MAC                     string     `yaml:"mac"`
	UnencryptedSuffix       string     `yaml:"unencrypted_suffix,omitempty"`
	EncryptedSuffix         string     `yaml:"encrypted_suffix,omitempty"`
	UnencryptedRegex        string     `yaml:"unencrypted_regex,omitempty"`
	EncryptedRegex          string     `yaml:"encrypted_regex,omitempty"`
	UnencryptedCommentRegex string     `yaml:"unencrypted_comment_regex,omitempty"`
	EncryptedCommentRegex   string     `yaml:"encrypted_comment_regex,omitempty"`
	MACOnlyEncrypted        bool       `yaml:"mac_only_encrypted,omitempty"`
	Version                 string     `yaml:"version"`
}

// keyLists is one group of keys, by kind.
type keyLists struct {
	KMS   []map[string]any `yaml:"kms,omitempty"`
	GCP   []map[string]any `yaml:"gcp_kms,omitempty"`
	HC    []map[string]any `yaml:"hckms,omitempty"`
	Azure []map[string]any `yaml:"azure_kv,omitempty"`
	Vault []map[string]any `yaml:"hc_vault,omitempty"`
	Age   []map[string]any `yaml:"age,omitempty"`
	PGP   []map[string]any `yaml:"pgp,omitempty"`
}

// Kinds of master keys, as SOPS names them.
const (
	KindAge   = "age"
	KindPGP   = "pgp"
	KindAWS   = "kms"
	KindGCP   = "gcp_kms"
	KindAzure = "azure_kv"
	KindVault = "hc_vault"
	KindHC    = "hckms"
)

// MasterKey is one entry of a file's metadata: a data key, or a part of one,
// encrypted for somebody.
type MasterKey struct {
	// Kind is one of the Kind constants.
	Kind string
	// Encrypted is the encrypted data key as it is written in the file.
	Encrypted string
	// Fields are the other fields of the entry: recipient (age), fp (pgp), arn,
	// role and aws_profile (kms), resource_id (gcp_kms), vault_url, name and
	// version (azure_kv), vault_address, engine_path and key_name (hc_vault).
	Fields map[string]string
	// Context is the encryption context of a kms key.
	Context map[string]string
}

// ID names the key for people.
func (k MasterKey) ID() string {
	for _, f := range []string{"recipient", "fp", "arn", "resource_id", "key_name", "name", "key_id"} {
		if v := k.Fields[f]; v != "" {
			return k.Kind + " " + v
		}
	}
	return k.Kind
}

// byKind lists the fields of l, local kinds first.
func (l *keyLists) byKind() []kindList {
	return []kindList{
		{KindAge, &l.Age}, {KindPGP, &l.PGP}, {KindVault, &l.Vault}, {KindAWS, &l.KMS},
		{KindGCP, &l.GCP}, {KindAzure, &l.Azure}, {KindHC, &l.HC},
	}
}

type kindList struct {
	kind string
	keys *[]map[string]any
}

// masterKeys lists the group's keys, local kinds first.
func (l *keyLists) masterKeys() []MasterKey {
	var out []MasterKey
	for _, list := range l.byKind() {
		for _, entry := range *list.keys {
			out = append(out, masterKey(list.kind, entry))
		}
	}
	return out
}

// add appends a key.
func (l *keyLists) add(k MasterKey) {
	entry := map[string]any{"enc": k.Encrypted}
	for name, v := range k.Fields {
		entry[name] = v
	}
	if len(k.Context) > 0 {
		entry["context"] = k.Context
	}
	for _, list := range l.byKind() {
		if list.kind == k.Kind {
			*list.keys = append(*list.keys, entry)
		}
	}
}

func masterKey(kind string, entry map[string]any) MasterKey {
	k := MasterKey{Kind: kind, Fields: map[string]string{}}
	for name, v := range entry {
		switch v := v.(type) {
		case string:
			k.Fields[name] = v
		case time.Time:
			k.Fields[name] = v.Format(time.RFC3339)
		case map[string]any:
			if name == "context" {
				k.Context = map[string]string{}
				for c, cv := range v {
					k.Context[c] = fmt.Sprint(cv)
				}
			}
		}
	}
	k.Encrypted = k.Fields["enc"]
	delete(k.Fields, "enc")
	return k
}

// groups lists the key groups; without any there is one.
func (m *metadata) groups() [][]MasterKey {
	if keys := m.masterKeys(); len(keys) > 0 || len(m.KeyGroups) == 0 {
		return [][]MasterKey{keys}
	}
	var out [][]MasterKey
	for _, g := range m.KeyGroups {
		out = append(out, g.masterKeys())
	}
	return out
}

// rules say which values are encrypted.
type rules struct {
	unencryptedSuffix, encryptedSuffix string
	unencrypted, encrypted             *regexp.Regexp
	macOnlyEncrypted                   bool
}

func (m *metadata) rules() (rules, error) {
	r := rules{unencryptedSuffix: m.UnencryptedSuffix, encryptedSuffix: m.EncryptedSuffix, macOnlyEncrypted: m.MACOnlyEncrypted}
	if m.UnencryptedCommentRegex != "" || m.EncryptedCommentRegex != "" {
		return r, fmt.Errorf("%w: rules by comment", ErrUnsupported)
	}
	given := slices.DeleteFunc([]string{m.UnencryptedSuffix, m.EncryptedSuffix, m.UnencryptedRegex, m.EncryptedRegex},
		func(s string) bool { return s == "" })
	if len(given) > 1 {
		return r, fmt.Errorf("%w: more than one rule for what is encrypted", ErrFormat)
	}
	if len(given) == 0 {
		r.unencryptedSuffix = "_unencrypted"
	}
	var err error
	for text, re := range map[string]**regexp.Regexp{m.UnencryptedRegex: &r.unencrypted, m.EncryptedRegex: &r.encrypted} {
		if text == "" {
			continue
		}
		var compileErr error
		if *re, compileErr = regexp.Compile(text); compileErr != nil {
			err = fmt.Errorf("%w: the rule's regular expression", ErrFormat)
		}
	}
	return r, err
}

// encrypts says whether the value at path is encrypted.
func (r rules) encrypts(path []string) bool {
	suffix := func(s string) bool {
		return slices.ContainsFunc(path, func(p string) bool { return strings.HasSuffix(p, s) })
	}
	switch {
	case r.encryptedSuffix != "":
		return suffix(r.encryptedSuffix)
	case r.encrypted != nil:
		return slices.ContainsFunc(path, r.encrypted.MatchString)
	case r.unencrypted != nil:
		return !slices.ContainsFunc(path, r.unencrypted.MatchString)
	}
	return !suffix(cmp.Or(r.unencryptedSuffix, "_unencrypted"))
}
