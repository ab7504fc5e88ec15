package provider

import (
	"crypto/sha256"
	"net/http"
	"sync"

	"github.com/gitopskit/gitopskit/internal/httpclient"
)

// Pool holds the connections of all providers: those with the same certificates
// and proxy share one transport, and so each host's connections are kept and
// used again. Many goroutines may use it. The zero value works.
type Pool struct {
	mu         sync.Mutex
	transports map[[sha256.Size]byte]*http.Transport
	closers    []func()
}

// NewPool returns an empty pool.
func NewPool() *Pool { return &Pool{} }

// Close closes idle connections, and those to NATS servers. Providers may be used
// no more.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.transports {
		t.CloseIdleConnections()
	}
	for _, f := range p.closers {
		f()
	}
	p.closers = nil
}

func (p *Pool) onClose(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closers = append(p.closers, f)
}

func (p *Pool) client(c *Config) (*http.Client, error) {
	key := sha256.New()
	for _, part := range [...]string{string(c.TLS.CA), string(c.TLS.Cert), string(c.TLS.Key), c.Proxy.URL, c.Proxy.Username, c.Proxy.Password} {
		sum := sha256.Sum256([]byte(part))
		_, _ = key.Write(sum[:])
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.transports[[sha256.Size]byte(key.Sum(nil))]
	if t == nil {
		var err error
		t, err = httpclient.New(httpclient.Options{
			CA: c.TLS.CA, ClientCert: c.TLS.Cert, ClientKey: c.TLS.Key,
			ProxyURL: c.Proxy.URL, ProxyUsername: c.Proxy.Username, ProxyPassword: c.Proxy.Password,
		})
		if err != nil {
			return nil, invalid("TLS or Proxy: %w", err)
		}
		if p.transports == nil {
			p.transports = map[[sha256.Size]byte]*http.Transport{}
		}
		p.transports[[sha256.Size]byte(key.Sum(nil))] = t
	}
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, nil
}
