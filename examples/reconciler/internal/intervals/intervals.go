// Package intervals says when to come again.
package intervals

import (
	"math/rand/v2"
	"time"
)

// Jitter spreads d by five per cent, so that what began at once does not come
// again at once.
func Jitter(d time.Duration) time.Duration { return d - d/20 + rand.N(d/10+1) }
