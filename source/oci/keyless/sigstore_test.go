package keyless_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/url"
	"testing"
	"time"

	"github.com/gitopskit/gitopskit/source/oci/internal/signatures"
)

// sigstore is an authority, a certificate log and a transparency log, which
// make what Fulcio, its log and Rekor make.
type sigstore struct {
	t              testing.TB
	ca             *x509.Certificate
	caKey, ct, log *ecdsa.PrivateKey
}

func newSigstore(t testing.TB) *sigstore {
	t.Helper()
	s := &sigstore{t: t, caKey: newKey(t), ct: newKey(t), log: newKey(t)}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	s.ca = s.certificate(tmpl, tmpl, s.caKey.Public())
	return s
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (s *sigstore) certificate(tmpl, parent *x509.Certificate, public crypto.PublicKey) *x509.Certificate {
	s.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, public, s.caKey)
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *sigstore) sign(k *ecdsa.PrivateKey, message []byte) []byte {
	s.t.Helper()
	sum := sha256.Sum256(message)
	sig, err := ecdsa.SignASN1(rand.Reader, k, sum[:])
	if err != nil {
		s.t.Fatal(err)
	}
	return sig
}

func (s *sigstore) der(public crypto.PublicKey) []byte {
	s.t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		s.t.Fatal(err)
	}
	return der
}

func (s *sigstore) id(k *ecdsa.PrivateKey) [32]byte { return sha256.Sum256(s.der(k.Public())) }

var (
	oidIssuer = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 1}
	oidSCTs   = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}
)

// signer is somebody with a certificate.
type signer struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func (s signer) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.cert.Raw}))
}

// login gives a certificate for ten minutes, noted in the certificate log unless
// logged is false.
func (s *sigstore) login(issuer, subject string, logged bool) signer {
	s.t.Helper()
	who := signer{key: newKey(s.t)}
	san, err := url.Parse(subject)
	if err != nil {
		s.t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(2), URIs: []*url.URL{san}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		NotBefore:   time.Now().Add(-time.Minute), NotAfter: time.Now().Add(9 * time.Minute),
		ExtraExtensions: []pkix.Extension{{Id: oidIssuer, Value: []byte(issuer)}},
	}
	who.cert = s.certificate(tmpl, s.ca, who.key.Public())
	if logged {
		tmpl.ExtraExtensions = append(tmpl.ExtraExtensions, pkix.Extension{Id: oidSCTs, Value: s.sct(who.cert)})
		who.cert = s.certificate(tmpl, s.ca, who.key.Public())
	}
	return who
}

// sct is the extension with the certificate log's promise (RFC 6962, 3.2 and 3.3).
func (s *sigstore) sct(c *x509.Certificate) []byte {
	s.t.Helper()
	issuer := sha256.Sum256(s.ca.RawSubjectPublicKeyInfo)
	now := binary.BigEndian.AppendUint64(nil, uint64(time.Now().UnixMilli()))
	signed := append([]byte{0, 0}, now...)
	signed = append(append(signed, 0, 1), issuer[:]...)
	n := len(c.RawTBSCertificate)
	signed = append(append(signed, byte(n>>16), byte(n>>8), byte(n)), c.RawTBSCertificate...)
	sig := s.sign(s.ct, append(signed, 0, 0))
	id := s.id(s.ct)
	sct := append(append(append([]byte{0}, id[:]...), now...), 0, 0, 4, 3)
	sct = append(binary.BigEndian.AppendUint16(sct, uint16(len(sig))), sig...)
	list := append(binary.BigEndian.AppendUint16(nil, uint16(len(sct)+2)), binary.BigEndian.AppendUint16(nil, uint16(len(sct)))...)
	value, err := asn1.Marshal(append(list, sct...))
	if err != nil {
		s.t.Fatal(err)
	}
	return value
}

// promise signs that an entry is in the log (Rekor's signed entry timestamp).
func (s *sigstore) promise(body []byte, at time.Time) []byte {
	id := s.id(s.log)
	return s.sign(s.log, fmt.Appendf(nil, `{"body":%q,"integratedTime":%d,"logID":%q,"logIndex":7}`,
		base64.StdEncoding.EncodeToString(body), at.Unix(), hex.EncodeToString(id[:])))
}

