package gitserver

import (
	"bufio"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/gitopskit/gitopskit/internal/parts"
)

// SSH is a running sshd that serves the repositories of a Server to one key.
type SSH struct {
	// Addr is host:port.
	Addr string
	// User is whom clients log in as: the user who runs the test.
	User string
	// Identity is the private key that the server lets in.
	Identity []byte
	// KnownHosts is the line that trusts the server.
	KnownHosts []byte
	// HostKey is the server's key.
	HostKey ssh.PublicKey
	// HostCA signed the certificate that the server shows, if it has one.
	HostCA ssh.PublicKey

	mu       sync.Mutex
	sessions int
	programs string // folder that commands are looked for first
}

// Program puts a script where the commands of clients are looked for first.
func (s *SSH) Program(t testing.TB, name, script string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.programs, name), []byte(script), 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
}

// URL is where a repository is reached.
func (s *SSH) URL(r *Repo) string { return "ssh://" + s.User + "@" + s.Addr + r.Dir }

// Sessions counts the commands that clients ran.
func (s *SSH) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions
}

// NewKey makes an SSH key: the private half in OpenSSH's format, encrypted if
// a passphrase is given.
func NewKey(t testing.TB, passphrase string) (private []byte, public ssh.PublicKey) {
	t.Helper()
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var block *pem.Block
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(priv, "", []byte(passphrase))
	} else {
		block, err = ssh.MarshalPrivateKey(priv, "")
	}
	if err != nil {
		t.Fatal(err)
	}
	public, err = ssh.NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block), public
}

// SSH starts OpenSSH's server on a free port of the loopback address. It lets
// a fresh key in, and those given.
func (s *Server) SSH(keys ...ssh.PublicKey) *SSH {
	s.t.Helper()
	return s.ssh(nil, keys)
}

// SSHWithCertificate is like SSH, and the server shows a certificate for its
// host key that names the hosts given.
func (s *Server) SSHWithCertificate(hosts ...string) *SSH {
	s.t.Helper()
	return s.ssh(hosts, nil)
}

func (s *Server) ssh(certified []string, keys []ssh.PublicKey) *SSH {
	t := s.t
	t.Helper()
	sshd := findServer(t, "sshd", "apt-get install openssh-server")
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if me.Uid == "0" { // sshd, started by root, insists on this folder
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	hostPrivate, hostKey := NewKey(t, "")
	identity, public := NewKey(t, "")
	var authorized []byte
	for _, k := range append(keys, public) {
		authorized = append(authorized, ssh.MarshalAuthorizedKey(k)...)
	}
	write(t, filepath.Join(dir, "host_key"), hostPrivate)
	write(t, filepath.Join(dir, "authorized_keys"), authorized)
	port := freePort(t)
	programs := t.TempDir()
	write(t, filepath.Join(dir, "config"), fmt.Appendf(nil, `
ListenAddress 127.0.0.1:%s
HostKey %s/host_key
AuthorizedKeysFile %s/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
LogLevel VERBOSE
SetEnv PATH=%s:%s
`, port, dir, dir, programs, os.Getenv("PATH")))
	var ca ssh.PublicKey
	if certified != nil {
		ca = certify(t, dir, hostKey, certified)
	}
	out := &SSH{
		HostCA: ca, Addr: "127.0.0.1:" + port, User: me.Username, Identity: identity, HostKey: hostKey, programs: programs,
		KnownHosts: fmt.Appendf(nil, "[127.0.0.1]:%s %s", port, ssh.MarshalAuthorizedKey(hostKey)),
	}
	out.start(t, exec.Command(sshd, "-D", "-e", "-f", filepath.Join(dir, "config"))) //nolint:noctx // ended by Cleanup
	return out
}

// certify adds a certificate for the host key to the configuration in dir.
func certify(t testing.TB, dir string, hostKey ssh.PublicKey, hosts []string) (ca ssh.PublicKey) {
	t.Helper()
	private, ca := NewKey(t, "")
	signer, err := ssh.ParsePrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert := &ssh.Certificate{Key: hostKey, CertType: ssh.HostCert, KeyId: "host", ValidPrincipals: hosts, ValidBefore: ssh.CertTimeInfinity}
	if err := cert.SignCert(rand.Reader, signer); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "host_key-cert.pub"), ssh.MarshalAuthorizedKey(cert))
	name := filepath.Join(dir, "config")
	config, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	write(t, name, fmt.Appendf(config, "HostCertificate %s/host_key-cert.pub\n", dir))
	return ca
}

// start runs sshd until the test ends and waits until it listens.
func (s *SSH) start(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan bool, 1)
	done := make(chan struct{})
	var text strings.Builder
	go func() {
		defer close(done)
		lines := bufio.NewScanner(log)
		for lines.Scan() {
			switch line := lines.Text(); {
			case strings.Contains(line, "Server listening on"):
				ready <- true
			case strings.Contains(line, "Starting session: command"):
				s.mu.Lock()
				s.sessions++
				s.mu.Unlock()
			default:
				text.WriteString(line + "\n")
			}
		}
		select {
		case ready <- false:
		default:
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
		_ = cmd.Wait()
	})
	if !<-ready {
		<-done
		t.Fatalf("sshd did not start:\n%s", text.String())
	}
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func write(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// findServer looks for a program where Debian puts servers, which is not in
// every user's PATH.
func findServer(t testing.TB, name, howToInstall string) string {
	t.Helper()
	if p, err := exec.LookPath("/usr/sbin/" + name); err == nil {
		return p
	}
	return parts.RequireProgram(t, name, howToInstall)
}
