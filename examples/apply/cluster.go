package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
)

// cluster returns the access to the cluster, and the namespace to use.
func (o *options) cluster() (*rest.Config, string, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = o.kubeconfig
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: o.context})
	cfg, err := loader.ClientConfig()
	switch {
	case clientcmd.IsEmptyConfig(err):
		return nil, "", errors.New("no cluster: there is no kubeconfig, in --kubeconfig, $KUBECONFIG or ~/.kube/config, that leads to one")
	case err != nil:
		return nil, "", fmt.Errorf("no cluster: %w", err)
	}
	namespace := o.namespace
	if namespace == "" {
		namespace, _, err = loader.Namespace()
	}
	return cfg, namespace, err
}

// reach asks the cluster for its version, so that one that can't be reached is
// told once and not for every object.
func reach(ctx context.Context, cfg *rest.Config) error {
	client, err := discovery.NewDiscoveryClientForConfig(cfg)
	if err == nil {
		_, err = client.ServerVersionWithContext(ctx)
	}
	if err != nil {
		return fmt.Errorf("the cluster at %s can't be reached: %w", cfg.Host, err)
	}
	return nil
}

// applyOptions returns what the flags mean to package ssa.
func (o *options) applyOptions(cfg *rest.Config, namespace string) (ssa.ApplyOptions, error) {
	opts := ssa.ApplyOptions{
		DefaultNamespace: namespace,
		Prune:            o.prune, PruneWhenReady: o.whenReady, Orphan: o.orphan,
		MaxPrune: o.maxPrune, RefuseEmpty: true, AllowMassPrune: o.massPrune,
		Conflicts: ssa.ConflictPolicy(o.conflicts), RecreateImmutable: o.recreate, ContinueOnError: o.goOn,
		Diff: !o.hideDiffs,
		Wait: o.wait, WaitTimeout: o.timeout, WaitFailFast: o.failFast,
	}
	var err error
	if opts.Ignore, err = ignoreRules(o.ignore); err != nil {
		return opts, err
	}
	if o.inventory != "" {
		if opts.Inventory, err = inventory.NewConfigMap(cfg, namespace, o.inventory); err != nil {
			return opts, err
		}
		opts.Set = o.inventory
		opts.OwnerLabels = map[string]string{"gitopskit.github.io/inventory-of": o.inventory}
		opts.Adopt = map[string]ssa.Adoption{"any": ssa.AdoptAny, "unowned": ssa.AdoptUnowned, "none": ssa.MustMatch}[o.adopt]
	}
	if o.expect != "" {
		opts.Expect, err = readPlan(o.expect)
	}
	return opts, err
}

// ignoreRules reads rules of the form [KIND:]/JSON/POINTER.
func ignoreRules(texts []string) ([]ssa.IgnoreRule, error) {
	var out []ssa.IgnoreRule
	for _, text := range texts {
		kind, pointer, ok := strings.Cut(text, ":")
		if !ok || strings.HasPrefix(text, "/") {
			kind, pointer = "", text
		}
		if !strings.HasPrefix(pointer, "/") {
			return nil, fmt.Errorf("--ignore %q is not of the form [KIND:]/JSON/POINTER, such as Deployment:/spec/replicas", text)
		}
		out = append(out, ssa.IgnoreRule{Paths: []string{pointer}, Target: ssa.Selector{Kind: kind}})
	}
	return out, nil
}

func readPlan(file string) (*ssa.Plan, error) {
	data, err := os.ReadFile(file) //nolint:gosec // it is the user's file
	if err != nil {
		return nil, err
	}
	plan, err := ssa.DecodePlan(data)
	if err == nil && len(plan.Objects) == 0 {
		err = errors.New("there is nothing in it")
	}
	if err != nil {
		return nil, fmt.Errorf("%s is not a plan, as --plan -o json writes it: %w", file, err)
	}
	return plan, nil
}
