package git

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing/transport"
	"golang.org/x/crypto/ssh"
	"golang.org/x/net/proxy"

	"github.com/gitopskit/gitopskit/source"
)

// newSSH returns the transport for ssh://. It reads neither the user's
// configuration nor an agent: only what Auth holds is used.
func newSSH(e endpoint, auth Auth, p Proxy) (*goGit, error) {
	d, err := newSSHDialer(e, auth, p)
	if err != nil {
		return nil, err
	}
	open := func(ctx context.Context, service string) (transport.Session, error) {
		return d.start(ctx, service)
	}
	return &goGit{open: open, closeIdle: func() {}}, nil
}

func newSSHDialer(e endpoint, auth Auth, p Proxy) (sshDialer, error) {
	d := sshDialer{endpoint: e}
	var err error
	if d.signer, err = auth.signer(); err != nil {
		return d, err
	}
	if d.known, err = parseKnownHosts(auth.KnownHosts); err != nil {
		return d, err
	}
	if p.URL != "" {
		d.proxy, err = p.parse()
	}
	return d, err
}

type sshDialer struct {
	endpoint endpoint
	signer   ssh.Signer
	known    *knownHosts
	proxy    *url.URL
}

func (d sshDialer) addr() string {
	if _, _, err := net.SplitHostPort(d.endpoint.host); err == nil {
		return d.endpoint.host
	}
	return net.JoinHostPort(strings.Trim(d.endpoint.host, "[]"), "22")
}

// start connects and runs the service on the server.
func (d sshDialer) start(ctx context.Context, service string) (*sshSession, error) {
	client, err := d.dial(ctx)
	if err != nil {
		return nil, err
	}
	s := &sshSession{client: client, receive: service == transport.ReceivePackServiceName}
	// Ending the context ends the connection, and with it every read.
	s.stop = context.AfterFunc(ctx, func() { _ = client.Close() })
	if err := s.run(service + " " + shellQuote(remotePath(d.endpoint.path))); err != nil {
		_ = s.Close()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	return s, nil
}

func (d sshDialer) dial(ctx context.Context) (*ssh.Client, error) {
	addr := d.addr()
	conn, err := dialThrough(ctx, d.proxy, addr)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	c, chans, reqs, err := ssh.NewClientConn(conn, addr, &ssh.ClientConfig{
		User:              d.endpoint.user,
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(d.signer)},
		HostKeyCallback:   d.known.check,
		HostKeyAlgorithms: d.known.algorithms(addr),
		Timeout:           30 * time.Second,
	})
	if err != nil {
		_ = conn.Close()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, d.explain(err)
	}
	return ssh.NewClient(c, chans, reqs), nil
}

func (d sshDialer) explain(err error) error {
	if errors.Is(err, source.ErrHostKey) {
		return err
	}
	text := err.Error()
	switch {
	case strings.Contains(text, "unable to authenticate"):
		return fmt.Errorf("%w: the server does not accept the key %s %s of user %q: add its public half to the repository's deploy keys",
			source.ErrAuth, d.signer.PublicKey().Type(), ssh.FingerprintSHA256(d.signer.PublicKey()), d.endpoint.user)
	case strings.Contains(text, "no common algorithm for host key"):
		return fmt.Errorf("%w: the server has no host key of a type that known_hosts has (%s): %w",
			source.ErrHostKey, strings.Join(d.known.algorithms(d.addr()), ", "), err)
	}
	return fmt.Errorf("%w: %w", source.ErrUnreachable, err)
}

// shellQuote makes one word of s for the server's shell.
func shellQuote(s string) string {
	return "'" + strings.NewReplacer("'", `'\''`, "!", `'\!'`).Replace(s) + "'"
}

// dialThrough connects to addr, by the proxy if there is one.
func dialThrough(ctx context.Context, via *url.URL, addr string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: 30 * time.Second}
	if via == nil {
		return dialer.DialContext(ctx, "tcp", addr)
	}
	if via.Scheme == "socks5" {
		p, err := proxy.FromURL(via, dialer)
		if err != nil {
			return nil, err
		}
		return p.(proxy.ContextDialer).DialContext(ctx, "tcp", addr)
	}
	if via.Scheme != "http" {
		return nil, invalidf("SSH goes through http and socks5 proxies only")
	}
	conn, err := dialer.DialContext(ctx, "tcp", via.Host)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if err := connect(conn, via, addr); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// connect asks an HTTP proxy for a tunnel (RFC 9110, CONNECT).
func connect(conn net.Conn, via *url.URL, addr string) error {
	req := "CONNECT " + addr + " HTTP/1.1\r\nHost: " + addr + "\r\n"
	if via.User != nil {
		password, _ := via.User.Password()
		req += "Proxy-Authorization: Basic " +
			base64.StdEncoding.EncodeToString([]byte(via.User.Username()+":"+password)) + "\r\n"
	}
	if _, err := io.WriteString(conn, req+"\r\n"); err != nil {
		return err
	}
	// One byte at a time: what follows the head belongs to SSH.
	res, err := http.ReadResponse(bufio.NewReaderSize(oneByte{conn}, 16), nil)
	if err != nil {
		return fmt.Errorf("%w: the proxy %s gave no answer to CONNECT: %w", source.ErrUnreachable, via.Host, err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: the proxy %s refused CONNECT to %s: %s", source.ErrUnreachable, via.Host, addr, res.Status)
	}
	return nil
}

type oneByte struct{ r io.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.r.Read(p[:min(1, len(p))]) }

// stderrText keeps the first lines that the server writes to its error output.
type stderrText struct {
	mu   sync.Mutex
	text []byte
}

func (s *stderrText) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if room := maxErrorBody - len(s.text); room > 0 {
		s.text = append(s.text, p[:min(len(p), room)]...)
	}
	return len(p), nil
}

func (s *stderrText) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.TrimSpace(string(s.text))
}

// remotePath keeps "~user/repo" relative to that user's home, as git does.
func remotePath(p string) string {
	if strings.HasPrefix(p, "/~") {
		return p[1:]
	}
	return p
}
