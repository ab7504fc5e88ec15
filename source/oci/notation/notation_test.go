package notation_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	notationgo "github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/registry"
	"github.com/notaryproject/notation-go/signer"
	"go.uber.org/goleak"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/gitopskit/gitopskit/internal/servers"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/oci"
	"github.com/gitopskit/gitopskit/source/oci/notation"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// identity is a certificate with the authority it comes from.
type identity struct {
	key       *ecdsa.PrivateKey
	leaf, ca  *x509.Certificate
	authority []byte
}

func newIdentity(t testing.TB, who string) identity {
	t.Helper()
	caKey, key := newKey(t), newKey(t)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: who + " authority", Organization: []string{who}, Country: []string{"DE"}, Province: []string{"BE"}},
		IsCA: true, BasicConstraintsValid: true, MaxPathLen: 1, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	ca = issue(t, ca, ca, caKey, caKey)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: who, Organization: []string{who}, Country: []string{"DE"}, Province: []string{"BE"}},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	return identity{
		key: key, leaf: issue(t, leaf, ca, key, caKey), ca: ca,
		authority: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw}),
	}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func issue(t testing.TB, tmpl, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), parentKey)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// bench is a registry with an artifact in it.
type bench struct {
	t            testing.TB
	host, digest string
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
}

// sign signs with notation's own code.
func (b *bench) sign(who identity, mediaType string) {
	b.t.Helper()
	repo, err := remote.NewRepository(b.repo())
	if err != nil {
		b.t.Fatal(err)
	}
	transport := &http.Transport{}
	b.t.Cleanup(transport.CloseIdleConnections)
	repo.PlainHTTP, repo.Client = true, &auth.Client{Client: &http.Client{Transport: transport}}
	s, err := signer.NewGenericSigner(who.key, []*x509.Certificate{who.leaf, who.ca})
	if err != nil {
		b.t.Fatal(err)
	}
	_, err = notationgo.Sign(b.t.Context(), s, registry.NewRepository(repo), notationgo.SignOptions{
		SignerSignOptions: notationgo.SignerSignOptions{SignatureMediaType: mediaType}, ArtifactReference: b.repo() + "@" + b.digest,
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

func policy(level, scope, identity string) []byte {
	return fmt.Appendf(nil, `{"version":"1.0","trustPolicies":[{"name":"x","registryScopes":[%q],"signatureVerification":{"level":%q},"trustStores":["ca:any"],"trustedIdentities":[%q]}]}`,
		scope, level, identity)
}

func (b *bench) verify(policy []byte, certificates ...[]byte) (string, error) {
	b.t.Helper()
	secret := map[string][]byte{"trustpolicy.json": policy}
	for i, c := range certificates {
		secret[fmt.Sprint(i, ".crt")] = c
	}
	opts, err := notation.FromSecret(secret)
	if err != nil {
		b.t.Fatal(err)
	}
	v, err := notation.New(opts)
	if err != nil {
		b.t.Fatal(err)
	}
	return v.Verify(b.t.Context(), b.client, b.repo(), b.digest)
}

func TestWhoSigned(t *testing.T) {
	t.Parallel()
	b, ann, bob := newBench(t), newIdentity(t, "Ann"), newIdentity(t, "Bob")
	for name, mediaType := range map[string]string{"JWS": "application/jose+json", "COSE": "application/cose"} {
		b.another(name)
		if _, err := b.verify(policy("strict", "*", "*"), ann.authority); !errors.Is(err, source.ErrVerification) || !strings.Contains(err.Error(), "nobody signed") {
			t.Errorf("%s: before: %v", name, err)
		}
		b.sign(bob, mediaType)
		b.sign(ann, mediaType)
		for which, x := range map[string]struct {
			policy []byte
			cert   []byte
			want   string
		}{
			"her authority":       {policy("strict", "*", "*"), ann.authority, "CN=Ann,"},
			"DER":                 {policy("strict", "*", "*"), ann.ca.Raw, "CN=Ann,"},
			"her name":            {policy("strict", b.repo(), "x509.subject:C=DE,ST=BE,O=Ann"), ann.authority, "CN=Ann,"},
			"another's name":      {policy("strict", "*", "x509.subject:C=DE,ST=BE,O=Eve"), ann.authority, ""},
			"another's authority": {policy("strict", "*", "*"), newIdentity(t, "Ann").authority, ""},
			"no policy for it":    {policy("strict", b.host+"/other", "*"), ann.authority, ""},
		} {
			got, err := b.verify(x.policy, x.cert)
			if x.want == "" && (got != "" || !errors.Is(err, source.ErrVerification)) || x.want != "" && (err != nil || !strings.HasPrefix(got, x.want)) {
				t.Errorf("%s, %s: %q, %v", name, which, got, err)
			}
		}
	}
}

func TestLevelsThatDoNotVerify(t *testing.T) {
	t.Parallel()
	b, ann, bob := newBench(t), newIdentity(t, "Ann"), newIdentity(t, "Bob")
	skip := []byte(`{"version":"1.0","trustPolicies":[{"name":"x","registryScopes":["*"],"signatureVerification":{"level":"skip"}}]}`)
	if got, err := b.verify(skip, ann.authority); got != "" || err != nil {
		t.Errorf("skip: %q, %v", got, err)
	}
	b.sign(bob, "application/jose+json")
	for name, authority := range map[string][]byte{"not trusted": ann.authority, "trusted": bob.authority} {
		if got, err := b.verify(policy("audit", "*", "*"), authority); got != "" || err != nil {
			t.Errorf("audit, %s: %q, %v", name, got, err)
		}
	}
}

func TestASignatureOfAnotherArtifact(t *testing.T) {
	t.Parallel()
	b, ann := newBench(t), newIdentity(t, "Ann")
	signed := b.digest
	b.sign(ann, "application/jose+json")
	b.another("second")
	attached, err := b.client.Referrers(t.Context(), b.repo(), signed)
	if err != nil || len(attached) != 1 {
		t.Fatal(attached, err)
	}
	// The signature's envelope is attached to the second artifact too.
	m, err := b.client.Manifest(t.Context(), b.repo()+"@"+attached[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := b.client.Blob(t.Context(), b.repo(), m.Layers[0].Digest, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	b.attach(envelope, m.Layers[0].MediaType)
	if got, err := b.verify(policy("strict", "*", "*"), ann.authority); got != "" || !errors.Is(err, source.ErrVerification) || strings.Contains(err.Error(), "nobody signed") {
		t.Errorf("%q, %v", got, err)
	}
}

// attach attaches an envelope to the artifact.
func (b *bench) attach(envelope []byte, mediaType string) {
	b.t.Helper()
	repo, err := remote.NewRepository(b.repo())
	if err != nil {
		b.t.Fatal(err)
	}
	transport := &http.Transport{}
	b.t.Cleanup(transport.CloseIdleConnections)
	repo.PlainHTTP, repo.Client = true, &auth.Client{Client: &http.Client{Transport: transport}}
	subject, err := repo.Resolve(b.t.Context(), b.digest)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, _, err := registry.NewRepository(repo).PushSignature(b.t.Context(), mediaType, envelope, subject, nil); err != nil {
		b.t.Fatal(err)
	}
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	ann := newIdentity(t, "Ann")
	leaf := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ann.leaf.Raw})
	for name, o := range map[string]notation.Options{
		"nothing":                           {},
		"no policy":                         {Certificates: ann.authority},
		"no certificates":                   {TrustPolicy: policy("strict", "*", "*")},
		"policy no JSON":                    {TrustPolicy: []byte("x"), Certificates: ann.authority},
		"unknown level":                     {TrustPolicy: policy("x", "*", "*"), Certificates: ann.authority},
		"certificates no PEM":               {TrustPolicy: policy("strict", "*", "*"), Certificates: []byte("x")},
		"a key":                             {TrustPolicy: policy("strict", "*", "*"), Certificates: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})},
		"neither authority nor self-signed": {TrustPolicy: policy("strict", "*", "*"), Certificates: leaf},
	} {
		_, err := notation.New(o)
		var se *source.Error
		if !errors.Is(err, source.ErrInvalid) || !errors.As(err, &se) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, secret := range map[string]map[string][]byte{
		"no policy":       {"a.crt": ann.authority},
		"no certificates": {"trustpolicy.json": policy("strict", "*", "*"), "ca.txt": ann.authority},
	} {
		if _, err := notation.FromSecret(secret); !errors.Is(err, source.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
