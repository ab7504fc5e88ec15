// Package git fetches from Git repositories, and pushes to them.
//
//	mirrors, err := git.OpenMirrors(dir, git.MirrorOptions{})
//	if err != nil {
//		return err
//	}
//	defer mirrors.Close()
//	repo, err := git.New(git.Options{
//		URL:       "ssh://git@example.com/team/app",
//		Reference: git.Reference{SemVer: ">=1.0.0 <2.0.0"},
//		Auth:      git.Auth{Identity: privateKey, KnownHosts: knownHosts},
//		Mirrors:   mirrors,
//	})
//	if err != nil {
//		return err
//	}
//	revision, err := repo.Resolve(ctx) // v1.4.2@sha1:1eab…
//	if err != nil {
//		return err
//	}
//	artifact, err := repo.Fetch(ctx, revision)
//
// # What it guarantees
//
// A repository is kept as one bare mirror per URL and credential, into which
// only the difference is fetched; what one credential may read is not shown to
// another. An unchanged branch costs one listing of references, shared by all
// sources with that URL and credential; a commit that is in the mirror costs no
// request; a commit that changes nothing that is selected gives the same
// ContentDigest. Artifacts are read from the mirror's packs, without a work
// tree, and each object is checked against its id. A damaged mirror is made
// anew. Several processes may use one folder of mirrors.
//
// Only what Options holds is used: no configuration of the machine or the user,
// no SSH agent, no credential helper. HTTP redirects are followed for the first
// request only, never from https to http, and never with credentials to another
// origin. SSH host keys must be known.
//
// A GitHub App's key is sent nowhere: it signs for tokens of an hour, which all
// repositories of an installation share.
//
// Push never overwrites what others pushed: it computes the change again on top
// of it. Signatures of commits and tags can be required. Submodules on another
// host never get the parent's credentials.
//
// # What it does not do
//
// The default transport speaks version 0 of Git's protocol, which some servers
// serve badly (Azure DevOps, AWS CodeCommit), and knows no SHA-256 repositories:
// set Options.Transport to TransportGit for those. Files in LFS stay pointers
// unless Options.LFS is set; Push sees and writes pointers.
package git
