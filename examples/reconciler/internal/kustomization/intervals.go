package kustomization

import (
	"math/rand/v2"
	"time"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
)

// jitter spreads reconciliations by five per cent either way.
func jitter(d time.Duration) time.Duration {
	return d - d/20 + rand.N(d/10+1)
}

func retryInterval(ks *api.Kustomization) time.Duration {
	if ks.Spec.RetryInterval != nil {
		return ks.Spec.RetryInterval.Duration
	}
	return ks.Spec.Interval.Duration
}

// timeout bounds the wait for health: spec.timeout, else the interval less
// half a minute, and half a minute at least.
func timeout(ks *api.Kustomization) time.Duration {
	d := ks.Spec.Interval.Duration - 30*time.Second
	if ks.Spec.Timeout != nil {
		d = ks.Spec.Timeout.Duration
	}
	return max(d, 30*time.Second)
}
