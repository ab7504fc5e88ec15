// Package store keeps artifacts as tar.gz files on disk, hands them out over
// HTTP, and removes old ones.
//
//	files, err := store.Open("/data", store.Options{})
//	if err != nil {
//		return err
//	}
//	key := store.Key{Kind: "gitrepository", Namespace: "flux-system", Name: "app"}
//	record, err := files.Put(ctx, key, artifact)
//	if err != nil {
//		return err
//	}
//	fmt.Println(record.Path, record.Digest, record.Size)
//	removed, err := files.Collect(ctx, key)
//	if err != nil {
//		return err
//	}
//	fmt.Println(len(removed), "old files removed")
//	return http.ListenAndServe(":9090", files.Handler())
//
// # What it guarantees
//
// Files are laid out as Flux lays them out: <kind>/<namespace>/<name>/<file>,
// with latest.tar.gz for the newest. A file's name is its digest: it never
// changes, so readers see a whole file or none, and may go on reading one that
// is collected. A file counts once it is complete and on disk, also when the
// process is killed or the machine loses power; what was left half-written is
// swept. An artifact whose content is stored already is not written again.
//
// # What it does not do
//
// It does not spread over several machines.
package store
