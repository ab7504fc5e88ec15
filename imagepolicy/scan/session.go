package scan

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// session is the way to one repository. It keeps the token that it got.
type session struct {
	client *Client
	repo   name.Repository

	mu   sync.Mutex
	auth authn.AuthConfig
	trip http.RoundTripper // nil before the first request
}

// session returns the way to a repository, which all who go there share.
func (c *Client) session(repo name.Repository) *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.sessions[repo.Name()]
	if !ok {
		s = &session{client: c, repo: repo}
		c.sessions[repo.Name()] = s
	}
	return s
}

// repository reads host/path, without scheme, tag and digest.
func (c *Client) repository(image string) (name.Repository, error) {
	switch last := path.Base(image); {
	case image == "":
		return name.Repository{}, errors.New("it is required, such as ghcr.io/org/app")
	case strings.Contains(image, "://"):
		return name.Repository{}, fmt.Errorf("%q has a scheme: write host/path", image)
	case strings.Contains(last, "@") || strings.Contains(last, ":"):
		return name.Repository{}, fmt.Errorf("%q has a tag, a digest or no path: write host/path", image)
	}
	host, _, _ := strings.Cut(image, "/")
	var opts []name.Option
	if c.insecure(host) {
		opts = append(opts, name.Insecure)
	}
	repo, err := name.NewRepository(image, opts...)
	if err != nil {
		return name.Repository{}, err
	}
	return repo, nil
}

func (c *Client) insecure(host string) bool {
	for _, h := range c.opts.Insecure {
		if strings.EqualFold(h, host) {
			return true
		}
	}
	return false
}

// begin bounds a call by time and counts its requests.
func (c *Client) begin(ctx context.Context) (context.Context, *budget, context.CancelFunc) {
	ctx, b := withBudget(ctx, c.opts.MaxWait)
	if c.opts.Timeout < 0 {
		ctx, cancel := context.WithCancel(ctx)
		return ctx, b, cancel
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.opts.Timeout,
		fmt.Errorf("%w: no result within %s: raise ClientOptions.Timeout", context.DeadlineExceeded, c.opts.Timeout))
	return ctx, b, cancel
}

// transport returns what sends requests with credentials. It is made anew when
// those changed.
func (s *session) transport(ctx context.Context) (http.RoundTripper, error) {
	auth, err := s.client.credentials(ctx, s.repo)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trip != nil && auth == s.auth {
		return s.trip, nil
	}
	base := &guard{base: s.client.slow, insecure: s.client.insecure(s.repo.RegistryStr())}
	trip, err := transport.NewWithContext(ctx, s.repo.Registry, authn.FromConfig(auth),
		transport.NewUserAgent(base, "gitopskit"), []string{s.repo.Scope(transport.PullScope)})
	if err != nil {
		return nil, err
	}
	s.trip, s.auth = trip, auth
	return trip, nil
}

// remote returns the options for one call of package remote.
func (s *session) remote(ctx context.Context) ([]remote.Option, error) {
	trip, err := s.transport(ctx)
	if err != nil {
		return nil, err
	}
	return []remote.Option{remote.WithContext(ctx), remote.WithTransport(trip)}, nil
}

// guard refuses plain HTTP to registries that were not named insecure.
type guard struct {
	base     http.RoundTripper
	insecure bool
}

func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme == "http" && !g.insecure {
		return nil, fmt.Errorf("%w: plain HTTP to %s: name the registry in ClientOptions.Insecure", ErrInvalid, req.URL.Host)
	}
	return g.base.RoundTrip(req)
}
