package main

import (
	"errors"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa/health"
)

func TestTheConditionSaysWhatIsMissing(t *testing.T) {
	web := func(status health.Status, message string) []health.Observation {
		return []health.Observation{{
			Ref:    inventory.Ref{Group: "apps", Kind: "Deployment", Namespace: "n", Name: "web"},
			Report: health.Report{Status: status, Message: message},
		}}
	}
	tests := map[string]struct {
		missing []health.Observation
		failure error
		want    string
	}{
		"healthy":               {nil, nil, "True Applied: everything is there and healthy"},
		"on its way":            {web(health.InProgress, "0 of 1 pods are available"), nil, "Unknown Progressing: Deployment/n/web: InProgress: 0 of 1 pods are available"},
		"failed":                {web(health.Failed, "no progress"), nil, "False Unhealthy: Deployment/n/web: Failed: no progress"},
		"not applied":           {nil, errors.New("forbidden"), "False Failed: forbidden"},
		"a mistake of the user": {nil, reconcile.TerminalError(errors.New("spec.image is missing")), "False Failed: spec.image is missing"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			site := newSite()
			site.SetGeneration(7)
			c := ready(site, tt.missing, tt.failure)
			if got := string(c.Status) + " " + c.Reason + ": " + c.Message; got != tt.want || c.ObservedGeneration != 7 {
				t.Errorf("%s at generation %d, want %s", got, c.ObservedGeneration, tt.want)
			}
		})
	}
}
