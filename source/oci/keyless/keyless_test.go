package keyless_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

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
	"github.com/gitopskit/gitopskit/source/oci/internal/signatures"
	"github.com/gitopskit/gitopskit/source/oci/keyless"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	issuer  = "https://token.actions.test"
	subject = "https://github.test/org/app/.github/workflows/release.yml@refs/tags/v1"
)

// bench is a registry with an artifact in it.
type bench struct {
	t            testing.TB
	host, digest string
	size         int64
	client       *oci.Client
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{t: t, host: servers.NewRegistry(t, servers.RegistryOptions{}).Host}
	var err error
	if b.client, err = oci.NewClient(oci.ClientOptions{Insecure: []string{b.host}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.client.Close() })
	b.another("first")
	return b
}

func (b *bench) repo() string { return b.host + "/org/app" }

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

func (b *bench) payload() []byte {
	return fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":""},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, b.digest)
}

func (b *bench) image(content []byte, mediaType string, annotations map[string]string) v1.Image {
	b.t.Helper()
	img, err := mutate.Append(mutate.MediaType(empty.Image, types.OCIManifestSchema1),
		mutate.Addendum{Layer: static.NewLayer(content, types.MediaType(mediaType)), Annotations: annotations})
	if err != nil {
		b.t.Fatal(err)
	}
	return img
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

// note attaches a signature in cosign's own format.
func (b *bench) note(payload []byte, annotations map[string]string) {
	b.t.Helper()
	b.write(b.repo()+":"+strings.Replace(b.digest, ":", "-", 1)+".sig", b.image(payload, signatures.MediaTypePayload, annotations))
}

// attach attaches a bundle.
func (b *bench) attach(bundle []byte) {
	b.t.Helper()
	h, err := v1.NewHash(b.digest)
	if err != nil {
		b.t.Fatal(err)
	}
	img := mutate.ConfigMediaType(b.image(bundle, signatures.MediaTypeBundle, nil), signatures.MediaTypeBundle)
	img = mutate.Subject(img, v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: h, Size: b.size}).(v1.Image)
	d, err := img.Digest()
	if err != nil {
		b.t.Fatal(err)
	}
	b.write(b.repo()+"@"+d.String(), img)
}

func (b *bench) verify(opts keyless.Options) (string, error) {
	b.t.Helper()
	v, err := keyless.New(opts)
	if err != nil {
		b.t.Fatal(err)
	}
	return v.Verify(b.t.Context(), b.client, b.repo(), b.digest)
}

var anybody = keyless.Identity{IssuerPattern: ".*", SubjectPattern: ".*"}

func TestWhoSigned(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newSigstore(t)
	who := s.login(issuer, subject, true)
	for format, sign := range map[string]func(){
		"cosign": func() { b.note(b.payload(), s.annotations(who, b.payload(), time.Now())) },
		"bundle": func() { b.attach(s.bundle(who, b.digest, signatures.PredicateSign)) },
	} {
		b.another(format)
		if _, err := b.verify(keyless.Options{Identities: []keyless.Identity{anybody}, TrustedRoot: s.trustedRoot()}); !errors.Is(err, source.ErrVerification) {
			t.Errorf("%s: before: %v", format, err)
		}
		sign()
		for name, x := range map[string]struct {
			id keyless.Identity
			ok bool
		}{
			"exact":         {keyless.Identity{Issuer: issuer, Subject: subject}, true},
			"patterns":      {keyless.Identity{IssuerPattern: `^https://token\.`, SubjectPattern: `^https://github\.test/org/app/`}, true},
			"other issuer":  {keyless.Identity{Issuer: "https://other.test", Subject: subject}, false},
			"other subject": {keyless.Identity{Issuer: issuer, Subject: subject + "x"}, false},
			"other pattern": {keyless.Identity{Issuer: issuer, SubjectPattern: `^github\.test`}, false},
		} {
			got, err := b.verify(keyless.Options{Identities: []keyless.Identity{{Issuer: "https://x.test", Subject: "x"}, x.id}, TrustedRoot: s.trustedRoot()})
			if x.ok && (err != nil || got != subject+" of "+issuer) || !x.ok && (got != "" || !errors.Is(err, source.ErrVerification)) {
				t.Errorf("%s, %s: %q, %v", format, name, got, err)
			}
		}
		if got, err := b.verify(keyless.Options{Identities: []keyless.Identity{anybody}, TrustedRoot: newSigstore(t).trustedRoot()}); got != "" || !errors.Is(err, source.ErrVerification) {
			t.Errorf("%s: another Sigstore: %q, %v", format, got, err)
		}
	}
}

