package sops

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	sigsyaml "sigs.k8s.io/yaml"
)

func newAge(t *testing.T) (secret string, r Recipient) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	r, err = AgeRecipient(id.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	return id.String(), r
}

func newPGP(t *testing.T) (secret []byte, r Recipient) {
	t.Helper()
	e, err := openpgp.NewEntity("tester", "", "tester@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	armored := func(kind string, write func(*bytes.Buffer) error) []byte {
		var raw, out bytes.Buffer
		if err := write(&raw); err != nil {
			t.Fatal(err)
		}
		w, err := armor.Encode(&out, kind, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(raw.Bytes()); err != nil || w.Close() != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	r, err = PGPRecipient(armored(openpgp.PublicKeyType, func(b *bytes.Buffer) error { return e.Serialize(b) }))
	if err != nil {
		t.Fatal(err)
	}
	return armored(openpgp.PrivateKeyType, func(b *bytes.Buffer) error { return e.SerializePrivate(b, nil) }), r
}

func decrypter(t *testing.T, o Options) *Decrypter {
	t.Helper()
	d, err := NewDecrypter(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var samples = map[string]struct {
	f    Format
	text string
}{
	"yaml": {YAML, `# a comment with hunter2
apiVersion: v1
kind: Secret
metadata:
    name: s
stringData:
    # about the password
    password: hunter2
    number: 12
    float: 1.5
    flag: true
    empty: ""
    nothing: null
    time: 2001-12-14T21:59:43Z
    multi: |
        line hunter2
        two
    list:
        - hunter2 # beside
        - - nested hunter2
        - key: hunter2
    plain_unencrypted: readable
`},
	"two documents": {YAML, "a: hunter2\n---\nb: hunter2\n"},
	"json":          {JSON, "{\n\t\"z\": \"hunter2\",\n\t\"a\": {\n\t\t\"n\": 1,\n\t\t\"f\": 1.5,\n\t\t\"l\": [\n\t\t\t\"hunter2\",\n\t\t\tnull,\n\t\t\ttrue\n\t\t]\n\t},\n\t\"u\": \"\U0001F600\"\n}\n"},
	"ini":           {INI, "; hunter2 comment\n[login]\n; about hunter2\nuser     = flux\npassword = hunter2\nempty    = \n\n[other]\nplain_unencrypted = readable\n"},
	"dotenv":        {Dotenv, "# hunter2 comment\nA=hunter2\nMULTI=one\\ntwo hunter2\nEMPTY=\n"},
	"binary":        {Binary, "hunter2\x00\n\ttext"},
}

func TestRoundTrip(t *testing.T) {
	ageSecret, ageTo := newAge(t)
	pgpSecret, pgpTo := newPGP(t)
	for name, tc := range samples {
		t.Run(name, func(t *testing.T) {
			enc, err := Encrypt(t.Context(), []byte(tc.text), tc.f, EncryptOptions{Recipients: []Recipient{ageTo, pgpTo}})
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(enc), "hunter2") || !IsEncrypted(enc) {
				t.Errorf("plaintext is left, or it is not encrypted:\n%s", enc)
			}
			for who, o := range map[string]Options{
				"age":             {Age: []string{ageSecret}},
				"PGP":             {PGP: [][]byte{pgpSecret}},
				"a Secret's data": {Secret: map[string][]byte{"a.agekey": []byte("# comment\n" + ageSecret), "b.asc": pgpSecret, "other": nil}},
			} {
				got, err := decrypter(t, o).Decrypt(t.Context(), enc, tc.f)
				if err != nil {
					t.Fatalf("%s: %v", who, err)
				}
				if diff := cmp.Diff(tc.text, string(got)); diff != "" {
					t.Errorf("%s: %s", who, diff)
				}
			}
		})
	}
}

func TestRules(t *testing.T) {
	secret, to := newAge(t)
	text := "data:\n    a: one\n    b_x: two\nother: three\nsub:\n    data: four\n"
	for name, tc := range map[string]struct {
		o       EncryptOptions
		clear   []string
		crypted []string
	}{
		"encrypted regex":    {EncryptOptions{EncryptedRegex: "^data$"}, []string{"three"}, []string{"one", "two", "four"}},
		"unencrypted regex":  {EncryptOptions{UnencryptedRegex: "^data$"}, []string{"one", "two", "four"}, []string{"three"}},
		"encrypted suffix":   {EncryptOptions{EncryptedSuffix: "_x"}, []string{"one", "three", "four"}, []string{"two"}},
		"unencrypted suffix": {EncryptOptions{UnencryptedSuffix: "_x"}, []string{"two"}, []string{"one", "three", "four"}},
		"MAC of encrypted":   {EncryptOptions{EncryptedRegex: "^data$", MACOnlyEncrypted: true}, []string{"three"}, []string{"one"}},
	} {
		t.Run(name, func(t *testing.T) {
			tc.o.Recipients = []Recipient{to}
			enc, err := Encrypt(t.Context(), []byte(text), YAML, tc.o)
			if err != nil {
				t.Fatal(err)
			}
			body, _, _ := strings.Cut(string(enc), "sops:\n")
			for _, s := range tc.clear {
				if !strings.Contains(body, ": "+s+"\n") {
					t.Errorf("%s is not readable", s)
				}
			}
			for _, s := range tc.crypted {
				if strings.Contains(body, ": "+s+"\n") {
					t.Errorf("%s is readable", s)
				}
			}
			d := decrypter(t, Options{Age: []string{secret}})
			got, err := d.Decrypt(t.Context(), enc, YAML)
			if err != nil || string(got) != text {
				t.Fatalf("%v\n%s", err, got)
			}
			tampered := strings.Replace(string(enc), "three", "drei", 1)
			_, err = d.Decrypt(t.Context(), []byte(tampered), YAML)
			switch {
			case tampered == string(enc):
			case tc.o.MACOnlyEncrypted && err != nil:
				t.Errorf("the MAC leaves it out, but: %v", err)
			case !tc.o.MACOnlyEncrypted && !errors.Is(err, ErrMAC):
				t.Errorf("changed clear text: %v", err)
			}
		})
	}
}

func TestKeyGroups(t *testing.T) {
	var secrets []string
	var groups [][]Recipient
	for range 3 {
		secret, to := newAge(t)
		secrets, groups = append(secrets, secret), append(groups, []Recipient{to})
	}
	enc, err := Encrypt(t.Context(), []byte("a: b\n"), YAML, EncryptOptions{Groups: groups, Threshold: 2})
	if err != nil {
		t.Fatal(err)
	}
	for _, have := range [][]string{{secrets[0], secrets[1]}, {secrets[2], secrets[0]}, secrets} {
		if got, err := decrypter(t, Options{Age: have}).Decrypt(t.Context(), enc, YAML); err != nil || string(got) != "a: b\n" {
			t.Errorf("%d keys: %q, %v", len(have), got, err)
		}
	}
	if _, err := decrypter(t, Options{Age: secrets[:1]}).Decrypt(t.Context(), enc, YAML); !errors.Is(err, ErrNoKey) {
		t.Errorf("one of two: %v", err)
	}
}

func TestShamirGivesTheSecretFromAnyParts(t *testing.T) {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	parts, err := splitSecret(secret, 5, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, pick := range [][]int{{0, 1, 2}, {4, 2, 0}, {1, 3, 4}, {0, 1, 2, 3, 4}} {
		var some [][]byte
		for _, i := range pick {
			some = append(some, parts[i])
		}
		if got, err := combineSecret(some); err != nil || !bytes.Equal(got, secret) {
			t.Errorf("%v: %v", pick, err)
		}
	}
	if got, _ := combineSecret(parts[:2]); bytes.Equal(got, secret) {
		t.Error("two parts of three are enough")
	}
	if _, err := combineSecret([][]byte{parts[0], parts[0]}); !errors.Is(err, ErrFormat) {
		t.Errorf("the same part twice: %v", err)
	}
}

func TestErrorsAreTypedAndShowNothing(t *testing.T) {
	secret, to := newAge(t)
	other, _ := newAge(t)
	at := func() time.Time { return time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC) }
	enc, err := Encrypt(t.Context(), []byte("a: hunter2\nb: hunter3\n"), YAML, EncryptOptions{Recipients: []Recipient{to}, Now: at})
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(enc), "\n")
	swapped := strings.Join(append([]string{"a" + lines[1][1:], "b" + lines[0][1:]}, lines[2:]...), "\n")
	dropped := strings.Join(append(lines[:1:1], lines[2:]...), "\n")
	good := decrypter(t, Options{Age: []string{secret}})
	for name, tc := range map[string]struct {
		d    *Decrypter
		text string
		f    Format
		want error
		says string
	}{
		"a stranger's key":        {decrypter(t, Options{Age: []string{other}}), string(enc), YAML, ErrNoKey, "encrypted for age age1"},
		"no key":                  {decrypter(t, Options{}), string(enc), YAML, ErrNoKey, "encrypted for age age1"},
		"values exchanged":        {good, swapped, YAML, ErrValue, "a: "},
		"a value dropped":         {good, dropped, YAML, ErrMAC, ""},
		"a value in clear":        {good, strings.Replace(string(enc), lines[0], "a: hunter2", 1), YAML, ErrFormat, "a: "},
		"a number in clear":       {good, strings.Replace(string(enc), lines[0], "a: 12", 1), YAML, ErrFormat, "a: "},
		"the time changed":        {good, strings.Replace(string(enc), "2024-01-02", "2025-01-02", 1), YAML, ErrMAC, ""},
		"plain":                   {good, "a: hunter2\n", YAML, ErrNotEncrypted, ""},
		"no YAML":                 {good, "a: [hunter2", YAML, ErrFormat, ""},
		"no mapping":              {good, "- hunter2", YAML, ErrFormat, ""},
		"no JSON":                 {good, "{\"a\": hunter2", JSON, ErrFormat, ""},
		"JSON and more":           {good, "{}{}", JSON, ErrFormat, ""},
		"a bad metadata":          {good, "a: b\nsops: [hunter2]\n", YAML, ErrFormat, ""},
		"two rules":               {good, string(enc) + "    encrypted_suffix: _x\n", YAML, ErrFormat, ""},
		"rules by comment":        {good, string(enc) + "    encrypted_comment_regex: x\n", YAML, ErrUnsupported, ""},
		"aliases":                 {good, "x: &x [y]\n" + string(enc), YAML, ErrFormat, "x"},
		"a dotenv line without =": {good, "hunter2\n", Dotenv, ErrFormat, ""},
		"too large":               {decrypter(t, Options{Age: []string{secret}, MaxSize: 10}), string(enc), YAML, ErrTooLarge, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := tc.d.Decrypt(t.Context(), []byte(tc.text), tc.f)
			if !errors.Is(err, tc.want) || got != nil {
				t.Fatalf("%q, %v; want %v", got, err, tc.want)
			}
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "hunter") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestBadKeysAreNamed(t *testing.T) {
	for name, o := range map[string]Options{
		"x.agekey": {Secret: map[string][]byte{"x.agekey": []byte("hunter2")}},
		"x.asc":    {Secret: map[string][]byte{"x.asc": []byte("hunter2")}},
	} {
		_, err := NewDecrypter(o)
		if !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Encrypt(t.Context(), []byte("a: b"), YAML, EncryptOptions{}); !errors.Is(err, ErrKey) {
		t.Errorf("no recipient: %v", err)
	}
	if _, err := AgeRecipient("age1x"); !errors.Is(err, ErrKey) {
		t.Errorf("recipient: %v", err)
	}
}

func TestDecryptFileFindsTheFormat(t *testing.T) {
	secret, to := newAge(t)
	d := decrypter(t, Options{Age: []string{secret}})
	for name, tc := range map[string]struct {
		f    Format
		text string
	}{
		"a.yaml": {YAML, "a: b\n"}, "a.yml": {YAML, "a: b\n"}, "a.json": {JSON, "{\n\t\"a\": \"b\"\n}\n"}, ".env": {Dotenv, "A=b\n"}, "a.ini": {INI, "[s]\nA = b\n"}, "odd.conf": {INI, "[s]\nA = b\n"},
		"id_rsa": {Binary, "key\n"}, "odd.json": {JSON, "{\n\t\"data\": \"x\",\n\t\"b\": \"y\"\n}\n"}, "noext": {YAML, "a: b\n"}, "settings": {Dotenv, "A=b\n"},
	} {
		enc, err := Encrypt(t.Context(), []byte(tc.text), tc.f, EncryptOptions{Recipients: []Recipient{to}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.DecryptFile(t.Context(), "dir/"+name, enc)
		if err != nil || string(got) != tc.text {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if plain, err := d.DecryptFile(t.Context(), name, []byte(tc.text)); err != nil || string(plain) != tc.text {
			t.Errorf("%s in clear: %q, %v", name, plain, err)
		}
	}
}

func toObject(t *testing.T, text []byte) *unstructured.Unstructured {
	t.Helper()
	asJSON, err := sigsyaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	obj := &unstructured.Unstructured{}
	if err := obj.UnmarshalJSON(asJSON); err != nil {
		t.Fatal(err)
	}
	return obj
}

func TestDecryptObject(t *testing.T) {
	secret, to := newAge(t)
	d := decrypter(t, Options{Age: []string{secret}})
	seal := func(text string, f Format, o EncryptOptions) []byte {
		o.Recipients = []Recipient{to}
		enc, err := Encrypt(t.Context(), []byte(text), f, o)
		if err != nil {
			t.Fatal(err)
		}
		return enc
	}
	const whole = "stringData:\n  z: hunter2\n  a: 1\nkind: Secret\napiVersion: v1\nmetadata:\n  name: s\n"
	in := toObject(t, seal(whole, YAML, EncryptOptions{EncryptedRegex: "^(data|stringData)$"}))
	in.SetNamespace("added-by-a-build")
	before := in.DeepCopy()
	got, err := d.DecryptObject(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	want := toObject(t, []byte(whole))
	want.SetNamespace("added-by-a-build")
	if diff := cmp.Diff(want.Object, got.Object); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(before.Object, in.Object); diff != "" {
		t.Errorf("the input changed: %s", diff)
	}

	values := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "v"},
		"data":       map[string]any{"plain": "eA==", "creds.json": b64(seal("{\"a\": \"hunter2\"}", JSON, EncryptOptions{}))},
		"stringData": map[string]any{"file": string(seal("hunter2", Binary, EncryptOptions{}))},
	}}
	got, err = d.DecryptObject(t.Context(), values)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"plain": "eA==", "creds.json": b64([]byte("{\n\t\"a\": \"hunter2\"\n}\n"))}, got.Object["data"]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]any{"file": "hunter2"}, got.Object["stringData"]); diff != "" {
		t.Error(diff)
	}

	in.SetAnnotations(map[string]string{OptOut: "disabled"})
	if got, err := d.DecryptObject(t.Context(), in); err != nil || got != in {
		t.Errorf("opted out: %v", err)
	}
	if _, err := decrypter(t, Options{}).DecryptObject(t.Context(), values); !errors.Is(err, ErrNoKey) || !strings.Contains(err.Error(), "Secret v: data.creds.json") {
		t.Errorf("got %v", err)
	}
}

func b64(b []byte) string {
	obj := map[string][]byte{"k": b}
	data, _ := sigsyaml.Marshal(obj)
	return strings.TrimSpace(strings.TrimPrefix(string(data), "k: "))
}

func TestKeySources(t *testing.T) {
	secret, to := newAge(t)
	enc, err := Encrypt(t.Context(), []byte("a: b\n"), YAML, EncryptOptions{Recipients: []Recipient{cloud{to}}})
	if err != nil {
		t.Fatal(err)
	}
	var asked []MasterKey
	source := KeySourceFunc(func(ctx context.Context, k MasterKey) ([]byte, error) {
		asked = append(asked, k)
		keys, err := parseAge(secret)
		if err != nil {
			return nil, err
		}
		k.Kind = KindAge
		return keys.OpenDataKey(ctx, k)
	})
	got, err := decrypter(t, Options{Sources: []KeySource{source}}).Decrypt(t.Context(), enc, YAML)
	if err != nil || string(got) != "a: b\n" {
		t.Fatalf("%q, %v", got, err)
	}
	if len(asked) != 1 || asked[0].Kind != KindAWS || asked[0].Fields["arn"] != "arn:aws:kms:x" || asked[0].Context["team"] != "blue" {
		t.Errorf("asked with %+v", asked)
	}
}

// cloud pretends that an age recipient is a key of AWS.
type cloud struct{ Recipient }

func (c cloud) SealDataKey(ctx context.Context, key []byte) (MasterKey, error) {
	k, err := c.Recipient.SealDataKey(ctx, key)
	k.Kind, k.Fields, k.Context = KindAWS, map[string]string{"arn": "arn:aws:kms:x"}, map[string]string{"team": "blue"}
	return k, err
}

func TestFingerprintsTellKeysApart(t *testing.T) {
	a, _ := newAge(t)
	b, _ := newAge(t)
	fa, fb := decrypter(t, Options{Age: []string{a}}).Fingerprint(), decrypter(t, Options{Age: []string{b}}).Fingerprint()
	if fa == fb || fa != decrypter(t, Options{Age: []string{a}}).Fingerprint() || strings.Contains(fa, a) {
		t.Error("fingerprints do not tell keys apart")
	}
}

func TestVerifyFile(t *testing.T) {
	secret, to := newAge(t)
	d := decrypter(t, Options{Age: []string{secret}})
	seal := func(text string) string {
		enc, err := Encrypt(t.Context(), []byte(text), YAML, EncryptOptions{Recipients: []Recipient{to}, EncryptedRegex: "^data$"})
		if err != nil {
			t.Fatal(err)
		}
		return string(enc)
	}
	one, two := seal("data: hunter2\nkind: A\n---\ndata: hunter3\nkind: B\n"), seal("data: hunter4\nkind: C\n")
	for name, tc := range map[string]struct {
		text string
		want error
	}{
		"two documents":                 {one, nil},
		"an encryption beside another":  {one + "---\n" + two, nil},
		"encrypted beside clear":        {two + "---\nkind: D\n", nil},
		"clear":                         {"kind: D\n", nil},
		"a clear value changed":         {strings.Replace(one, "kind: B", "kind: X", 1), ErrMAC},
		"a value changed in the second": {one + "---\n" + strings.Replace(two, "kind: C", "kind: X", 1), ErrMAC},
	} {
		if err := d.VerifyFile(t.Context(), "f.yaml", []byte(tc.text)); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
}

func FuzzDecrypt(f *testing.F) {
	for _, s := range samples {
		f.Add([]byte(s.text), int(s.f))
	}
	f.Add([]byte("a: ENC[AES256_GCM,data:,iv:,tag:,type:str]\nsops:\n  mac: x\n  lastmodified: y\n  age: [{enc: x}]\n"), int(YAML))
	f.Add([]byte("[a]\nb = c\n[sops]\nmac = x\nage__list_0__map_enc = y\n"), int(INI))
	f.Add([]byte("sops_mac=x\nsops_age__list_0__map_enc=y\n"), int(Dotenv))
	d, err := NewDecrypter(Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte, format int) {
		if _, err := d.Decrypt(t.Context(), data, Format(format&3)); err == nil {
			t.Fatalf("decrypted without a key: %q", data)
		}
	})
}
