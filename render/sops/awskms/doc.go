// Package awskms opens and seals SOPS data keys with the key management service of
// AWS, over its HTTP interface and without its SDK.
//
//	source := awskms.Source{Credentials: awskms.Static(awskms.Credentials{
//		AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"),
//	})}
//	d, err := sops.NewDecrypter(sops.Options{Sources: []sops.KeySource{source}})
//	if err != nil {
//		log.Fatal(err)
//	}
//	plain, err := d.Decrypt(ctx, encrypted, sops.YAML)
//
// Flux's Secret key sops.aws-kms is read by [ParseCredentials].
//
// # What it guarantees
//
// Requests are signed (Signature Version 4) and go to the endpoint of the key's
// region, or to Source.Endpoint. Neither credentials nor data keys are in an error.
//
// # What it does not do
//
// It finds no credentials by itself and assumes no roles: Source.Credentials is
// told the role that a file names, and may do so with any SDK. The partitions
// that are closed to the public need Source.Endpoint.
package awskms
