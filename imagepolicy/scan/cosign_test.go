package scan

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"

	"github.com/gitopskit/gitopskit/imagepolicy"
	"github.com/gitopskit/gitopskit/internal/servers"
)

func publicPEM(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func ecKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// payload is what cosign signs.
func payload(digest, kind string) string {
	return fmt.Sprintf(`{"critical":{"identity":{"docker-reference":"x"},"image":{"docker-manifest-digest":%q},"type":%q},"optional":null}`, digest, kind)
}

// signature is one layer of the manifest in which cosign keeps signatures.
func signature(t *testing.T, key crypto.Signer, text string) mutate.Addendum {
	t.Helper()
	message, opts := []byte(text), crypto.SignerOpts(crypto.Hash(0))
	if _, ed := key.(ed25519.PrivateKey); !ed {
		sum := sha256.Sum256(message)
		message, opts = sum[:], crypto.SHA256
	}
	sig, err := key.Sign(rand.Reader, message, opts)
	if err != nil {
		t.Fatal(err)
	}
	return mutate.Addendum{
		Layer:       static.NewLayer([]byte(text), simpleSigning),
		Annotations: map[string]string{signatureAnnotation: base64.StdEncoding.EncodeToString(sig)},
	}
}

func (p *pusher) sign(digest string, signatures ...mutate.Addendum) {
	p.t.Helper()
	image, err := mutate.Append(empty.Image, signatures...)
	if err != nil {
		p.t.Fatal(err)
	}
	p.push(image, strings.Replace(digest, ":", "-", 1)+".sig")
}

func TestOnlyWhatTheKeySignedIsChosen(t *testing.T) {
	t.Parallel()
	broken := atomic.Bool{}
	reg := servers.NewRegistry(t, servers.RegistryOptions{Wrap: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if broken.Load() && strings.HasSuffix(r.URL.Path, ".sig") {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			next.ServeHTTP(w, r)
		})
	}})
	p := newPusher(t, reg, "org/app", authn.Anonymous)
	ours, theirs := ecKey(t), ecKey(t)
	digests := map[string]string{}
	for n := range 6 {
		tag := fmt.Sprintf("1.%d.0", n)
		digests[tag] = p.push(p.image(time.Time{}), tag)
	}
	p.sign(digests["1.0.0"], signature(t, ours, payload(digests["1.0.0"], signatureType)))
	p.sign(digests["1.1.0"], signature(t, theirs, payload(digests["1.1.0"], signatureType)), signature(t, ours, payload(digests["1.1.0"], signatureType)))
	p.sign(digests["1.2.0"], signature(t, theirs, payload(digests["1.2.0"], signatureType)))
	p.sign(digests["1.3.0"], signature(t, ours, payload(digests["1.0.0"], signatureType)))
	p.sign(digests["1.4.0"], signature(t, ours, payload(digests["1.4.0"], "something else")))

	c := newClient(t, ClientOptions{Insecure: []string{reg.Host}})
	v, err := c.KeyVerifier(publicPEM(t, ours))
	if err != nil {
		t.Fatal(err)
	}
	i := newImage(t, c, ImageOptions{Name: reg.Host + "/org/app"})
	scanned(t, i)
	got, err := i.Choose(t.Context(), Want{Policy: semver(t, "*"), Verifier: v})
	if err != nil || got.Tag != "1.1.0" || got.Digest != digests["1.1.0"] || !strings.HasPrefix(got.Signer, "cosign key SHA256:") {
		t.Fatalf("got %+v, error %v", got, err)
	}
	for n, want := range []string{"1.5.0: .*it has no signature", "1.4.0: .*something else", "1.3.0: .*for another image", "1.2.0: .*by another key"} {
		tag, why, _ := strings.Cut(want, ": .*")
		if p := got.Passed[n]; p.Tag != tag || !errors.Is(p.Why, ErrNotSigned) || !strings.Contains(p.Why.Error(), why) {
			t.Errorf("passed %v, want %s", p, want)
		}
	}

	_, err = i.Choose(t.Context(), Want{Policy: semver(t, ">=1.2.0"), Verifier: v})
	if !errors.Is(err, imagepolicy.ErrNoTag) {
		t.Errorf("got %v", err)
	}
	_, err = i.Choose(t.Context(), Want{Policy: semver(t, "*"), Verifier: v, MaxVerified: 2})
	if !errors.Is(err, imagepolicy.ErrNoTag) {
		t.Errorf("got %v", err)
	}
	broken.Store(true)
	if got, err = i.Choose(t.Context(), Want{Policy: semver(t, "*"), Verifier: v}); err == nil || errors.Is(err, imagepolicy.ErrNoTag) {
		t.Errorf("signatures that cannot be read lead to %+v, error %v", got, err)
	}
}

func TestKindsOfKeys(t *testing.T) {
	t.Parallel()
	reg := servers.NewRegistry(t, servers.RegistryOptions{})
	p := newPusher(t, reg, "app", authn.Anonymous)
	c := newClient(t, ClientOptions{Insecure: []string{reg.Host}})
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []crypto.Signer{ecKey(t), rsaKey, edKey} {
		digest := p.push(p.image(time.Time{}), "x")
		p.sign(digest, signature(t, key, payload(digest, signatureType)))
		v, err := c.KeyVerifier(publicPEM(t, ecKey(t)), publicPEM(t, key))
		if err != nil {
			t.Fatal(err)
		}
		if signer, err := v.Verify(t.Context(), reg.Host+"/app", digest); err != nil || signer == "" {
			t.Errorf("%T: %q, error %v", key, signer, err)
		}
		other, err := c.KeyVerifier(publicPEM(t, ecKey(t)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Verify(t.Context(), reg.Host+"/app", digest); !errors.Is(err, ErrNotSigned) {
			t.Errorf("%T: another key: %v", key, err)
		}
	}
}
