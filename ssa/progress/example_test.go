package progress_test

import (
	"os"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
	"github.com/gitopskit/gitopskit/ssa/health"
	"github.com/gitopskit/gitopskit/ssa/progress"
)

// What a Display writes to a log. On a terminal, the lines about what is waited
// for are kept up to date in place.
func ExampleDisplay() {
	show := progress.New(os.Stdout, progress.Options{Mode: progress.Plain, Color: progress.ColorNever})
	opts := show.Follow(ssa.ApplyOptions{Wait: true})

	// This is what Apply would do with the options.
	web := inventory.Ref{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}
	opts.OnStep(ssa.StepWrite, 1)
	opts.OnEvent(ssa.ObjectResult{Ref: web, Action: ssa.Create})
	opts.OnStep(ssa.StepWait, 1)
	opts.OnHealth(health.Observation{Ref: web, Report: health.Report{Status: health.InProgress, Message: "0 of 1 pods are available"}})
	opts.OnHealth(health.Observation{Ref: web, Report: health.Report{Status: health.Current}})

	if err := show.Close(); err != nil {
		panic(err)
	}
	// Output:
	// writing 1 object
	// + create Deployment/shop/web
	// ✓ 1 created in 0s
	// waiting for 1 object
	// Deployment/shop/web: InProgress: 0 of 1 pods are available
	// Deployment/shop/web: Current
	// ✓ 1 of 1 ready in 0s
}
