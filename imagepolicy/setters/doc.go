// Package setters writes chosen images into YAML files, at the places that
// markers name, and changes no other byte.
//
// A marker is a comment on the line of a scalar, or alone on the lines right
// above it:
//
//	image: ghcr.io/org/app:1.0.0 # {"$imagepolicy": "flux-system:app"}
//	tag: 1.0.0 # {"$imagepolicy": "flux-system:app:tag"}
//
// The suffix :tag, :name or :digest writes that part of the image alone. The older
// form {"$ref": "#/definitions/io.k8s.cli.setters.flux-system:app"} means the
// same. A program:
//
//	result, err := setters.Update("clusters/production", setters.Options{
//		Images: map[setters.Policy]setters.Image{
//			{Namespace: "flux-system", Name: "app"}: {Name: "ghcr.io/org/app", Tag: "1.1.0"},
//		},
//	})
//	for _, c := range result.Changes {
//		fmt.Println(c)
//	}
//	for _, s := range result.Skipped {
//		fmt.Println(s)
//	}
//	return err
//
// # What it guarantees
//
// Only the bytes of marked scalars change: line endings, blank lines, comments,
// document separators, anchors and a byte order mark stay. The style of quotes is
// kept; a plain scalar gets double quotes only where the new value would not be a
// string without them, such as 1.10. [Undo] gives back the original bytes.
//
// Every changed file is read again as YAML before it is written. A file that is
// not UTF-8 or does not parse is left alone and reported, and so is a marker that
// cannot be followed. Files are replaced whole, with their permissions; nothing
// outside the folder is read or written, and symbolic links are not followed.
//
// # What it does not do
//
// It does not choose images, and it does not use Git. It reads files named *.yaml,
// *.yml and Kustomization. It does not write block scalars, scalars of several
// lines, and aliases; of an anchored scalar, it writes the definition. A file
// without the text of a marker is not parsed, so that its errors are not noticed.
package setters
