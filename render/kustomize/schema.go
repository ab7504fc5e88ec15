package kustomize

import (
	"sync"

	"sigs.k8s.io/kustomize/kyaml/openapi"
)

// schemaGuard protects the OpenAPI schema that the library keeps for the whole
// process. Builds with the built-in schema share it; a build that brings its own
// has it alone and leaves the built-in one behind. It is the one package-level
// variable, because what it guards is one.
type schemaGuard struct {
	mu     sync.RWMutex
	loaded bool
}

var schema schemaGuard

// share returns once the built-in schema is loaded, which the library's own
// first use would do without a lock.
func (g *schemaGuard) share() (release func()) {
	g.mu.RLock()
	if g.loaded {
		return g.mu.RUnlock
	}
	g.mu.RUnlock()
	g.mu.Lock()
	if !g.loaded {
		g.load()
	}
	g.mu.Unlock()
	return g.share()
}

// own gives the schema to one build, which adds its own to the built-in one.
func (g *schemaGuard) own() (release func()) {
	g.mu.Lock()
	g.load()
	return func() {
		g.load()
		g.mu.Unlock()
	}
}

func (g *schemaGuard) load() {
	openapi.ResetOpenAPI()
	openapi.Schema()
	g.loaded = true
}
