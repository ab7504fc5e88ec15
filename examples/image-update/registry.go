package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/gitopskit/gitopskit/imagepolicy/scan"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/oci"
	"github.com/gitopskit/gitopskit/source/oci/cosign"
)

// clients speak to registries. Which of them are insecure is not known before the
// objects are read, so that there is one for each answer.
type clients struct {
	opts     scan.ClientOptions
	open     map[string]*scan.Client
	oci      *oci.Client
	verifier scan.Verifier // nil without --cosign-key
}

func newClients(o options) (*clients, error) {
	c := &clients{open: map[string]*scan.Client{}, opts: scan.ClientOptions{
		Auth:     scan.Auth{Username: os.Getenv("REGISTRY_USER"), Password: os.Getenv("REGISTRY_PASSWORD")},
		Keychain: true, Insecure: o.insecure,
	}}
	var err error
	if o.ca != "" {
		if c.opts.CA, err = os.ReadFile(o.ca); err != nil {
			return nil, err
		}
	}
	if o.dockerConfig != "" {
		if c.opts.Auth.DockerConfig, err = os.ReadFile(o.dockerConfig); err != nil {
			return nil, err
		}
	}
	if o.cosignKey != "" {
		err = c.verify(o)
	}
	return c, err
}

// verify makes one of the verifiers of source/oci choose images.
func (c *clients) verify(o options) error {
	data, err := os.ReadFile(o.cosignKey)
	if err != nil {
		return err
	}
	keys, err := cosign.ParseKeys(data)
	if err != nil {
		return fmt.Errorf("%s: %w", o.cosignKey, err)
	}
	verifier, err := cosign.New(cosign.Options{Keys: keys})
	if err != nil {
		return err
	}
	auth := oci.Auth{Username: c.opts.Auth.Username, Password: c.opts.Auth.Password, DockerConfig: c.opts.Auth.DockerConfig}
	if c.oci, err = oci.NewClient(oci.ClientOptions{Auth: auth, CA: c.opts.CA, Insecure: o.insecure}); err != nil {
		return err
	}
	c.verifier = scan.VerifierFunc(func(ctx context.Context, repository, digest string) (string, error) {
		signer, err := verifier.Verify(ctx, c.oci, repository, digest)
		if errors.Is(err, source.ErrVerification) {
			err = fmt.Errorf("%w: %w", scan.ErrNotSigned, err)
		}
		return signer, err
	})
	return nil
}

// registry returns the client for an image.
func (c *clients) registry(w wish) (*scan.Client, error) {
	host, _, _ := strings.Cut(w.image, "/")
	opts := c.opts
	if w.insecure && !slices.Contains(opts.Insecure, host) {
		opts.Insecure = append(slices.Clone(opts.Insecure), host)
	}
	key := strings.Join(opts.Insecure, " ")
	if client, ok := c.open[key]; ok {
		return client, nil
	}
	client, err := scan.NewClient(opts)
	if err == nil {
		c.open[key] = client
	}
	return client, err
}

func (c *clients) close() {
	for _, client := range c.open {
		_ = client.Close()
	}
	if c.oci != nil {
		_ = c.oci.Close()
	}
}
