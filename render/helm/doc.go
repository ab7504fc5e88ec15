// Package helm loads charts, composes values and renders templates, as Helm v3
// does, without a cluster.
//
//	chart, err := helm.LoadFS(ctx, os.DirFS("charts"), "podinfo", helm.LoadOptions{})
//	if err != nil {
//		log.Fatal(err)
//	}
//	out, err := helm.Template(ctx, chart, helm.Options{
//		ReleaseName: "podinfo", Namespace: "default",
//		Values: map[string]any{"replicaCount": 2},
//	})
//	if err != nil {
//		log.Fatal(err) // helm: podinfo-6.5.0: podinfo/templates/service.yaml:12: …
//	}
//	objects, err := out.Objects()
//	if err != nil {
//		log.Fatal(err)
//	}
//	for _, obj := range objects {
//		fmt.Println(obj.GetKind(), obj.GetName())
//	}
//
// # What it guarantees
//
//   - The output is Helm's, byte for byte; a test compares them.
//   - A Chart never changes and is shared by goroutines; its templates are parsed
//     once, and what a template gives again is not parsed again.
//   - Template is pure: no cluster, no network, no environment, no DNS. lookup
//     finds what Options.Lookup gives.
//   - Templates are bounded in time and memory: loops, recursion, and functions
//     that make much of little end in ErrLimit.
//   - Errors are typed and name file and line; values are not in them, but for what
//     a chart itself says with fail and required and what a schema reports.
//
// # What it does not do
//
// It does not install: see package render/helm/release. It does not fetch charts:
// packages source/helmrepo and source/oci do, and LoadOptions.Dependencies says
// where dependencies come from. For odd charts Helm's libraries write warnings
// to the standard logger of package log.
package helm