func TestWhatIsNotAccepted(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newSigstore(t)
	who, unlogged, other := s.login(issuer, subject, true), s.login(issuer, subject, false), newSigstore(t)
	without := func(key string) func() {
		return func() {
			a := s.annotations(who, b.payload(), time.Now())
			delete(a, key)
			b.note(b.payload(), a)
		}
	}
	digest := "sha256:" + strings.Repeat("a", 64)
	for name, sign := range map[string]func(){
		"certificate not logged":      func() { b.note(b.payload(), s.annotations(unlogged, b.payload(), time.Now())) },
		"after the certificate's end": func() { b.note(b.payload(), s.annotations(who, b.payload(), time.Now().Add(20*time.Minute))) },
		"no certificate":              without(signatures.AnnotationCert),
		"not in the transparency log": without(signatures.AnnotationLog),
		"in another log":              func() { b.note(b.payload(), other.annotations(who, b.payload(), time.Now())) },
		"payload changed":             func() { b.note(append(b.payload(), ' '), s.annotations(who, b.payload(), time.Now())) },
		"payload of another": func() {
			p := fmt.Appendf(nil, `{"critical":{"type":"cosign container image signature","image":{"docker-manifest-digest":%q}}}`, digest)
			b.note(p, s.annotations(who, p, time.Now()))
		},
		"log entry of another signature": func() {
			a := s.annotations(who, b.payload(), time.Now())
			a[signatures.AnnotationLog] = s.annotations(who, []byte("x"), time.Now())[signatures.AnnotationLog]
			b.note(b.payload(), a)
		},
		"log entry no JSON": func() {
			a := s.annotations(who, b.payload(), time.Now())
			a[signatures.AnnotationLog] = "x"
			b.note(b.payload(), a)
		},
		"timestamp no JSON": func() {
			a := s.annotations(who, b.payload(), time.Now())
			a[signatures.AnnotationTimestamp] = "x"
			b.note(b.payload(), a)
		},
		"bundle of another": func() { b.attach(s.bundle(who, digest, signatures.PredicateSign)) },
		"attestation":       func() { b.attach(s.bundle(who, b.digest, "https://slsa.dev/provenance/v1")) },
		"bundle no JSON":    func() { b.attach([]byte("x")) },
		"bundle of no log": func() {
			b.attach([]byte(strings.Replace(string(s.bundle(who, b.digest, signatures.PredicateSign)), `"logIndex":"7"`, `"logIndex":"8"`, 1)))
		},
	} {
		b.another(name)
		sign()
		if got, err := b.verify(keyless.Options{Identities: []keyless.Identity{anybody}, TrustedRoot: s.trustedRoot()}); got != "" || !errors.Is(err, source.ErrVerification) || strings.Contains(err.Error(), "nobody signed") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]keyless.Options{
		"nobody":         {},
		"no issuer":      {Identities: []keyless.Identity{{Subject: "x"}}},
		"no subject":     {Identities: []keyless.Identity{{Issuer: "x"}}},
		"both":           {Identities: []keyless.Identity{{Issuer: "x", IssuerPattern: "x", Subject: "x"}}},
		"no pattern":     {Identities: []keyless.Identity{{Issuer: "x", SubjectPattern: "("}}},
		"no root":        {Identities: []keyless.Identity{anybody}, TrustedRoot: []byte("x")},
		"half a mirror":  {Identities: []keyless.Identity{anybody}, TUFMirror: "https://tuf.test"},
		"one is nothing": {Identities: []keyless.Identity{anybody, {}}},
	} {
		_, err := keyless.New(o)
		var se *source.Error
		if !errors.Is(err, source.ErrInvalid) || !errors.As(err, &se) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := keyless.New(keyless.Options{Identities: []keyless.Identity{anybody}}); err != nil {
		t.Errorf("the public Sigstore: %v", err)
	}
}
