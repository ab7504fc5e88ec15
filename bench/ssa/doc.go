// Package ssa measures package ssa of the SDK against other ways to apply a set
// of objects, on one API server and in one run.
package ssa
