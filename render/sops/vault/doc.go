// Package vault opens SOPS data keys with the transit engine of HashiCorp Vault or
// OpenBao.
//
//	d, err := sops.NewDecrypter(sops.Options{Sources: []sops.KeySource{vault.Source{
//		Address: "https://vault.example.com", Token: func(context.Context) (string, error) {
//			return os.Getenv("VAULT_TOKEN"), nil
//		},
//	}}})
//	if err != nil {
//		log.Fatal(err)
//	}
//	plain, err := d.Decrypt(ctx, encrypted, sops.YAML)
//
// # What it guarantees
//
// The token goes to Address only: a file that names another server is not for this
// source, so that who writes files can't collect tokens. Neither token nor key is
// in an error.
//
// # What it does not do
//
// It does not log in or renew: give a Token function that does.
package vault
