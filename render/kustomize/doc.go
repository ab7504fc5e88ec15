// Package kustomize builds Kubernetes objects from a folder: from its
// kustomization, or, where it has none, from all manifests below it. It offers
// all that Flux's Kustomization can ask of a build.
//
//	objects, err := kustomize.Build(ctx, os.DirFS("."), "overlays/production", kustomize.Options{
//		TargetNamespace: "shop",
//		Images:          []kustomize.Image{{Name: "ghcr.io/org/app", NewTag: "1.2.3"}},
//		Substitute:      envsubst.Substitution{Variables: map[string]string{"region": "eu"}},
//	})
//	if err != nil {
//		log.Fatal(err) // kustomize: base/web.yaml:12: … (overlays/production → base)
//	}
//	for _, obj := range objects {
//		fmt.Println(obj.GetKind(), obj.GetName())
//	}
//
// A Builder keeps results: as long as digest, folder and options are the same,
// nothing is built.
//
// # Order of the steps
//
// Options overlay the root kustomization in memory; inputs of secretGenerators
// and patches are decrypted; the kustomize library builds; objects are
// decrypted; variables are replaced; common labels and annotations are set.
//
// # What it guarantees
//
//   - Nothing is written to disk, and nothing read but the given fs.FS. Paths and
//     symbolic links that lead out of it fail; links inside it work where the
//     fs.FS is an fs.ReadLinkFS, as that of os.DirFS is, and fail elsewhere.
//   - Nothing is fetched and nothing run: plugins and Helm inflation fail, URLs
//     fail unless Options.Remote fetches them; Remotes does so by a list of hosts.
//   - Builds run in parallel. The OpenAPI schema, which the kustomize library
//     keeps for the process, is shared by all builds but those that bring their
//     own, which have it alone, add to it, and leave none of it to the next. (The
//     kustomize command replaces the built-in schema; Flux adds to it.) This holds among the
//     builds of this package; a program that also calls the library itself must
//     not do so at the same time.
//   - Size, depth, number of kustomizations and YAML aliases are bounded; a panic
//     of the library becomes ErrPanic.
//   - Errors are typed and say file, line and field, as far as they can be known,
//     and the chain of kustomizations that leads there.
//
// # What it does not do
//
// It does not check objects against the API, nor run Kubernetes functions. The
// kustomize library has no context: a context that ends stops the build at the
// next file that it reads. For fields that are deprecated in kustomizations the
// library writes a warning to the standard error.
package kustomize
