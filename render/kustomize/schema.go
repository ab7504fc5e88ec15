package kustomize

import (
	"sync"

	"sigs.k8s.io/kustomize/kyaml/openapi"
)

// schemaGuard protects the OpenAPI schema that the library keeps for the whole
// process. Builds with the built-in schema share it; a build that brings its own
// has it alone. What it leaves behind is thrown away by the next build, which
// loads the built-in schema again: once, however many such builds follow each
// other. It is the one package-level variable, because what it guards is one.
type schemaGuard struct {
	mu    sync.RWMutex
	clean bool // the built-in schema is loaded, and nothing else
}

var schema schemaGuard

// share returns once the built-in schema is loaded, which the library's own
// first use would do without a lock.
func (g *schemaGuard) share() (release func()) {
	for {
		g.mu.RLock()
		if g.clean {
			return g.mu.RUnlock
		}
		g.mu.RUnlock()
		g.mu.Lock()
		g.load()
		g.mu.Unlock()
	}
}

// own gives the schema to one build, which adds its own to the built-in one.
func (g *schemaGuard) own() (release func()) {
	g.mu.Lock()
	g.load()
	g.clean = false
	return g.mu.Unlock
}

// load loads the built-in schema, unless it is there; g.mu is held.
func (g *schemaGuard) load() {
	if g.clean {
		return
	}
	openapi.ResetOpenAPI()
	openapi.Schema()
	g.clean = true
}
