package keyless_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/oci/keyless"
)

// mirror is a TUF repository with one file, trusted_root.json.
type mirror struct {
	root  []byte
	url   string
	asked atomic.Int32
}

func newMirror(t testing.TB, trustedRoot []byte) *mirror {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := signature.LoadSigner(private, crypto.Hash(0))
	if err != nil {
		t.Fatal(err)
	}
	key, err := metadata.KeyFromPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	soon := time.Now().Add(time.Hour)
	root, targets, snapshot, timestamp := metadata.Root(soon), metadata.Targets(soon), metadata.Snapshot(soon), metadata.Timestamp(soon)
	for _, role := range []string{"root", "targets", "snapshot", "timestamp"} {
		if err := root.Signed.AddKey(key, role); err != nil {
			t.Fatal(err)
		}
	}
	if targets.Signed.Targets["trusted_root.json"], err = metadata.TargetFile().FromBytes("trusted_root.json", trustedRoot, "sha256"); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(trustedRoot)
	files := map[string][]byte{"/targets/" + hex.EncodeToString(sum[:]) + ".trusted_root.json": trustedRoot}
	for name, sign := range map[string]func() ([]byte, error){
		"/1.root.json":     func() ([]byte, error) { _, _ = root.Sign(signer); return root.ToBytes(false) },
		"/1.targets.json":  func() ([]byte, error) { _, _ = targets.Sign(signer); return targets.ToBytes(false) },
		"/1.snapshot.json": func() ([]byte, error) { _, _ = snapshot.Sign(signer); return snapshot.ToBytes(false) },
		"/timestamp.json":  func() ([]byte, error) { _, _ = timestamp.Sign(signer); return timestamp.ToBytes(false) },
	} {
		if files[name], err = sign(); err != nil {
			t.Fatal(err)
		}
	}
	m := &mirror{root: files["/1.root.json"]}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.asked.Add(1)
		data, ok := files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(data)
	}))
	t.Cleanup(srv.Close)
	m.url = srv.URL
	return m
}

func TestTheTrustedRootComesByTUF(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newSigstore(t)
	m := newMirror(t, s.trustedRoot())
	b.note(b.payload(), s.annotations(s.login(issuer, subject, true), b.payload(), time.Now()))
	for _, dir := range []string{"", t.TempDir()} {
		v, err := keyless.New(keyless.Options{Identities: []keyless.Identity{anybody}, TUFMirror: m.url, TUFRoot: m.root, Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		m.asked.Store(0)
		for range 2 {
			if _, err := v.Verify(t.Context(), b.client, b.repo(), b.digest); err != nil {
				t.Fatal(err)
			}
		}
		if n := m.asked.Load(); n == 0 || n > 5 {
			t.Errorf("%d requests of the mirror for two verifications", n)
		}
	}
}

func TestAMirrorThatCannotBeTrusted(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newSigstore(t)
	b.note(b.payload(), s.annotations(s.login(issuer, subject, true), b.payload(), time.Now()))
	m, other := newMirror(t, s.trustedRoot()), newMirror(t, s.trustedRoot())
	got, err := b.verify(keyless.Options{Identities: []keyless.Identity{anybody}, TUFMirror: m.url, TUFRoot: other.root})
	if got != "" || !errors.Is(err, source.ErrUnreachable) {
		t.Errorf("%q, %v", got, err)
	}
	got, err = b.verify(keyless.Options{Identities: []keyless.Identity{anybody}, TUFMirror: "http://127.0.0.1:1", TUFRoot: m.root})
	if got != "" || !errors.Is(err, source.ErrUnreachable) {
		t.Errorf("%q, %v", got, err)
	}
}
