package vault

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gitopskit/gitopskit/render/sops"
)

// Source is a sops.KeySource and, with Engine and Key, a sops.Recipient.
type Source struct {
	// Address is the server's URL; it is required.
	Address string
	// Token gives the token of a request; it is required.
	Token func(ctx context.Context) (string, error)
	// Engine and Key are the transit engine's path and the key's name for
	// encryption. Decryption takes them from the file.
	Engine, Key string
	// Client sends the requests. Nil means one with a timeout of 30 s.
	Client *http.Client
}

// ErrServer: the server refused or its answer can't be read.
var ErrServer = errors.New("vault: the server did not answer as wanted")

const maxAnswer = 1 << 20

// OpenDataKey implements sops.KeySource. It returns sops.ErrNoKey for keys of
// other kinds and other servers.
func (s Source) OpenDataKey(ctx context.Context, k sops.MasterKey) ([]byte, error) {
	if k.Kind != sops.KindVault || !sameServer(k.Fields["vault_address"], s.Address) {
		return nil, sops.ErrNoKey
	}
	var answer struct {
		Data struct{ Plaintext string }
	}
	err := s.call(ctx, k.Fields["engine_path"], "decrypt", k.Fields["key_name"], map[string]string{"ciphertext": k.Encrypted}, &answer)
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(answer.Data.Plaintext)
	if err != nil {
		return nil, fmt.Errorf("%w: no base64", ErrServer)
	}
	return key, nil
}

// SealDataKey implements sops.Recipient.
func (s Source) SealDataKey(ctx context.Context, dataKey []byte) (sops.MasterKey, error) {
	var answer struct {
		Data struct{ Ciphertext string }
	}
	err := s.call(ctx, s.Engine, "encrypt", s.Key, map[string]string{"plaintext": base64.StdEncoding.EncodeToString(dataKey)}, &answer)
	return sops.MasterKey{Kind: sops.KindVault, Encrypted: answer.Data.Ciphertext, Fields: map[string]string{
		"vault_address": s.Address, "engine_path": s.Engine, "key_name": s.Key,
		"created_at": time.Now().UTC().Format(time.RFC3339),
	}}, err
}

func sameServer(a, b string) bool {
	ua, errA := url.Parse(a)
	ub, errB := url.Parse(b)
	return errA == nil && errB == nil && ua.Host != "" && ua.Scheme == ub.Scheme && strings.EqualFold(ua.Host, ub.Host)
}

// call sends one request of the transit engine.
func (s Source) call(ctx context.Context, engine, verb, key string, in, out any) error {
	if s.Address == "" || s.Token == nil {
		return fmt.Errorf("%w: set Source.Address and Source.Token", ErrServer)
	}
	if !plainPath(engine) || !plainPath(key) || strings.Contains(key, "/") {
		return fmt.Errorf("%w: engine %q, key %q", ErrServer, engine, key)
	}
	token, err := s.Token(ctx)
	if err != nil {
		return fmt.Errorf("vault: no token: %w", err)
	}
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	address, err := url.JoinPath(s.Address, "v1", engine, verb, key)
	if err != nil {
		return fmt.Errorf("%w: Source.Address", ErrServer)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: Source.Address", ErrServer)
	}
	req.Header.Set("X-Vault-Token", token)
	return s.send(req, out)
}

func (s Source) send(req *http.Request, out any) error {
	client := s.Client
	if client == nil {
		client = &http.Client{Timeout: 30 * time.Second}
	}
	// A redirect would take the token elsewhere.
	c := *client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := c.Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrServer, err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: %s", ErrServer, resp.Status)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out); err != nil {
		return fmt.Errorf("%w: no JSON", ErrServer)
	}
	return nil
}

// plainPath keeps a file from reaching other parts of the API.
func plainPath(p string) bool {
	return p != "" && !strings.Contains(p, "..") && !strings.ContainsAny(p, "?#%\\") && !strings.HasPrefix(p, "/")
}
