// Package helmrepo finds charts in Helm repositories, over HTTP with an
// index.yaml or in OCI registries, and fetches them as artifacts that hold the
// chart's files.
//
//	repo, err := helmrepo.New(helmrepo.Options{
//		URL: "https://stefanprodan.github.io/podinfo",
//		Dir: cacheDir,
//	})
//	if err != nil {
//		return err
//	}
//	defer repo.Close()
//	chart, err := repo.Chart(helmrepo.ChartOptions{Name: "podinfo", Version: "6.x"})
//	if err != nil {
//		return err
//	}
//	version, err := chart.Resolve(ctx) // 6.5.1
//	if err != nil {
//		return err
//	}
//	artifact, err := chart.Fetch(ctx, version)
//	values, err := fs.ReadFile(artifact.FS(), "values.yaml")
//
// # What it guarantees
//
// The index is asked for with the ETag or the date of the one that is kept: an
// index that did not change costs one answer 304. It is read as a stream, and
// only the entries of the chart in question are kept in memory. It may have 50
// MiB and a chart 10 MiB, unpacked 100 MiB. A chart's digest is checked if the
// index gives one. Credentials go to the repository's own scheme, host and port,
// and elsewhere only with PassCredentials; never along a redirect to another
// host. Versions that are no semantic versions are passed over.
//
// Build makes a whole chart of a folder: with dependencies from repositories,
// registries and the same artifact, at the versions of Chart.lock, with its
// values files, and with the revision in its version if that is wanted.
//
// # What it does not do
//
// It renders nothing, and knows nothing of the repositories that the helm command
// was told of: dependencies name theirs by URL.
package helmrepo
