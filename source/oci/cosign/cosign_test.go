package cosign_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"go.uber.org/goleak"

	"github.com/gitopskit/gitopskit/internal/servers"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/oci"
	"github.com/gitopskit/gitopskit/source/oci/cosign"
	"github.com/gitopskit/gitopskit/source/oci/internal/signatures"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair is a key pair that signs as cosign does.
type pair struct {
	private crypto.Signer
	public  cosign.Key
	hash    crypto.Hash
}

func newPair(t testing.TB, private crypto.Signer, hash crypto.Hash) pair {
	t.Helper()
	keys, err := cosign.ParseKeys(pemOf(t, private.Public()))
	if err != nil {
		t.Fatal(err)
	}
	return pair{private, keys[0], hash}
}

func pemOf(t testing.TB, public crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func ecPair(t testing.TB) pair {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return newPair(t, k, crypto.SHA256)
}

func (p pair) sign(t testing.TB, message []byte) []byte {
	t.Helper()
	switch p.hash {
	case crypto.SHA256:
		sum := sha256.Sum256(message)
		message = sum[:]
	case crypto.SHA384:
		sum := sha512.Sum384(message)
		message = sum[:]
	}
	sig, err := p.private.Sign(rand.Reader, message, p.hash)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// bench is a registry with an artifact in it.
type bench struct {
	t      testing.TB
	host   string
	client *oci.Client
	digest string
	size   int64
}

func newBench(t testing.TB) *bench {
	t.Helper()
	reg := servers.NewRegistry(t, servers.RegistryOptions{})
	c, err := oci.NewClient(oci.ClientOptions{Insecure: []string{reg.Host}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	b := &bench{t: t, host: reg.Host, client: c}
	b.another("first")
	return b
}

// another makes a new artifact the one to sign.
func (b *bench) another(content string) {
	b.t.Helper()
	a, err := source.FromFS(fstest.MapFS{"a.yaml": {Data: []byte(content)}}, "r", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	if b.digest, err = b.client.Push(b.t.Context(), b.repo()+":latest", a, oci.PushOptions{}); err != nil {
		b.t.Fatal(err)
	}
	m, err := b.client.Manifest(b.t.Context(), b.repo()+"@"+b.digest)
	if err != nil {
		b.t.Fatal(err)
	}
	b.size = m.Size
}

func (b *bench) repo() string { return b.host + "/org/app" }

func (b *bench) payload() []byte { return payload(b.digest, "cosign container image signature") }

func payload(digest, kind string) []byte {
	return fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":""},"image":{"docker-manifest-digest":%q},"type":%q},"optional":null}`, digest, kind)
}

// layer is one signature in a manifest of signatures.
type layer struct{ payload, signature []byte }

// push attaches layers under cosign's tag, or as a referrer.
func (b *bench) push(referrer bool, layers ...layer) {
	b.t.Helper()
	img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	for _, l := range layers {
		img = b.appendTo(img, l.payload, signatures.MediaTypePayload, map[string]string{
			signatures.AnnotationSignature: base64.StdEncoding.EncodeToString(l.signature),
		})
	}
	if referrer {
		b.attach(mutate.ConfigMediaType(img, signatures.ArtifactTypePayload))
		return
	}
	b.write(b.repo()+":"+strings.Replace(b.digest, ":", "-", 1)+".sig", img)
}

func (b *bench) appendTo(img v1.Image, content []byte, mediaType string, annotations map[string]string) v1.Image {
	b.t.Helper()
	img, err := mutate.Append(img, mutate.Addendum{Layer: static.NewLayer(content, types.MediaType(mediaType)), Annotations: annotations})
	if err != nil {
		b.t.Fatal(err)
	}
	return img
}

func (b *bench) attach(img v1.Image) {
	b.t.Helper()
	h, err := v1.NewHash(b.digest)
	if err != nil {
		b.t.Fatal(err)
	}
	img = mutate.Subject(img, v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: h, Size: b.size}).(v1.Image)
	d, err := img.Digest()
	if err != nil {
		b.t.Fatal(err)
	}
	b.write(b.repo()+"@"+d.String(), img)
}

func (b *bench) write(ref string, img v1.Image) {
	b.t.Helper()
	r, err := name.ParseReference(ref, name.Insecure)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := remote.Write(r, img); err != nil {
		b.t.Fatal(err)
	}
}

// bundle attaches a Sigstore bundle with a statement about the digest.
func (b *bench) bundle(p pair, digest, predicate string, change func(map[string]any)) {
	b.t.Helper()
	statement := fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":%q}}],"predicateType":%q,"predicate":{}}`,
		strings.TrimPrefix(digest, "sha256:"), predicate)
	pae := fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(signatures.PayloadTypeStatement), signatures.PayloadTypeStatement, len(statement), statement)
	envelope := map[string]any{
		"payload": statement, "payloadType": signatures.PayloadTypeStatement,
		"signatures": []any{map[string]any{"sig": p.sign(b.t, pae)}},
	}
	if change != nil {
		change(envelope)
	}
	data, err := json.Marshal(map[string]any{
		"mediaType": signatures.MediaTypeBundle, "verificationMaterial": map[string]any{"publicKey": map[string]any{"hint": "x"}}, "dsseEnvelope": envelope,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), signatures.MediaTypeBundle)
	b.attach(b.appendTo(img, data, signatures.MediaTypeBundle, nil))
}

func (b *bench) verify(keys ...cosign.Key) (string, error) {
	b.t.Helper()
	v, err := cosign.New(cosign.Options{Keys: keys})
	if err != nil {
		b.t.Fatal(err)
	}
	return v.Verify(b.t.Context(), b.client, b.repo(), b.digest)
}

func TestSignaturesAreFoundWhereCosignPutsThem(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := ecPair(t)
	for where, sign := range map[string]func(){
		"under the tag": func() { b.push(false, layer{b.payload(), p.sign(t, b.payload())}) },
		"as a referrer": func() { b.push(true, layer{b.payload(), p.sign(t, b.payload())}) },
		"as a bundle":   func() { b.bundle(p, b.digest, signatures.PredicateSign, nil) },
		"after one of others": func() {
			b.push(false, layer{b.payload(), ecPair(t).sign(t, b.payload())}, layer{b.payload(), p.sign(t, b.payload())})
		},
	} {
		b.another(where)
		if _, err := b.verify(p.public); !errors.Is(err, source.ErrVerification) || !strings.Contains(err.Error(), "nobody signed") {
			t.Errorf("%s: before: %v", where, err)
		}
		sign()
		got, err := b.verify(ecPair(t).public, p.public)
		if err != nil || got != "cosign key "+p.public.String() {
			t.Errorf("%s: %q, %v", where, got, err)
		}
		if got, err := b.verify(ecPair(t).public); !errors.Is(err, source.ErrVerification) || got != "" {
			t.Errorf("%s: another key: %q, %v", where, got, err)
		}
	}
}

func TestWhatIsNoSignatureOfTheArtifact(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := ecPair(t)
	other := "sha256:" + strings.Repeat("a", 64)
	for name, x := range map[string]struct {
		sign func()
		says string
	}{
		"of another artifact": {func() {
			b.push(false, layer{payload(other, "cosign container image signature"), p.sign(t, payload(other, "cosign container image signature"))})
		}, other},
		"of another kind":   {func() { b.push(false, layer{payload(b.digest, "other"), p.sign(t, payload(b.digest, "other"))}) }, `"other"`},
		"payload changed":   {func() { b.push(false, layer{append(b.payload(), ' '), p.sign(t, b.payload())}) }, "changed"},
		"no JSON":           {func() { b.push(false, layer{[]byte("x"), p.sign(t, []byte("x"))}) }, "no JSON"},
		"empty signature":   {func() { b.push(false, layer{b.payload(), nil}) }, "nobody signed"},
		"bundle of another": {func() { b.bundle(p, other, signatures.PredicateSign, nil) }, "other digests"},
		"attestation":       {func() { b.bundle(p, b.digest, "https://slsa.dev/provenance/v1", nil) }, "slsa.dev"},
		"bundle changed": {func() {
			b.bundle(p, b.digest, signatures.PredicateSign, func(e map[string]any) { e["payload"] = append(e["payload"].([]byte), ' ') })
		}, "changed"},
		"other payload type": {func() {
			b.bundle(p, b.digest, signatures.PredicateSign, func(e map[string]any) { e["payloadType"] = "text/plain" })
		}, "no signed statement"},
		"two signatures": {func() {
			b.bundle(p, b.digest, signatures.PredicateSign, func(e map[string]any) {
				e["signatures"] = append(e["signatures"].([]any), map[string]any{"sig": []byte("x")})
			})
		}, "2 signatures"},
	} {
		b.another(name)
		x.sign()
		got, err := b.verify(p.public)
		if got != "" || !errors.Is(err, source.ErrVerification) || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestManySignaturesAreNotAllTried(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var many []layer
	for range 101 {
		many = append(many, layer{b.payload(), []byte("x")})
	}
	b.push(false, many...)
	if _, err := b.verify(ecPair(t).public); !errors.Is(err, source.ErrVerification) || !strings.Contains(err.Error(), "more than 100") {
		t.Error(err)
	}
}

func TestALargePayloadIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := ecPair(t)
	large := append(b.payload(), strings.Repeat(" ", 1<<20)...)
	b.push(false, layer{large, p.sign(t, large)})
	if _, err := b.verify(p.public); !errors.Is(err, source.ErrTooLarge) {
		t.Error(err)
	}
}

func TestAVerifiedArtifactNamesItsSigner(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := ecPair(t)
	v, err := cosign.New(cosign.Options{Keys: []cosign.Key{p.public}})
	if err != nil {
		t.Fatal(err)
	}
	cache, err := oci.OpenCache(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s, err := oci.New(oci.Options{URL: "oci://" + b.repo(), Client: b.client, Cache: cache, Verifier: v})
	if err != nil {
		t.Fatal(err)
	}
	rev, err := s.Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Fetch(t.Context(), rev); !errors.Is(err, source.ErrVerification) {
		t.Fatal(err)
	}
	// The same revision is verified again, and passes once it is signed.
	b.push(false, layer{b.payload(), p.sign(t, b.payload())})
	a, err := s.Fetch(t.Context(), rev)
	if err != nil || a.Metadata()[oci.MetadataSigner] != "cosign key "+p.public.String() {
		t.Errorf("%v, %v", a, err)
	}
}

func TestKeysOfAllKinds(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]pair{
		"RSA":               newPair(t, rsaKey, crypto.SHA256),
		"Ed25519":           newPair(t, edKey, 0),
		"P-384 and SHA-256": newPair(t, p384, crypto.SHA256),
		"P-384 and SHA-384": newPair(t, p384, crypto.SHA384),
	} {
		b.another(name)
		b.push(false, layer{b.payload(), p.sign(t, b.payload())})
		if _, err := b.verify(p.public); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := b.verify(cosign.Key{}); !errors.Is(err, source.ErrVerification) {
			t.Errorf("%s: the zero key: %v", name, err)
		}
	}
}

func TestKeysFromSecret(t *testing.T) {
	t.Parallel()
	a, b := ecPair(t), ecPair(t)
	keys, err := cosign.KeysFromSecret(map[string][]byte{
		"b.pub": pemOf(t, b.private.Public()), "a.pub": pemOf(t, a.private.Public()), "cosign.key": []byte("private"),
	})
	if err != nil || len(keys) != 2 || keys[0].String() != a.public.String() || keys[1].String() != b.public.String() {
		t.Errorf("%v, %v", keys, err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]map[string][]byte{
		"no *.pub":    {"cosign.key": []byte("x")},
		"nothing":     nil,
		"no PEM":      {"a.pub": []byte("x")},
		"private key": {"a.pub": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})},
		"weak RSA":    {"a.pub": pemOf(t, weak.Public())},
	} {
		keys, err := cosign.KeysFromSecret(data)
		var se *source.Error
		if len(keys) != 0 || !errors.Is(err, source.ErrInvalid) || !errors.As(err, &se) {
			t.Errorf("%s: %v, %v", name, keys, err)
		}
	}
	if _, err := cosign.New(cosign.Options{}); !errors.Is(err, source.ErrInvalid) {
		t.Errorf("no keys: %v", err)
	}
}
