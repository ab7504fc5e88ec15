package ssa_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
)

func marked(manifest, mark string) string {
	return strings.Replace(manifest, "namespace: NS", "namespace: NS, annotations: {gitopskit.github.io/"+mark+"}", 1)
}

func TestMarkedObjects(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{TakeOver: []string{"kubectl*", "somebody"}})
	opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}}

	t.Run("Ignore is left alone", func(t *testing.T) {
		res := c.mustApply(opts, marked(configB, "ssa: Ignore"))
		if res.Objects[0].Action != ssa.Skip || c.get(configMaps, "b") != nil {
			t.Errorf("%v", res.Objects)
		}
	})
	t.Run("IfNotPresent is created and never touched again", func(t *testing.T) {
		once := marked(configB, "ssa: IfNotPresent")
		if res := c.mustApply(opts, once); res.Objects[0].Action != ssa.Create {
			t.Fatalf("%v", res.Objects)
		}
		res := c.mustApply(opts, strings.Replace(once, "key: b", "key: changed", 1))
		if got := c.field(configMaps, "b", "data", "key"); got != "b" || res.Objects[0].Action != ssa.Skip {
			t.Errorf("key = %s, %v", got, res.Objects)
		}
	})
	t.Run("a mark that is taken away ends it", func(t *testing.T) {
		c.mustApply(opts, strings.Replace(configB, "key: b", "key: changed", 1))
		if got := c.field(configMaps, "b", "data", "key"); got != "changed" {
			t.Errorf("key = %s", got)
		}
	})
	t.Run("reconcile: disabled on the live object", func(t *testing.T) {
		c.patchConfigMap("b", `{"data":{"key":"manual"},"metadata":{"annotations":{"gitopskit.github.io/reconcile":"disabled"}}}`)
		res := c.mustApply(opts, configB)
		if got := c.field(configMaps, "b", "data", "key"); got != "manual" || res.Objects[0].Action != ssa.Skip {
			t.Errorf("key = %s, %v", got, res.Objects)
		}
		c.patchConfigMap("b", `{"metadata":{"annotations":{"gitopskit.github.io/reconcile":null}}}`)
	})
	t.Run("Override takes away what others added", func(t *testing.T) {
		c.patchConfigMap("b", `{"data":{"extra":"1"}}`)
		c.mustApply(opts, configB)
		if got := c.field(configMaps, "b", "data", "extra"); got != "(none)" {
			t.Errorf("extra = %s", got)
		}
	})
	t.Run("Merge leaves it", func(t *testing.T) {
		c.patchConfigMap("b", `{"data":{"extra":"1"}}`)
		c.mustApply(opts, marked(configB, "ssa: Merge"))
		if got := c.field(configMaps, "b", "data", "extra"); got != "1" {
			t.Errorf("extra = %s", got)
		}
	})
}

const job = `
apiVersion: batch/v1
kind: Job
metadata: {name: j, namespace: NS}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: "c:1"}]}}}
`

func TestImmutableFields(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}}
	c.mustApply(opts, job)
	jobs := configMaps
	jobs.Group, jobs.Resource = "batch", "jobs"
	uid := c.get(jobs, "j").GetUID()
	changed := strings.Replace(job, "c:1", "c:2", 1)

	_, err := c.apply(opts, changed)
	if !errors.Is(err, ssa.ErrImmutable) {
		t.Fatalf("err = %v", err)
	}
	opts.RecreateImmutable = true
	invalid := strings.Replace(changed, "restartPolicy: Never", "restartPolicy: Always", 1)
	if _, err := c.apply(opts, invalid); !errors.Is(err, ssa.ErrInvalid) || c.get(jobs, "j").GetUID() != uid {
		t.Fatalf("a replacement that is invalid: %v", err)
	}
	res := c.mustApply(opts, changed)
	if res.Objects[0].Action != ssa.Recreate || c.get(jobs, "j").GetUID() == uid {
		t.Errorf("%v", res.Objects)
	}
	opts.RecreateImmutable = false
	c.mustApply(opts, marked(strings.Replace(job, "c:1", "c:3", 1), "force: enabled"))
}

func TestDependsOnWaitsUntilReady(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	after := strings.Replace(configA, "annotations: {note: hello}", "annotations: {config.kubernetes.io/depends-on: apps/namespaces/NS/Deployment/web}", 1)
	c.mustApply(ssa.ApplyOptions{}, after, web)
	deployments := configMaps
	deployments.Group, deployments.Resource = "apps", "deployments"
	d, cm := c.get(deployments, "web"), c.get(configMaps, "a")
	if cm.GetCreationTimestamp().Time.Before(d.GetCreationTimestamp().Time) {
		t.Error("the ConfigMap was made before the Deployment that it depends on")
	}
	status := d.Object["status"].(map[string]any)
	if status["availableReplicas"] != int64(2) {
		t.Errorf("applied before the Deployment was ready: %v", status)
	}
}

