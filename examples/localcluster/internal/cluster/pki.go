package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"time"
)

const (
	certLife  = 10 * 365 * 24 * time.Hour
	certSpare = 30 * 24 * time.Hour
	masters   = "system:masters"
)

// pki makes and keeps the certificates of one instance: an authority of its
// own, and leaves signed by it. What is on disk and still valid is used again.
type pki struct {
	dir dataDir
	ca  *x509.Certificate
	key *ecdsa.PrivateKey
}

type leaf struct {
	file   string // below pki/, without extension
	name   string
	groups []string
	server bool
}

func leaves() []leaf {
	return []leaf{
		{file: "apiserver", name: "kube-apiserver", server: true},
		{file: "etcd", name: "etcd", server: true},
		{file: "apiserver-etcd", name: "kube-apiserver"},
		{file: "front-proxy", name: "front-proxy-client"},
		{file: "admin", name: "localcluster-admin", groups: []string{masters}},
		{file: ControllerManager, name: "system:kube-controller-manager", groups: []string{masters}},
		{file: Scheduler, name: "system:kube-scheduler"},
		{file: Kwok, name: "localcluster-kwok", groups: []string{masters}},
	}
}

func (d dataDir) cert(name string) string { return d.pki(name + ".crt") }
func (d dataDir) key(name string) string  { return d.pki(name + ".key") }

// ensure makes what is missing or about to expire.
func (d dataDir) ensurePKI() error {
	p := &pki{dir: d}
	fresh, err := p.authority()
	if err != nil {
		return fmt.Errorf("certificates: %w", err)
	}
	for _, l := range leaves() {
		if err := p.leaf(l, fresh); err != nil {
			return fmt.Errorf("certificate of %s: %w", l.file, err)
		}
	}
	if _, err := os.Stat(d.key("service-account")); errors.Is(err, fs.ErrNotExist) {
		if _, err := newKey(d.key("service-account")); err != nil {
			return err
		}
	}
	if _, err := os.Stat(d.tokens()); errors.Is(err, fs.ErrNotExist) {
		line := fmt.Sprintf("%s,localcluster-admin,localcluster-admin,%q\n", randomHex(24), masters)
		return os.WriteFile(d.tokens(), []byte(line), 0o600)
	}
	return nil
}

// authority loads or makes the CA, and tells whether it is new.
func (p *pki) authority() (bool, error) {
	cert, key, err := loadPair(p.dir.cert("ca"), p.dir.key("ca"))
	if err == nil {
		p.ca, p.key = cert, key
		return false, nil
	}
	if p.key, err = newKey(p.dir.key("ca")); err != nil {
		return false, err
	}
	template := certTemplate("localcluster-ca", nil)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage |= x509.KeyUsageCertSign
	p.ca, err = writeCert(p.dir.cert("ca"), template, template, &p.key.PublicKey, p.key)
	return true, err
}

func (p *pki) leaf(l leaf, renew bool) error {
	if _, _, err := loadPair(p.dir.cert(l.file), p.dir.key(l.file)); err == nil && !renew {
		return nil
	}
	key, err := newKey(p.dir.key(l.file))
	if err != nil {
		return err
	}
	template := certTemplate(l.name, l.groups)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if l.server {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback, firstServiceIP()}
		template.DNSNames = []string{"localhost", "kubernetes", "kubernetes.default",
			"kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}
	}
	_, err = writeCert(p.dir.cert(l.file), template, p.ca, &key.PublicKey, p.key)
	return err
}

func certTemplate(name string, groups []string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name, Organization: groups},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(certLife),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
}

func newKey(file string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, replaceFile(file, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
}

func writeCert(file string, template, parent *x509.Certificate, pub *ecdsa.PublicKey, signer *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, signer)
	if err != nil {
		return nil, err
	}
	if err := replaceFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})); err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// loadPair reads a certificate and its key; one that is about to expire, or does
// not belong to the key, is an error.
func loadPair(certFile, keyFile string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	certDER, err := readPEM(certFile)
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := readPEM(keyFile)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(certDER)
	if err != nil {
		return nil, nil, err
	}
	key, err := x509.ParseECPrivateKey(keyDER)
	if err != nil {
		return nil, nil, err
	}
	if time.Until(cert.NotAfter) < certSpare {
		return nil, nil, fmt.Errorf("%s ends %s", certFile, cert.NotAfter)
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return nil, nil, fmt.Errorf("%s does not belong to %s", certFile, keyFile)
	}
	return cert, key, nil
}

func readPEM(file string) ([]byte, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%s: no PEM block", file)
	}
	return block.Bytes, nil
}
