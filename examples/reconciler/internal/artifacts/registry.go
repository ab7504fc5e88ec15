// Package artifacts hands what the source reconcilers have fetched to those
// that apply it, within the process: nothing is packed, sent or unpacked.
package artifacts

import (
	"sync"

	"github.com/gitopskit/gitopskit/source"
)

// A Key names a source object.
type Key struct {
	Kind, Namespace, Name string
}

// String returns Kind/namespace/name.
func (k Key) String() string { return k.Kind + "/" + k.Namespace + "/" + k.Name }

// Registry has the latest artifact of each source. The zero value is ready to
// use, by several goroutines.
type Registry struct {
	mu        sync.Mutex
	artifacts map[Key]*source.Artifact
	listeners []func(Key)
}

// Get returns the latest artifact of a source, or nil if there is none.
func (r *Registry) Get(k Key) *source.Artifact {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.artifacts[k]
}

// Put makes a the latest artifact of a source, and tells those who listen.
func (r *Registry) Put(k Key, a *source.Artifact) {
	r.mu.Lock()
	if r.artifacts == nil {
		r.artifacts = map[Key]*source.Artifact{}
	}
	r.artifacts[k] = a
	listeners := r.listeners
	r.mu.Unlock()
	for _, tell := range listeners {
		tell(k)
	}
}

// Delete forgets a source.
func (r *Registry) Delete(k Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.artifacts, k)
}

// Listen calls f after each Put from now on.
func (r *Registry) Listen(f func(Key)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listeners = append(r.listeners, f)
}
