// Package gcpkms opens and seals SOPS data keys with Google Cloud's key management
// service, over its REST interface and without its SDK.
//
//	token, err := gcpkms.ServiceAccount(keyFile, nil) // or any function that gives an access token
//	if err != nil {
//		log.Fatal(err)
//	}
//	d, err := sops.NewDecrypter(sops.Options{Sources: []sops.KeySource{gcpkms.Source{Token: token}}})
//	if err != nil {
//		log.Fatal(err)
//	}
//	plain, err := d.Decrypt(ctx, encrypted, sops.YAML)
//
// Flux's Secret key sops.gcp-kms holds a service account's key file, for
// [ServiceAccount].
//
// # What it guarantees
//
// The token goes to Google's endpoint, or to Source.Endpoint, whatever a file says.
// Plaintexts are checked against the checksum that comes with them. Neither token
// nor data keys are in an error.
//
// # What it does not do
//
// It finds no credentials by itself: Source.Token may ask the metadata server, or
// any SDK.
package gcpkms
