package git

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/gitopskit/gitopskit/source"
)

// MirrorOptions configures OpenMirrors. The zero value works.
type MirrorOptions struct {
	// MaxPackBytes is the most that one fetch may bring. Zero means 8 GiB.
	MaxPackBytes int64
	// MaxArchiveCache is how many bytes of compressed archive parts each
	// mirror keeps, so that an archive of which little changed is made
	// quickly. Zero means 1 GiB, negative keeps none.
	MaxArchiveCache int64
	// MaxLFS is how many bytes of files in LFS are kept for each server and
	// credential. Zero means 20 GiB.
	MaxLFS int64
	// MaxPacks is how many packs a mirror may have before they are joined
	// into one with what the 32 commits that were wanted last need. Zero
	// means 50.
	MaxPacks int
}

const (
	defaultMaxPack  = 8 << 30
	defaultMaxCache = 1 << 30
	defaultMaxPacks = 50
	defaultKeepLFS  = 20 << 30
)

// Mirrors keeps one bare mirror per repository and credential in a folder, and
// shares connections and listings of references between sources. It is safe
// for concurrent use, by several processes too.
//
// What one credential may read is never shown to another: the mirror's name is
// a keyed hash over URL, credentials and proxy.
type Mirrors struct {
	dir  string
	key  []byte
	opts MirrorOptions

	mu   sync.Mutex
	open map[string]*mirror
	apps map[string]*appTokens // by app, trust and proxy
	lfs  map[string]*lfsServer
}

// OpenMirrors opens the folder dir, which is made if it does not exist, and
// sweeps what killed fetches left there.
func OpenMirrors(dir string, opts MirrorOptions) (*Mirrors, error) {
	if dir == "" {
		return nil, &source.Error{Op: "open mirrors", Err: invalidf("give the folder that keeps the mirrors")}
	}
	if opts.MaxPackBytes == 0 {
		opts.MaxPackBytes = defaultMaxPack
	}
	if opts.MaxArchiveCache == 0 {
		opts.MaxArchiveCache = defaultMaxCache
	}
	if opts.MaxLFS == 0 {
		opts.MaxLFS = defaultKeepLFS
	}
	if opts.MaxPacks == 0 {
		opts.MaxPacks = defaultMaxPacks
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, &source.Error{Op: "open mirrors", Ref: dir, Err: err}
	}
	key, err := mirrorKey(filepath.Join(dir, "key"))
	if err != nil {
		return nil, &source.Error{Op: "open mirrors", Ref: dir, Err: err}
	}
	return &Mirrors{dir: dir, key: key, opts: opts, open: map[string]*mirror{}, apps: map[string]*appTokens{}, lfs: map[string]*lfsServer{}}, nil
}

// mirrorKey returns the secret that mirror names are made with, so that they
// tell nothing about credentials.
func mirrorKey(name string) ([]byte, error) {
	const size = 32
	key, err := os.ReadFile(name) //nolint:gosec // the caller's folder
	if err == nil && len(key) == size {
		return key, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	fresh := make([]byte, size)
	_, _ = rand.Read(fresh)
	temp, err := os.CreateTemp(filepath.Dir(name), "key-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	_, err = temp.Write(fresh)
	if cerr := temp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, err
	}
	if len(key) > 0 { // damaged: take its place
		return fresh, os.Rename(temp.Name(), name)
	}
	// Link fails if another process was first; then its key counts.
	if err := os.Link(temp.Name(), name); errors.Is(err, fs.ErrExist) {
		return os.ReadFile(name) //nolint:gosec // the caller's folder
	} else if err != nil {
		return nil, err
	}
	return fresh, nil
}

// Close ends idle connections. Sources and artifacts stay usable.
func (m *Mirrors) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, mi := range m.open {
		mi.remote.close()
	}
	for _, l := range m.lfs {
		l.client.CloseIdleConnections()
	}
	return nil
}

// mirror returns the mirror for a repository and credential.
func (m *Mirrors) mirror(e endpoint, auth Auth, p Proxy, t Transport) (*mirror, error) {
	id := m.name(e, auth, p, t)
	m.mu.Lock()
	defer m.mu.Unlock()
	if mi, ok := m.open[id]; ok {
		return mi, nil
	}
	r, err := m.remote(e, auth, p, t)
	if err != nil {
		return nil, err
	}
	mi := &mirror{
		dir: filepath.Join(m.dir, id), remote: r, auth: auth, opts: m.opts,
		turn: make(chan struct{}, 1), bases: newByteCache(baseCacheSize),
	}
	mi.lister = lister{list: func(ctx context.Context) (*listing, error) { return r.list(ctx) }}
	m.open[id] = mi
	return mi, nil
}

// remote returns what speaks to the server. The caller holds the mutex.
func (m *Mirrors) remote(e endpoint, auth Auth, p Proxy, t Transport) (remote, error) {
	login, tokens, err := m.login(auth, p)
	if err != nil {
		return nil, err
	}
	var r remote
	switch {
	case t == TransportGit:
		r, err = newGitProgram(e, auth, p, login)
	case t != "" && t != TransportGoGit:
		err = invalidf("Options.Transport %q: use %q or %q", t, TransportGoGit, TransportGit)
	case e.scheme == "ssh":
		r, err = newSSH(e, auth, p)
	default:
		r, err = newHTTP(e, auth, p, login)
	}
	if err == nil && tokens != nil && e.scheme != "ssh" {
		r = &appRemote{r, tokens}
	}
	return r, err
}

// login returns what gives credentials now, and the app's tokens if there is an
// app. The caller holds the mutex.
func (m *Mirrors) login(auth Auth, p Proxy) (loginFunc, *appTokens, error) {
	if auth.GitHubApp == nil {
		return func(context.Context) (Auth, error) { return auth, nil }, nil, nil
	}
	tokens, err := m.appTokens(auth, p)
	if err != nil {
		return nil, nil, err
	}
	return tokens.login(auth), tokens, nil
}

// appTokens returns the tokens that all repositories of an app share.
func (m *Mirrors) appTokens(auth Auth, p Proxy) (*appTokens, error) {
	id := m.name(endpoint{}, auth, p, "")
	if a, ok := m.apps[id]; ok {
		return a, nil
	}
	a, err := newAppTokens(auth, p)
	if err == nil {
		m.apps[id] = a
	}
	return a, err
}

func (m *Mirrors) name(e endpoint, auth Auth, p Proxy, t Transport) string {
	if t == "" {
		t = TransportGoGit
	}
	app := App{}
	if auth.GitHubApp != nil {
		app = *auth.GitHubApp
	}
	mac := hmac.New(sha256.New, m.key)
	for _, part := range []string{
		e.url, auth.Username, auth.Password, auth.BearerToken, string(auth.CA), string(auth.ClientCert), string(auth.ClientKey),
		string(auth.Identity), auth.Passphrase, string(auth.KnownHosts), p.URL, p.Username, p.Password, string(t),
		app.ID, app.InstallationID, app.Owner, string(app.PrivateKey), app.APIURL,
	} {
		_, _ = fmt.Fprintf(mac, "%d:", len(part))
		_, _ = io.WriteString(mac, part)
	}
	return hex.EncodeToString(mac.Sum(nil)[:16])
}