func TestDependsOnWhatIsOutsideTheSet(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	on := func(name, ref string) string {
		return strings.Replace(bare(name), "namespace: NS", "namespace: NS, annotations: {config.kubernetes.io/depends-on: "+ref+"}", 1)
	}
	c.mustApply(ssa.ApplyOptions{}, web)
	c.mustApply(ssa.ApplyOptions{}, on("a", "apps/namespaces/NS/Deployment/web"))
	if n, _, _ := unstructured.NestedInt64(c.get(deployments, "web").Object, "status", "availableReplicas"); n != 2 {
		t.Errorf("applied when %d of 2 pods were available", n)
	}
	for reason, ref := range map[string]string{
		"not there":               "apps/namespaces/NS/Deployment/none",
		"not there, of no status": "/namespaces/NS/ConfigMap/none",
		"of an unknown kind":      "example.com/Unheard/none",
	} {
		_, err := c.apply(ssa.ApplyOptions{WaitTimeout: 100 * time.Millisecond}, on("b", ref))
		if !errors.Is(err, ssa.ErrDependency) || !strings.Contains(err.Error(), "none") && !strings.Contains(err.Error(), "Unheard") || c.get(configMaps, "b") != nil {
			t.Errorf("%s: err = %v", reason, err)
		}
	}
}

func TestSkippedObjectsAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	res := c.mustApply(ssa.ApplyOptions{Wait: true, WaitTimeout: time.Minute}, marked(web, "ssa: Ignore"), configA)
	if res.Count(ssa.Skip) != 1 || res.Count(ssa.Create) != 1 {
		t.Errorf("%v", res.Objects)
	}
}

func TestMarksHaveThePrefixThatIsAskedFor(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{MarkPrefix: "example.com/"})
	theirs := strings.Replace(configB, "namespace: NS", "namespace: NS, annotations: {example.com/ssa: Ignore}", 1)
	res := c.mustApply(ssa.ApplyOptions{}, theirs, marked(bare("c"), "ssa: Ignore"))
	if res.Objects[0].Action != ssa.Skip || res.Objects[1].Action != ssa.Create {
		t.Errorf("%v", res.Objects)
	}
}

func TestCyclesAreNamed(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	a := strings.Replace(configA, "annotations: {note: hello}", "annotations: {config.kubernetes.io/depends-on: /namespaces/NS/ConfigMap/b}", 1)
	b := strings.Replace(configB, "namespace: NS", "namespace: NS, annotations: {config.kubernetes.io/depends-on: /namespaces/NS/ConfigMap/a}", 1)
	_, err := c.apply(ssa.ApplyOptions{}, a, b)
	if !errors.Is(err, ssa.ErrCycle) || !strings.Contains(err.Error(), "waits for") {
		t.Errorf("err = %v", err)
	}
}

func TestContinueOnErrorAppliesTheRest(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	bad := strings.Replace(configB, "data: {key: b}", "data: [1]", 1)
	store := &inventory.Memory{}
	res, err := c.apply(ssa.ApplyOptions{ContinueOnError: true, Inventory: store, Prune: true}, configA, bad)
	if err == nil || c.get(configMaps, "a") == nil || len(res.Failed()) != 1 {
		t.Errorf("err = %v, %s", err, res.Summary())
	}
	if inv, _ := store.Load(t.Context()); inv.Len() != 1 {
		t.Errorf("inventory: %v", inv.Entries())
	}
}

func TestApplyIsStoppedByItsContextAndTellsHowFarItCame(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{Concurrency: 2})
	var set []string
	for i := range 60 {
		set = append(set, strings.Replace(configB, "name: b", "name: b"+string(rune('a'+i/26))+string(rune('a'+i%26)), 1))
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := 0
	var stopped time.Time
	res, err := c.applier.Apply(ctx, c.objects(set...), ssa.ApplyOptions{SkipValidation: true, OnEvent: func(o ssa.ObjectResult) {
		if done++; done == 10 {
			stopped = time.Now()
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("err = %v", err)
	}
	if len(res.Objects) != 60 || res.Count(ssa.Create) < 10 || res.Count(ssa.None) == 0 {
		t.Errorf("%s; %d not come to", res.Summary(), res.Count(ssa.None))
	}
	t.Logf("returned after %s", time.Since(stopped))
}

func TestSecretsAreMaskedAndStringDataKeysAreRemoved(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	secrets := configMaps
	secrets.Resource = "secrets"
	secret := "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: NS}\nstringData: {one: plain-text-1, two: plain-text-2}\n"
	opts := ssa.ApplyOptions{Set: "s", Diff: true}
	c.mustApply(opts, secret)
	res := c.mustApply(opts, strings.Replace(secret, "{one: plain-text-1, two: plain-text-2}", "{one: plain-text-3}", 1))
	text := res.Objects[0].Diff
	if len(text) != 2 {
		t.Errorf("diff = %v", text)
	}
	for _, ch := range text {
		if strings.Contains(ch.String(), "plain") || strings.Contains(ch.String(), "cGxhaW4") {
			t.Errorf("shows a value: %s", ch)
		}
	}
	if got := c.field(secrets, "s", "data", "two"); got != "(none)" {
		t.Errorf("the key that left stringData is still there: %s", got)
	}
	_, err := c.apply(opts, strings.Replace(secret, "stringData: {one: plain-text-1, two: plain-text-2}", "data: {one: not base64!}", 1))
	if !errors.Is(err, ssa.ErrInvalid) || strings.Contains(err.Error(), "not base64!") {
		t.Errorf("err = %v", err)
	}
}
