package ssa_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/ssa"
)

func TestRestoredSnapshotSavesAllRequestsForObjects(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	opts := ssa.ApplyOptions{Set: "s", Inventory: &inventory.Memory{}}
	set := c.objects(configA, configB, strings.Replace(configB, "name: b", "name: c", 1), strings.Replace(configB, "name: b", "name: d", 1))
	if _, err := c.applier.Apply(t.Context(), set, opts); err != nil {
		t.Fatal(err)
	}
	data, err := c.applier.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	second := newCluster(t, ssa.Options{})
	if err := second.applier.Restore(data); err != nil {
		t.Fatal(err)
	}
	c.patchConfigMap("b", `{"data":{"key":"changed while nobody looked"}}`)
	second.take()
	res, err := second.applier.Apply(t.Context(), set, opts)
	if err != nil {
		t.Fatal(err)
	}
	if res.Count(ssa.Unchanged) != 3 || res.Count(ssa.Update) != 1 {
		t.Errorf("%s", res.Summary())
	}
	patches := 0
	for _, r := range second.take() {
		if strings.HasPrefix(r, "PATCH ") {
			patches++
			if !strings.Contains(r, "/configmaps/b?") {
				t.Errorf("asks for an object that is known: %s", r)
			}
		}
	}
	if patches == 0 {
		t.Error("the changed object was not looked at")
	}
}

func TestRestoreRefusesWhatItCannotUse(t *testing.T) {
	t.Parallel()
	c := newCluster(t, ssa.Options{})
	for _, data := range []string{"", "{", "{}", `{"version":1,"fieldManager":"somebody"}`, `{"version":1,"fieldManager":"gitopskit","markPrefix":"gitopskit.github.io/","records":[{"ref":["","ConfigMap","a","b"]}]}`} {
		if err := c.applier.Restore([]byte(data)); !errors.Is(err, ssa.ErrSnapshot) {
			t.Errorf("%q: %v", data, err)
		}
	}
}
