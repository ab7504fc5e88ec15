// Package source measures the sources against the ways of others, in one run
// and against the same servers: fluxcd/pkg/git/gogit (a fresh shallow clone),
// fluxcd/pkg/tar, fluxcd/pkg/oci and Helm's index loader. Run it with
//
//	make bench-source
//
// Each case runs the peer first and then ours, which reports how many times
// faster it is as "x-faster".
package source
