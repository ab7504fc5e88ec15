// Package gitopskit is the root of the gitopskit module: Go packages that
// take what Git says and make Kubernetes clusters match it.
//
// The root package holds no code. See the packages below it:
//
//   - source: what is there to deploy (Git, OCI, Helm repositories, buckets)
//   - render: which objects it means (Kustomize, Helm)
//   - ssa: how the cluster comes to match (plan, apply, drift, wait)
//   - inventory: what is owned, and what must go
//   - imagepolicy: which image tag should run
//   - notify: who hears of it
package gitopskit
