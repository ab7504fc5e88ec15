package provider

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/gitopskit/gitopskit/notify"
)

// natsAnswer is how long a server's answer is waited for at most.
const natsAnswer = time.Minute

// natsSender keeps one connection for all its messages.
type natsSender struct {
	config  *Config
	options []nats.Option
	mask    *notify.Masker

	mu     sync.Mutex
	conn   *nats.Conn
	closed bool
}

// natsProvider publishes the event as JSON: Address is a server's, as in
// nats://HOST:4222, or several separated by commas; Channel is the subject; both
// are required. NATS.Creds, NATS.NKey, or Username and Password log in. The header
// Nats-Msg-Id is the delivery's ID, by which a JetStream stream on that subject
// drops what it has seen. A message counts as delivered when the server has
// answered a ping behind it.
func natsProvider(c *Config) (notify.Sender, error) {
	if err := need("Address", c.Address, "Channel", c.Channel); err != nil {
		return nil, err
	}
	if strings.ContainsAny(c.Channel, " \t\r\n*>") {
		return nil, invalid("Channel must be a subject without wildcards and spaces")
	}
	s := &natsSender{config: c, mask: masker(*c)}
	login, err := natsLogin(c)
	if err != nil {
		return nil, err
	}
	s.options = append(login, nats.Name("gitopskit"), nats.Timeout(10*time.Second), nats.MaxReconnects(-1),
		nats.RetryOnFailedConnect(false), nats.ReconnectBufSize(-1))
	if len(c.TLS.CA)+len(c.TLS.Cert)+len(c.TLS.Key) > 0 {
		cfg, err := tlsConfig(c.TLS)
		if err != nil {
			return nil, err
		}
		s.options = append(s.options, nats.Secure(cfg))
	}
	c.HTTP.onClose(s.close)
	return s, nil
}

func natsLogin(c *Config) ([]nats.Option, error) {
	switch {
	case len(c.NATS.Creds) > 0:
		if _, err := nkeys.ParseDecoratedUserNKey(c.NATS.Creds); err != nil {
			return nil, invalid("NATS.Creds: %w", err)
		}
		return []nats.Option{nats.UserCredentialBytes(c.NATS.Creds)}, nil
	case len(c.NATS.NKey) > 0:
		pair, err := nkeys.FromSeed([]byte(strings.TrimSpace(string(c.NATS.NKey))))
		if err != nil {
			return nil, invalid("NATS.NKey: %w", err)
		}
		public, err := pair.PublicKey()
		if err != nil {
			return nil, invalid("NATS.NKey: %w", err)
		}
		return []nats.Option{nats.Nkey(public, pair.Sign)}, nil
	case c.Username != "":
		return []nats.Option{nats.UserInfo(c.Username, c.Password)}, nil
	}
	return nil, nil
}

func tlsConfig(t TLS) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(t.CA) > 0 {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(t.CA) {
			return nil, invalid("TLS.CA holds no certificate in PEM")
		}
		cfg.RootCAs = pool
	}
	if len(t.Cert)+len(t.Key) > 0 {
		pair, err := tls.X509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, invalid("TLS.Cert and TLS.Key: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

// Send implements notify.Sender.
func (s *natsSender) Send(ctx context.Context, d notify.Delivery) error {
	conn, err := s.connect()
	if err != nil {
		return s.mask.Error(&notify.SendError{Err: err, Permanent: errors.Is(err, nats.ErrAuthorization)})
	}
	data, err := marshal(flat(d.Event))
	if err != nil {
		return &notify.SendError{Permanent: true, Err: err}
	}
	msg := nats.NewMsg(s.config.Channel)
	msg.Data = data
	msg.Header.Set(nats.MsgIdHdr, d.ID)
	if err := conn.PublishMsg(msg); err != nil {
		return s.mask.Error(&notify.SendError{Permanent: errors.Is(err, nats.ErrMaxPayload), Err: fmt.Errorf("publish: %w", err)})
	}
	ctx, cancel := context.WithTimeout(ctx, natsAnswer) // nats asks for a deadline
	defer cancel()
	if err := conn.FlushWithContext(ctx); err != nil {
		return s.mask.Error(&notify.SendError{InDoubt: true, Err: fmt.Errorf("no answer behind the message: %w", err)})
	}
	// What the account may not publish is told by an error beside the ping.
	if err := conn.LastError(); errors.Is(err, nats.ErrPermissionViolation) {
		conn.Close() // it would be this connection's last error for ever
		return s.mask.Error(&notify.SendError{Permanent: true, Err: err})
	}
	return nil
}

func (s *natsSender) connect() (*nats.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.New("the pool is closed")
	}
	if s.conn != nil && !s.conn.IsClosed() {
		return s.conn, nil
	}
	conn, err := nats.Connect(s.config.Address, s.options...)
	if err != nil {
		return nil, err
	}
	s.conn = conn
	return conn, nil
}

func (s *natsSender) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.conn != nil {
		s.conn.Close()
	}
}
