package notation

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/notaryproject/notation-go/verifier/trustpolicy"
	"github.com/notaryproject/notation-go/verifier/truststore"

	"github.com/gitopskit/gitopskit/source"
)

// Options says whose signatures count.
type Options struct {
	// TrustPolicy is a trustpolicy.json. Required.
	TrustPolicy []byte
	// Certificates is PEM, or DER of one certificate: authorities, or
	// self-signed certificates of signers. They are in every trust store that
	// the policy names. Required.
	Certificates []byte
}

// FromSecret reads a Secret as Flux does: trustpolicy.json and the entries *.crt
// and *.pem.
func FromSecret(data map[string][]byte) (Options, error) {
	o := Options{TrustPolicy: data["trustpolicy.json"]}
	for _, name := range slices.Sorted(maps.Keys(data)) {
		if !strings.HasSuffix(name, ".crt") && !strings.HasSuffix(name, ".pem") {
			continue
		}
		block := data[name]
		if p, _ := pem.Decode(block); p == nil {
			block = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: block})
		}
		o.Certificates = append(append(o.Certificates, block...), '\n')
	}
	missing := ""
	switch {
	case len(o.TrustPolicy) == 0:
		missing = "the Secret has no entry trustpolicy.json"
	case len(o.Certificates) == 0:
		missing = "the Secret has no entry *.crt or *.pem"
	}
	if missing != "" {
		return Options{}, &source.Error{Op: "read notation Secret", Err: fmt.Errorf("%w: %s", source.ErrInvalid, missing)}
	}
	return o, nil
}

func readPolicy(data []byte) (*trustpolicy.Document, error) {
	if len(data) == 0 {
		return nil, errors.New("set Options.TrustPolicy")
	}
	policy := &trustpolicy.Document{}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(policy); err != nil {
		return nil, fmt.Errorf("Options.TrustPolicy: %w", err)
	}
	return policy, nil
}

// certificates is a trust store with the same content under every name.
type certificates []*x509.Certificate

func readCertificates(data []byte) (certificates, error) {
	if len(data) == 0 {
		return nil, errors.New("set Options.Certificates")
	}
	if block, _ := pem.Decode(data); block == nil {
		all, err := x509.ParseCertificates(data)
		if err != nil {
			return nil, errors.New("Options.Certificates is neither PEM nor DER")
		}
		return all, truststore.ValidateCertificates(all)
	}
	var all certificates
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("Options.Certificates holds a %q", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("Options.Certificates: %w", err)
		}
		all = append(all, c)
	}
	return all, truststore.ValidateCertificates(all)
}

// GetCertificates implements truststore.X509TrustStore. Timestamp authorities
// must be roots.
func (c certificates) GetCertificates(_ context.Context, kind truststore.Type, _ string) ([]*x509.Certificate, error) {
	if kind != truststore.TypeTSA {
		return c, nil
	}
	var roots []*x509.Certificate
	for _, cert := range c {
		if cert.IsCA && cert.CheckSignatureFrom(cert) == nil {
			roots = append(roots, cert)
		}
	}
	return roots, nil
}
