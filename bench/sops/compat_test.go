// Package sops proves that package render/sops and SOPS itself read what the
// other wrote. It is a test only, in a module of its own: SOPS brings the SDKs of
// clouds.
package sops

import (
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	upstream "github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	upstreamage "github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/cmd/sops/formats"
	"github.com/getsops/sops/v3/config"
	"github.com/getsops/sops/v3/decrypt"
	"github.com/getsops/sops/v3/stores/dotenv"
	"github.com/getsops/sops/v3/stores/ini"
	"github.com/getsops/sops/v3/stores/json"
	"github.com/getsops/sops/v3/stores/yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/gitopskit/gitopskit/render/sops"
)

var files = map[string]struct {
	f     sops.Format
	store upstream.Store
	text  string
}{
	"yaml": {sops.YAML, yaml.NewStore(&config.YAMLStoreConfig{}), `# a comment
apiVersion: v1
kind: Secret
metadata:
    name: s
stringData:
    # about it
    password: hunter2
    number: 12
    float: 1.5
    flag: true
    empty: ""
    nothing: null
    time: 2001-12-14T21:59:43Z
    multi: |
        one
        two
    list:
        - a # beside
        - - nested
        - key: value
    plain_unencrypted: readable
`},
	"documents": {sops.YAML, yaml.NewStore(&config.YAMLStoreConfig{}), "a: one\n---\nb: two\n"},
	"json":      {sops.JSON, json.NewStore(&config.JSONStoreConfig{Indent: -1}), "{\n\t\"z\": \"one\",\n\t\"a\": {\n\t\t\"n\": 1,\n\t\t\"f\": 1.5,\n\t\t\"l\": [\n\t\t\t\"x\",\n\t\t\tnull,\n\t\t\ttrue\n\t\t]\n\t}\n}\n"},
	"dotenv":    {sops.Dotenv, dotenv.NewStore(&config.DotenvStoreConfig{}), "# comment\nA=one\nMULTI=one\\ntwo\nEMPTY=\n"},
	"ini":       {sops.INI, ini.NewStore(&config.INIStoreConfig{}), "top = 1\n\n; a comment\n; of two lines\n[login]\n; about it\nuser              = flux\npassword          = hunter2\nmulti             = \"\"\"one\ntwo\"\"\"\nempty             = \nplain_unencrypted = readable\n\n[login]\nagain = a section twice\n\n[empty]\n"},
	"binary":    {sops.Binary, json.NewBinaryStore(&config.JSONBinaryStoreConfig{Indent: -1}), "any\x00\n\ttext"},
}

func format(name string) formats.Format {
	if name == "documents" {
		name = "yaml"
	}
	return formats.FormatFromString(name)
}

func TestSOPSReadsWhatWeWrote(t *testing.T) {
	id := identity(t)
	to, err := sops.AgeRecipient(id.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOPS_AGE_KEY", id.String())
	for name, tc := range files {
		t.Run(name, func(t *testing.T) {
			for rule, o := range map[string]sops.EncryptOptions{
				"default": {}, "regex": {EncryptedRegex: "^(stringData|a)$"}, "MAC of encrypted": {EncryptedRegex: "^(stringData|a)$", MACOnlyEncrypted: true},
				"groups": {Groups: [][]sops.Recipient{{to}, {to}}},
			} {
				if o.Groups == nil {
					o.Recipients = []sops.Recipient{to}
				}
				if name == "binary" && o.EncryptedRegex != "" {
					continue
				}
				enc, err := sops.Encrypt(t.Context(), []byte(tc.text), tc.f, o)
				if err != nil {
					t.Fatal(err)
				}
				got, err := decrypt.DataWithFormat(enc, format(name))
				if err != nil {
					t.Fatalf("%s: %v\n%s", rule, err, enc)
				}
				if diff := cmp.Diff(normal(tc.text), string(got)); diff != "" {
					t.Errorf("%s: %s", rule, diff)
				}
			}
		})
	}
}

func TestWeReadWhatSOPSWrote(t *testing.T) {
	id := identity(t)
	d, err := sops.NewDecrypter(sops.Options{Age: []string{id.String()}})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range files {
		t.Run(name, func(t *testing.T) {
			for _, groups := range []int{1, 3} {
				enc := upstreamEncrypt(t, tc.store, tc.text, id.Recipient().String(), groups)
				got, err := d.Decrypt(t.Context(), enc, tc.f)
				if err != nil {
					t.Fatalf("%v\n%s", err, enc)
				}
				if diff := cmp.Diff(normal(tc.text), string(got)); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// normal is how SOPS itself writes a text back: a comment beside an item of a list
// goes above it.
func normal(text string) string {
	return strings.Replace(text, "        - a # beside\n", "        # beside\n        - a\n", 1)
}

func identity(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func upstreamEncrypt(t *testing.T, store upstream.Store, text, recipient string, groups int) []byte {
	t.Helper()
	branches, err := store.LoadPlainFile([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	tree := upstream.Tree{Branches: branches, Metadata: upstream.Metadata{
		UnencryptedSuffix: "_unencrypted", Version: "3.13.3", LastModified: time.Now().UTC(),
	}}
	if groups > 1 {
		tree.Metadata.ShamirThreshold = groups - 1
	}
	for range groups {
		keys, err := upstreamage.MasterKeysFromRecipients(recipient)
		if err != nil {
			t.Fatal(err)
		}
		var group upstream.KeyGroup
		for _, k := range keys {
			group = append(group, k)
		}
		tree.Metadata.KeyGroups = append(tree.Metadata.KeyGroups, group)
	}
	key, errs := tree.GenerateDataKey()
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	cipher := aes.NewCipher()
	mac, err := tree.Encrypt(key, cipher)
	if err != nil {
		t.Fatal(err)
	}
	tree.Metadata.MessageAuthenticationCode, err = cipher.Encrypt(mac, key, tree.Metadata.LastModified.Format(time.RFC3339))
	if err != nil {
		t.Fatal(err)
	}
	enc, err := store.EmitEncryptedFile(tree)
	if err != nil {
		t.Fatal(err)
	}
	return enc
}