// annotations are those of a signature in cosign's own format.
func (s *sigstore) annotations(who signer, payload []byte, at time.Time) map[string]string {
	s.t.Helper()
	sig, sum := s.sign(who.key, payload), sha256.Sum256(payload)
	body := s.json(map[string]any{"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": map[string]any{
		"data":      map[string]any{"hash": map[string]any{"algorithm": "sha256", "value": hex.EncodeToString(sum[:])}},
		"signature": map[string]any{"content": sig, "publicKey": map[string]any{"content": []byte(who.pem())}},
	}})
	id := s.id(s.log)
	entry := s.json(map[string]any{"SignedEntryTimestamp": s.promise(body, at), "Payload": map[string]any{
		"body": body, "integratedTime": at.Unix(), "logIndex": 7, "logID": hex.EncodeToString(id[:]),
	}})
	return map[string]string{
		signatures.AnnotationSignature: base64.StdEncoding.EncodeToString(sig),
		signatures.AnnotationCert:      who.pem(), signatures.AnnotationLog: string(entry),
	}
}

// bundle is a signed statement with proof of its inclusion in the log.
func (s *sigstore) bundle(who signer, digest, predicate string) []byte {
	s.t.Helper()
	statement := s.json(map[string]any{
		"_type": "https://in-toto.io/Statement/v1", "predicateType": predicate, "predicate": map[string]any{},
		"subject": []any{map[string]any{"name": "x", "digest": map[string]any{"sha256": digest[len("sha256:"):]}}},
	})
	const kind = signatures.PayloadTypeStatement
	sig := s.sign(who.key, fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(kind), kind, len(statement), statement))
	envelope := map[string]any{"payload": statement, "payloadType": kind, "signatures": []any{map[string]any{"sig": sig}}}
	whole, inner := sha256.Sum256(s.json(envelope)), sha256.Sum256(statement)
	body := s.json(map[string]any{"apiVersion": "0.0.1", "kind": "dsse", "spec": map[string]any{
		"envelopeHash": map[string]any{"algorithm": "sha256", "value": hex.EncodeToString(whole[:])},
		"payloadHash":  map[string]any{"algorithm": "sha256", "value": hex.EncodeToString(inner[:])},
		"signatures":   []any{map[string]any{"signature": base64.StdEncoding.EncodeToString(sig), "verifier": []byte(who.pem())}},
	}})
	leaf := sha256.Sum256(append([]byte{0}, body...))
	note := fmt.Sprintf("log.test - 1\n1\n%s\n", base64.StdEncoding.EncodeToString(leaf[:]))
	id := s.id(s.log)
	signed := base64.StdEncoding.EncodeToString(append(id[:4:4], s.sign(s.log, []byte(note))...))
	return s.json(map[string]any{
		"mediaType": signatures.MediaTypeBundle, "dsseEnvelope": envelope,
		"verificationMaterial": map[string]any{
			"certificate": map[string]any{"rawBytes": who.cert.Raw},
			"tlogEntries": []any{map[string]any{
				"logIndex": "7", "logId": map[string]any{"keyId": id[:]}, "kindVersion": map[string]any{"kind": "dsse", "version": "0.0.1"},
				"integratedTime": fmt.Sprint(time.Now().Unix()), "inclusionPromise": map[string]any{"signedEntryTimestamp": s.promise(body, time.Now())},
				"inclusionProof": map[string]any{
					"logIndex": "0", "rootHash": leaf[:], "treeSize": "1", "checkpoint": map[string]any{"envelope": note + "\n\u2014 log.test " + signed + "\n"},
				},
				"canonicalizedBody": body,
			}},
		},
	})
}

// trustedRoot is the trusted_root.json.
func (s *sigstore) trustedRoot() []byte {
	s.t.Helper()
	valid := map[string]any{"start": time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)}
	log := func(k *ecdsa.PrivateKey, base string) any {
		id := s.id(k)
		return map[string]any{
			"baseUrl": base, "hashAlgorithm": "SHA2_256", "logId": map[string]any{"keyId": id[:]},
			"publicKey": map[string]any{"rawBytes": s.der(k.Public()), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": valid},
		}
	}
	return s.json(map[string]any{
		"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
		"tlogs":     []any{log(s.log, "https://log.test")}, "ctlogs": []any{log(s.ct, "https://ct.test")},
		"certificateAuthorities": []any{map[string]any{
			"subject": map[string]any{"organization": "test", "commonName": "test authority"}, "uri": "https://ca.test", "validFor": valid,
			"certChain": map[string]any{"certificates": []any{map[string]any{"rawBytes": s.ca.Raw}}},
		}},
	})
}

func (s *sigstore) json(v any) []byte {
	s.t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		s.t.Fatal(err)
	}
	return data
}
