package ssa

import (
	"log/slog"
	"sync"
)

// mostWarnings bounds how many warnings are remembered, so as to be logged once.
const mostWarnings = 1000

// warner logs what the API server has to say about requests, such as that a
// version is deprecated: each text once.
type warner struct {
	log  *slog.Logger
	mu   sync.Mutex
	told map[string]bool
}

// HandleWarningHeader implements rest.WarningHandler.
func (w *warner) HandleWarningHeader(code int, _, text string) {
	const general = 299 // the code that Kubernetes uses; others are proxies'
	if code != general || text == "" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.told[text] || len(w.told) == mostWarnings {
		return
	}
	if w.told == nil {
		w.told = map[string]bool{}
	}
	w.told[text] = true
	w.log.Warn("the API server warns", "text", text)
}
