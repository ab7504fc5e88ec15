// Package azurekv opens and seals SOPS data keys with keys of Azure Key Vault, over its
// REST interface and without its SDK.
//
//	token, err := azurekv.ParseServicePrincipal(credentials, nil) // or any function that gives an access token
//	if err != nil {
//		log.Fatal(err)
//	}
//	d, err := sops.NewDecrypter(sops.Options{Sources: []sops.KeySource{azurekv.Source{Token: token}}})
//	if err != nil {
//		log.Fatal(err)
//	}
//	plain, err := d.Decrypt(ctx, encrypted, sops.YAML)
//
// Flux's Secret key sops.azure-kv, with tenantId, clientId and clientSecret, is read
// by [ParseServicePrincipal].
//
// # What it guarantees
//
// The token goes to hosts of Azure's vaults, or to Source.VaultURL: a file that names
// another server is not for this source, so that who writes files can't collect
// tokens. Neither token nor data keys are in an error.
//
// # What it does not do
//
// It finds no credentials by itself, and service principals log in with a secret
// only: for certificates and managed identities Source.Token may ask any SDK.
package azurekv
