package receiver

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"time"
)

// googleKeysURL is where Google publishes the keys of its ID tokens.
const googleKeysURL = "https://www.googleapis.com/oauth2/v3/certs"

// googleKeys are kept for an hour, and asked for at most every minute when a key
// is not among them.
type googleKeys struct {
	url    string
	client *http.Client

	mu    sync.Mutex
	keys  map[string]*rsa.PublicKey
	asked time.Time
}

const (
	googleKeysKept  = time.Hour
	googleKeysPause = time.Minute
	googleClockSkew = time.Minute
)

// check verifies a Google ID token (RS256) for the configured audience and
// e-mail address.
func (g *googleKeys) check(ctx context.Context, c *Config, h http.Header, now time.Time) error {
	value, ok := one(h, "Authorization")
	token, bearer := strings.CutPrefix(value, "Bearer ")
	if !ok || !bearer {
		return fmt.Errorf("%w: header Authorization must be a bearer token", ErrUnauthorized)
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > 8192 {
		return fmt.Errorf("%w: the token is no JWT", ErrUnauthorized)
	}
	var head struct{ Alg, Kid string }
	if err := segment(parts[0], &head); err != nil || head.Alg != "RS256" {
		return fmt.Errorf("%w: the token is not signed by RS256", ErrUnauthorized)
	}
	key, err := g.key(ctx, head.Kid, now)
	if err != nil {
		return err
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err != nil || rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) != nil {
		return fmt.Errorf("%w: the token's signature is wrong", ErrUnauthorized)
	}
	return checkClaims(parts[1], c, now)
}

func checkClaims(part string, c *Config, now time.Time) error {
	var claims struct {
		Iss, Aud, Email string
		Verified        bool  `json:"email_verified"`
		Exp             int64 `json:"exp"`
		Iat             int64 `json:"iat"`
	}
	if err := segment(part, &claims); err != nil {
		return fmt.Errorf("%w: the token's claims are no JSON", ErrUnauthorized)
	}
	switch {
	case claims.Iss != "accounts.google.com" && claims.Iss != "https://accounts.google.com":
		return fmt.Errorf("%w: the token is not Google's", ErrUnauthorized)
	case now.After(time.Unix(claims.Exp, 0).Add(googleClockSkew)):
		return fmt.Errorf("%w: the token has expired", ErrUnauthorized)
	case now.Before(time.Unix(claims.Iat, 0).Add(-googleClockSkew)):
		return fmt.Errorf("%w: the token is of the future", ErrUnauthorized)
	case !sameSecret(claims.Aud, c.Audience):
		return fmt.Errorf("%w: the token is for another audience", ErrUnauthorized)
	case !claims.Verified || !sameSecret(claims.Email, c.Email):
		return fmt.Errorf("%w: the token names another account", ErrUnauthorized)
	}
	return nil
}

func segment(s string, into any) error {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}

func (g *googleKeys) key(ctx context.Context, kid string, now time.Time) (*rsa.PublicKey, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	age := now.Sub(g.asked)
	if k := g.keys[kid]; k != nil && age < googleKeysKept {
		return k, nil
	}
	if g.asked.IsZero() || age >= googleKeysPause {
		g.asked = now
		keys, err := g.fetch(ctx)
		if err != nil {
			g.asked = time.Time{}
			return nil, fmt.Errorf("keys of Google: %w", err)
		}
		g.keys = keys
	}
	if k := g.keys[kid]; k != nil {
		return k, nil
	}
	return nil, fmt.Errorf("%w: the token is signed by an unknown key", ErrUnauthorized)
}

func (g *googleKeys) fetch(ctx context.Context) (map[string]*rsa.PublicKey, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := g.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(resp.Status)
	}
	var set struct {
		Keys []struct{ Kid, Kty, N, E string }
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&set); err != nil {
		return nil, err
	}
	keys := map[string]*rsa.PublicKey{}
	for _, k := range set.Keys {
		n, errN := base64.RawURLEncoding.DecodeString(k.N)
		e, errE := base64.RawURLEncoding.DecodeString(k.E)
		if k.Kty == "RSA" && errN == nil && errE == nil && len(e) > 0 && len(e) <= 4 {
			keys[k.Kid] = &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
		}
	}
	return keys, nil
}
