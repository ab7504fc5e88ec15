// Package source says what there is to deploy: it resolves a reference in a Git
// repository, an OCI registry, a Helm repository or a bucket to a revision, and
// fetches that revision as an immutable Artifact. The packages below it hold
// one kind of source each.
//
//	mirrors, err := git.OpenMirrors("/var/cache/mirrors", git.MirrorOptions{})
//	if err != nil {
//		return err
//	}
//	defer mirrors.Close()
//	repo, err := git.New(git.Options{
//		URL:       "https://github.com/stefanprodan/podinfo",
//		Reference: git.Reference{Branch: "master"},
//		Mirrors:   mirrors,
//	})
//	if err != nil {
//		return err
//	}
//	revision, err := repo.Resolve(ctx)
//	if err != nil {
//		return err
//	}
//	artifact, err := repo.Fetch(ctx, revision)
//	if err != nil {
//		return err
//	}
//	manifests, err := fs.ReadFile(artifact.FS(), "kustomize/deployment.yaml")
//
// # What it guarantees
//
// Revisions are Flux's strings. Resolve costs as little as the protocol allows,
// and Fetch of what is already kept costs no request. The same content has the
// same ContentDigest everywhere. Everything read from outside is bounded in
// size and entries, and checked to its end before it counts. No error and no
// String method shows a secret. Every error is an *Error and wraps one of the
// sentinels of this package where one applies.
//
// # What it does not do
//
// It does not know Kubernetes: no package below it, helmrepo apart, imports
// k8s.io. It renders nothing; see package render.
package source
