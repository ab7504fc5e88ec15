// Package signature signs Git commits and tags, and verifies their signatures,
// with PGP and SSH keys.
//
//	keys, err := signature.KeyringFromSecret(secret.Data)
//	if err != nil {
//		return err
//	}
//	repo, err := git.New(git.Options{
//		URL:       url,
//		Reference: git.Reference{Tag: "v1.2.3"},
//		Verify:    &git.Verify{Mode: git.VerifyTagAndHEAD, Keys: keys},
//		Mirrors:   mirrors,
//	})
//
// and for commits that git.Source.Push makes:
//
//	signer, err := signature.NewSSHSigner(privateKey, passphrase)
//
// # What it guarantees
//
// An object counts as signed only if it has exactly one signature, made by one
// of the keys over exactly the object's other bytes. An SSH signature must be
// made for the namespace "git". A key that cannot be read does not hide those
// beside it. Private keys stay in memory and in no error.
//
// # What it does not do
//
// It knows neither X.509 (gitsign, S/MIME) nor a web of trust: the keys that
// are given are those that are trusted.
package signature
