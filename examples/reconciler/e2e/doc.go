// Package e2e holds the end-to-end tests of the reconciler: the built program,
// a real API server, real Git servers.
package e2e
