// Package archive packs a tree of files into a reproducible tar.gz, unpacks
// tar.gz streams from strangers without letting them leave their folder, and
// decides which files a tree leaves out.
//
// A folder on disk becomes an archive, and an archive a folder, like this:
//
//	ignore := archive.NewIgnore(archive.IgnoreOptions{})
//	entries, open, err := archive.Scan(os.DirFS("deploy"), ignore)
//	if err != nil {
//		return err
//	}
//	info, err := archive.Write(ctx, out, entries, open, archive.WriteOptions{})
//	if err != nil {
//		return err
//	}
//	fmt.Println(info.Digest, info.Size)
//	stats, err := archive.Extract(ctx, in, "restored", archive.ExtractOptions{})
//
// # What it guarantees
//
// The same entries give the same bytes on every machine that was built with
// the same Go release: times, owners and groups are zero, modes are 0644 or
// 0755, names are sorted. Write compresses in segments whose borders depend on
// the content alone, so a Cache can keep the compressed segments that did not
// change.
//
// Extract refuses, with an error that wraps ErrUnsafe, every name or link that
// would lead outside the folder, every kind of entry that is no file, folder
// or symbolic link, and, with ErrTooLarge, every stream that exceeds the
// limits. The folder appears whole or not at all.
//
// # What it does not do
//
// It keeps no owners, times, extended attributes or set-uid bits, and it does
// not read zip files.
package archive
