package inventory_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitopskit/gitopskit/inventory"
)

func entry(group, version, kind, ns, name, uid string) inventory.Entry {
	return inventory.Entry{Ref: inventory.Ref{Group: group, Kind: kind, Namespace: ns, Name: name}, Version: version, UID: types.UID("u-" + uid)}
}

var (
	web  = entry("apps", "v1", "Deployment", "shop", "web", "1")
	conf = entry("", "v1", "ConfigMap", "shop", "web", "2")
	role = entry("rbac.authorization.k8s.io", "v1", "ClusterRole", "", "system:web", "3")
)

func TestSetAlgebra(t *testing.T) {
	a, b := inventory.New(web, conf), inventory.New(conf, role)
	if got := a.Union(b); got.Len() != 3 || a.Len() != 2 || b.Len() != 2 {
		t.Errorf("union has %d, its operands %d and %d", got.Len(), a.Len(), b.Len())
	}
	if diff := cmp.Diff([]inventory.Entry{web}, a.Difference(b).Entries()); diff != "" {
		t.Errorf("difference: %s", diff)
	}
	if diff := cmp.Diff([]inventory.Entry{conf}, a.Intersection(b).Entries()); diff != "" {
		t.Errorf("intersection: %s", diff)
	}
	var none *inventory.Inventory
	if !none.Equal(inventory.New()) || none.Union(a).Len() != 2 || a.Difference(none).Len() != 2 {
		t.Error("a nil inventory is not an empty one")
	}
}

func TestUnionKeepsKnownUID(t *testing.T) {
	without := conf
	without.UID, without.Version = "", "v2"
	got, _ := inventory.New(conf).Union(inventory.New(without)).Get(conf.Ref)
	if got.UID != conf.UID || got.Version != "v2" {
		t.Errorf("got %+v", got)
	}
}

func TestEncodeIsIndependentOfOrderAndRoundTrips(t *testing.T) {
	entries := []inventory.Entry{web, conf, role, {Ref: inventory.Ref{Kind: "Secret", Namespace: "a", Name: "no-uid"}, Version: "v1"}}
	want, err := inventory.New(entries...).Encode()
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		rand.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
		inv := inventory.New(entries...)
		got, err := inv.Encode()
		if err != nil || string(got) != string(want) {
			t.Fatalf("%s, %v", got, err)
		}
		back, err := inventory.Decode(got)
		if err != nil || !back.Equal(inv) {
			t.Fatalf("%v, %v", back.Entries(), err)
		}
	}
}

func TestFluxFormat(t *testing.T) {
	cases := []struct {
		reason string
		entry  inventory.Entry
		id     string
	}{
		{"namespaced, with a group", web, "shop_web_apps_Deployment"},
		{"core group", conf, "shop_web__ConfigMap"},
		{"cluster-scoped, colon in the name", role, "_system__web_rbac.authorization.k8s.io_ClusterRole"},
	}
	for _, c := range cases {
		t.Run(c.reason, func(t *testing.T) {
			if got := c.entry.FluxID(); got != c.id {
				t.Errorf("id %q, want %q", got, c.id)
			}
			inv, err := inventory.FromFlux(inventory.New(c.entry).Flux())
			if err != nil {
				t.Fatal(err)
			}
			want := c.entry
			want.UID = ""
			if diff := cmp.Diff([]inventory.Entry{want}, inv.Entries()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFromFluxNamesMalformedEntriesAndKeepsTheOthers(t *testing.T) {
	inv, err := inventory.FromFlux([]inventory.FluxEntry{{ID: "nonsense", Version: "v1"}, {ID: "shop_web__ConfigMap", Version: "v1"}, {ID: "shop_x__ConfigMap"}})
	if !errors.Is(err, inventory.ErrMalformed) {
		t.Errorf("err = %v", err)
	}
	if inv.Len() != 1 {
		t.Errorf("%d entries, want 1", inv.Len())
	}
}

func TestDecodeRefusesWhatIsNoInventory(t *testing.T) {
	for _, text := range []string{"", "null", "{}", `{"version":2}`, `{"version":1,"kinds":[{"kind":"A","objects":[["ns"]]}]}`, `{"version":1,"kinds":[{"kind":"","objects":[["ns","n"]]}]}`} {
		if inv, err := inventory.Decode([]byte(text)); !errors.Is(err, inventory.ErrMalformed) {
			t.Errorf("%q: %v, %v", text, inv.Entries(), err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	data, err := inventory.New(web, conf, role).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"version":1,"kinds":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		inv, err := inventory.Decode(data)
		if err != nil {
			return
		}
		again, err := inv.Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := inventory.Decode(again)
		if err != nil || !back.Equal(inv) {
			t.Fatalf("does not round-trip: %s: %v", again, err)
		}
	})
}

// large returns an inventory of n entries with UIDs like real ones.
func large(n int) *inventory.Inventory {
	inv := inventory.New()
	r := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		e := entry("apps", "v1", "Deployment", fmt.Sprintf("ns-%d", i%10), fmt.Sprintf("app-%d", i), "")
		e.UID = types.UID(fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", r.Uint32(), r.Uint32()&0xffff, r.Uint32()&0xfff, r.Uint32()&0xfff, r.Uint64()&0xffffffffffff))
		inv.Add(e)
	}
	return inv
}
