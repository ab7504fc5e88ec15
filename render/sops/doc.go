// Package sops decrypts and encrypts files and Kubernetes objects in the format
// of SOPS (https://getsops.io), with age and PGP keys, in memory.
//
//	d, err := sops.NewDecrypter(sops.Options{Age: []string{os.Getenv("SOPS_AGE_KEY")}})
//	if err != nil {
//		log.Fatal(err)
//	}
//	plain, err := d.Decrypt(ctx, encrypted, sops.YAML)
//	if err != nil {
//		log.Fatal(err) // sops: … which keys the file wants, never what is in it
//	}
//	os.Stdout.Write(plain)
//
// A Decrypter is what package render/kustomize takes as Options.Decrypter: it
// decrypts inputs of secretGenerators and patches before the build, whole objects
// and the values of Secrets after it. Keys come from a Secret's data in Flux's
// form (Options.Secret), as text, or from a KeySource.
//
// # What it guarantees
//
//   - Files are YAML, JSON, dotenv, INI or binary; values are authenticated one by one
//     and, in files, by the MAC over all of them.
//   - Plaintext and keys are only in memory and never in an error.
//   - Several key groups (Shamir's secret sharing) are understood.
//   - What Encrypt writes, the sops command reads, and the other way round.
//
// # What it does not do
//
// Key services are behind the interface KeySource, in packages of their own: awskms,
// gcpkms, azurekv and vault. Rules by comment are refused. The MAC of a
// whole object can't be checked after a build, which may have changed it; each
// of its values is still authenticated, and VerifyFile checks the file before.
package sops
