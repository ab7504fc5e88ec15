package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/archive"
	"github.com/gitopskit/gitopskit/source/bucket"
	"github.com/gitopskit/gitopskit/source/bucket/s3"
	"github.com/gitopskit/gitopskit/source/git"
	"github.com/gitopskit/gitopskit/source/git/signature"
	"github.com/gitopskit/gitopskit/source/oci"
	"github.com/gitopskit/gitopskit/source/oci/cosign"
)

// clients are what the sources share.
type clients struct {
	mirrors *git.Mirrors
	oci     *oci.Client
	cache   *oci.Cache
	dir     string
	ca      []byte
	s       *settings
}

func newClients(dir string, s *settings) (*clients, error) {
	c := &clients{dir: dir, s: s}
	var err error
	if s.caFile != "" {
		if c.ca, err = os.ReadFile(s.caFile); err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
	}
	if c.mirrors, err = git.OpenMirrors(filepath.Join(dir, "git"), git.MirrorOptions{}); err != nil {
		return nil, err
	}
	if c.cache, err = oci.OpenCache(filepath.Join(dir, "oci")); err != nil {
		return nil, err
	}
	c.oci, err = oci.NewClient(oci.ClientOptions{
		Auth:     oci.Auth{Username: os.Getenv("REGISTRY_USER"), Password: os.Getenv("REGISTRY_PASSWORD")},
		Keychain: true, Insecure: s.insecure, CA: c.ca, Timeout: s.timeout,
	})
	return c, err
}

func (c *clients) close() {
	_ = c.mirrors.Close()
	_ = c.oci.Close()
}

// fetch brings what a SOURCE names.
func (c *clients) fetch(ctx context.Context, name string) (*source.Artifact, error) {
	if !strings.Contains(name, "://") {
		return folder(name)
	}
	s, err := c.open(name)
	if err != nil {
		return nil, err
	}
	return take(ctx, s)
}

func take(ctx context.Context, s source.Source) (*source.Artifact, error) {
	revision, err := s.Resolve(ctx)
	if err != nil {
		return nil, err
	}
	return s.Fetch(ctx, revision)
}

func folder(name string) (*source.Artifact, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("%w: a SOURCE is a folder, or a URL with https://, ssh://, oci:// or s3://", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s is no folder", name)
	}
	return source.FromFS(os.DirFS(name), "folder", archive.NewIgnore(archive.IgnoreOptions{}))
}

func (c *clients) open(name string) (source.Source, error) {
	scheme, rest, _ := strings.Cut(name, "://")
	switch scheme {
	case "https", "http", "ssh":
		o, err := c.gitOptions(name)
		if err != nil {
			return nil, err
		}
		return git.New(o)
	case "oci":
		return oci.New(c.ociOptions(name))
	case "s3":
		return c.openBucket(rest)
	}
	return nil, usageError{fmt.Errorf("%q: a SOURCE is a folder, or a URL with https://, ssh://, oci:// or s3://", name)}
}

// ociOptions reads oci://HOST/REPO with :TAG, @DIGEST or neither.
func (c *clients) ociOptions(name string) oci.Options {
	o := oci.Options{URL: name, Client: c.oci, Cache: c.cache}
	if url, digest, ok := strings.Cut(name, "@"); ok {
		o.URL, o.Reference.Digest = url, digest
		name = url
	}
	// A colon before the last slash is that of a port.
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		o.URL, o.Reference.Tag = name[:i], name[i+1:]
	}
	return o
}

func (c *clients) openBucket(rest string) (source.Source, error) {
	host, path, _ := strings.Cut(rest, "/")
	name, prefix, _ := strings.Cut(path, "/")
	provider, err := s3.New(s3.Options{
		Endpoint: host, Bucket: name, Insecure: slices.Contains(c.s.insecure, host), CA: c.ca,
		AccessKey: os.Getenv("AWS_ACCESS_KEY_ID"), SecretKey: os.Getenv("AWS_SECRET_ACCESS_KEY"),
	})
	if err != nil {
		return nil, err
	}
	return bucket.New(bucket.Options{Provider: provider, Prefix: prefix, Dir: filepath.Join(c.dir, "buckets")})
}

func (c *clients) gitOptions(name string) (git.Options, error) {
	url, reference, _ := strings.Cut(name, "#")
	if reference == "" {
		reference = "HEAD"
	}
	o := git.Options{URL: url, Reference: git.Reference{Name: reference}, Mirrors: c.mirrors, Timeout: c.s.timeout}
	if !strings.HasPrefix(url, "ssh://") {
		o.Auth = git.Auth{Username: os.Getenv("GIT_USER"), Password: os.Getenv("GIT_PASSWORD"), CA: c.ca}
		return o, nil
	}
	if c.s.sshKey == "" {
		return o, usageError{errors.New("ssh:// wants --ssh-key FILE")}
	}
	known := c.s.knownHosts
	if known == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return o, fmt.Errorf("%w: give --known-hosts FILE", err)
		}
		known = filepath.Join(home, ".ssh", "known_hosts")
	}
	var err error
	if o.Auth.Identity, err = os.ReadFile(c.s.sshKey); err != nil {
		return o, fmt.Errorf("--ssh-key: %w", err)
	}
	if o.Auth.KnownHosts, err = os.ReadFile(known); err != nil { //nolint:gosec // the user names it
		return o, fmt.Errorf("--known-hosts: %w", err)
	}
	o.Auth.Passphrase = os.Getenv("SSH_KEY_PASSPHRASE")
	return o, nil
}

// openVerified opens a source that fails unless the key signed it.
func (c *clients) openVerified(name, keyFile string, key []byte) (source.Source, error) {
	switch scheme, _, _ := strings.Cut(name, "://"); scheme {
	case "oci":
		keys, err := cosign.ParseKeys(key)
		if err != nil {
			return nil, err
		}
		o := c.ociOptions(name)
		if o.Verifier, err = cosign.New(cosign.Options{Keys: keys}); err != nil {
			return nil, err
		}
		return oci.New(o)
	case "https", "http", "ssh":
		entry := "key.asc"
		if strings.HasSuffix(keyFile, ".pub") {
			entry = "key.sshpub"
		}
		keys, err := signature.KeyringFromSecret(map[string][]byte{entry: key})
		if err != nil {
			return nil, err
		}
		o, err := c.gitOptions(name)
		if err != nil {
			return nil, err
		}
		o.Verify = &git.Verify{Keys: keys}
		return git.New(o)
	}
	return nil, usageError{fmt.Errorf("%q: what can be verified is in Git (https://, ssh://) or a registry (oci://)", name)}
}
