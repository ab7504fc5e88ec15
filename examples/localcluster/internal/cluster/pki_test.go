package cluster

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func madeDir(t *testing.T) dataDir {
	t.Helper()
	d := dataDir(t.TempDir())
	lock, err := d.claim()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lock.Close() })
	if err := d.ensurePKI(); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestCertificatesVerify(t *testing.T) {
	d := madeDir(t)
	ca, _, err := loadPair(d.cert("ca"), d.key("ca"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	for _, l := range leaves() {
		cert, _, err := loadPair(d.cert(l.file), d.key(l.file))
		if err != nil {
			t.Fatal(err)
		}
		usage := x509.ExtKeyUsageClientAuth
		opts := x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{usage}}
		if l.server {
			opts.DNSName, opts.KeyUsages = "127.0.0.1", []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}
		if _, err := cert.Verify(opts); err != nil {
			t.Errorf("%s: %v", l.file, err)
		}
	}
}

func TestSecondRunKeepsCertificatesAndTokens(t *testing.T) {
	d := madeDir(t)
	before := readAll(t, d.path("pki"))
	if err := d.ensurePKI(); err != nil {
		t.Fatal(err)
	}
	for name, content := range readAll(t, d.path("pki")) {
		if before[name] != content {
			t.Errorf("%s has changed", name)
		}
	}
}

func TestDamagedCertificateIsMadeAgain(t *testing.T) {
	d := madeDir(t)
	if err := os.WriteFile(d.cert("admin"), []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.ensurePKI(); err != nil {
		t.Fatal(err)
	}
	cert, _, err := loadPair(d.cert("admin"), d.key("admin"))
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(cert.NotAfter); left < certLife/2 {
		t.Errorf("ends in %s", left)
	}
}

func TestNewAuthorityRenewsEveryCertificate(t *testing.T) {
	d := madeDir(t)
	if err := os.Remove(d.cert("ca")); err != nil {
		t.Fatal(err)
	}
	if err := d.ensurePKI(); err != nil {
		t.Fatal(err)
	}
	ca, _, err := loadPair(d.cert("ca"), d.key("ca"))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range leaves() {
		cert, _, err := loadPair(d.cert(l.file), d.key(l.file))
		if err != nil {
			t.Fatal(err)
		}
		if err := cert.CheckSignatureFrom(ca); err != nil {
			t.Errorf("%s: %v", l.file, err)
		}
	}
}

func TestSecretsAreReadableByTheirOwnerOnly(t *testing.T) {
	d := madeDir(t)
	files, err := filepath.Glob(d.pki("*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %d files", err, len(files))
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %s", f, info.Mode())
		}
	}
}

func readAll(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = string(b)
	}
	return out
}
