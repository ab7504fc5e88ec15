package kustomization

import (
	"time"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
)

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
