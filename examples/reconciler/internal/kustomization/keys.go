package kustomization

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gitopskit/gitopskit/render/sops"
	"github.com/gitopskit/gitopskit/render/sops/awskms"
	"github.com/gitopskit/gitopskit/render/sops/azurekv"
	"github.com/gitopskit/gitopskit/render/sops/gcpkms"
	"github.com/gitopskit/gitopskit/render/sops/vault"
)

// vaultAddressKey is the one key of the Secret that Flux does not have: a token is
// only sent to a server that who has the token names, not to any that a file names.
const vaultAddressKey = "sops.vault-address"

// keySources reads the keys sops.… of a Secret, in Flux's form. vaultAddress is used
// where the Secret names no server.
func keySources(data map[string][]byte, vaultAddress string) ([]sops.KeySource, error) {
	var out []sops.KeySource
	for _, name := range slices.Sorted(maps.Keys(data)) {
		if !strings.HasPrefix(name, "sops.") || name == vaultAddressKey {
			continue
		}
		source, err := keySource(name, data, vaultAddress)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", name, err)
		}
		sum := sha256.Sum256(data[name])
		out = append(out, printed{source, hex.EncodeToString(sum[:])})
	}
	return out, nil
}

func keySource(name string, data map[string][]byte, vaultAddress string) (sops.KeySource, error) {
	switch value := data[name]; name {
	case "sops.aws-kms":
		c, err := awskms.ParseCredentials(value)
		return awskms.Source{Credentials: awskms.Static(c)}, err
	case "sops.gcp-kms":
		token, err := gcpkms.ServiceAccount(value, nil)
		return gcpkms.Source{Token: token}, err
	case "sops.azure-kv":
		token, err := azurekv.ParseServicePrincipal(value, nil)
		return azurekv.Source{Token: token}, err
	case "sops.vault-token":
		if own := strings.TrimSpace(string(data[vaultAddressKey])); own != "" {
			vaultAddress = own
		}
		if vaultAddress == "" {
			return nil, errors.New("which server may see the token? Set the key " + vaultAddressKey + " beside it, or VAULT_ADDR of the reconciler")
		}
		token := strings.TrimSpace(string(value))
		return vault.Source{Address: vaultAddress, Token: func(context.Context) (string, error) { return token, nil }}, nil
	}
	return nil, errors.New("it is none of sops.aws-kms, sops.azure-kv, sops.gcp-kms and sops.vault-token")
}

// printed is a source with the fingerprint of its credentials, so that what was built
// with others is not taken for what these give.
type printed struct {
	sops.KeySource
	sum string
}

// Fingerprint tells credentials apart.
func (p printed) Fingerprint() string { return p.sum }
