// Package ssa measures package ssa of the SDK against other ways to apply a set
// of objects, on one API server and in one run: fluxcd/pkg/ssa, the applier of
// cli-utils, kubectl, and bare requests; and what keeping watch and planning
// cost.
//
//	make bench-ssa TESTFLAGS='-objects=1000,5000 -watched=20000'
package ssa
