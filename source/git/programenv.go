package git

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
)

// environment is all that git gets: no configuration of the machine or the
// user, no prompts, no agent, three protocols.
func (b *gitProgram) environment(auth Auth, private string) ([]string, error) {
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + private, "XDG_CONFIG_HOME=" + private, "LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_ATTR_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=", "SSH_ASKPASS=", "GIT_ALLOW_PROTOCOL=http:https:ssh", "GIT_PROTOCOL_FROM_USER=0",
		"GIT_LFS_SKIP_SMUDGE=1", "GIT_NO_REPLACE_OBJECTS=1",
	}
	config := [][2]string{
		{"core.hooksPath", os.DevNull}, {"core.fsmonitor", "false"}, {"credential.helper", ""}, {"protocol.version", "2"},
		{"fetch.unpackLimit", "1"}, {"fetch.writeCommitGraph", "false"}, {"gc.auto", "0"}, {"maintenance.auto", "false"},
		{"core.bigFileThreshold", "16m"}, {"core.deltaBaseCacheLimit", "16m"}, {"pack.threads", "1"}, {"transfer.bundleURI", "false"},
		{"submodule.recurse", "false"}, {"safe.directory", "*"}, {"http.userAgent", "git/2.0 (gitopskit)"},
	}
	if b.endpoint.scheme == "ssh" {
		command, err := b.sshCommand(private)
		if err != nil {
			return nil, err
		}
		env = append(env, "GIT_SSH_COMMAND="+command, "GIT_SSH_VARIANT=ssh")
	} else {
		more, err := b.httpConfig(auth, private)
		if err != nil {
			return nil, err
		}
		config = append(config, more...)
		if b.proxy.URL == "" {
			env = append(env, proxyEnvironment()...)
		}
	}
	env = append(env, fmt.Sprintf("GIT_CONFIG_COUNT=%d", len(config)))
	for i, kv := range config {
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, kv[0]), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, kv[1]))
	}
	return env, nil
}

func proxyEnvironment() []string {
	var out []string
	for _, name := range []string{"http_proxy", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"} {
		if v, ok := os.LookupEnv(name); ok {
			out = append(out, name+"="+v)
		}
	}
	return out
}

func (b *gitProgram) httpConfig(auth Auth, private string) ([][2]string, error) {
	var config [][2]string
	if header := auth.header().Get("Authorization"); header != "" {
		// git would send the header on to where a redirect leads.
		config = append(config, [2]string{"http.extraHeader", "Authorization: " + header}, [2]string{"http.followRedirects", "false"})
	}
	files := map[string][]byte{}
	if len(auth.CA) > 0 {
		files["http.sslCAInfo"] = append(append(systemCertificates(), '\n'), auth.CA...)
	}
	if len(auth.ClientCert) > 0 {
		files["http.sslCert"], files["http.sslKey"] = auth.ClientCert, auth.ClientKey
	}
	for key, data := range files {
		name := filepath.Join(private, strings.TrimPrefix(key, "http."))
		if err := os.WriteFile(name, data, 0o600); err != nil {
			return nil, err
		}
		config = append(config, [2]string{key, name})
	}
	if b.proxy.URL != "" {
		u, err := b.proxy.parse()
		if err != nil {
			return nil, err
		}
		config = append(config, [2]string{"http.proxy", u.String()}, [2]string{"http.proxyAuthMethod", "basic"})
	}
	return config, nil
}

// systemCertificates is what the system trusts, as far as it is one file.
func systemCertificates() []byte {
	for _, name := range []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"} {
		if data, err := os.ReadFile(name); err == nil {
			return data
		}
	}
	return nil
}

// sshCommand writes the key, decrypted, and the known hosts to private files.
func (b *gitProgram) sshCommand(private string) (string, error) {
	identity := b.auth.Identity
	if b.auth.Passphrase != "" {
		raw, err := ssh.ParseRawPrivateKeyWithPassphrase(identity, []byte(b.auth.Passphrase))
		if err == nil {
			block, err := ssh.MarshalPrivateKey(raw, "")
			if err != nil {
				return "", invalidf("the SSH private key: %v", err)
			}
			identity = pem.EncodeToMemory(block)
		}
	}
	if !bytes.HasSuffix(identity, []byte("\n")) {
		identity = append(bytes.Clone(identity), '\n') // OpenSSH insists on it
	}
	key, known := filepath.Join(private, "identity"), filepath.Join(private, "known_hosts")
	for name, data := range map[string][]byte{key: identity, known: b.auth.KnownHosts} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			return "", err
		}
	}
	return strings.Join([]string{
		"ssh", "-F", os.DevNull, "-T", "-i", shellQuote(key),
		"-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes",
		"-o", shellQuote("UserKnownHostsFile=" + known), "-o", "GlobalKnownHostsFile=" + os.DevNull, "-o", "UpdateHostKeys=no",
		"-o", "PreferredAuthentications=publickey", "-o", "ConnectTimeout=30",
	}, " "), nil
}
