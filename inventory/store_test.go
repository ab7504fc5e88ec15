package inventory_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitopskit/gitopskit/internal/testcluster"
	"github.com/gitopskit/gitopskit/inventory"
)

// stores makes each kind of store, twice on the same place, as two processes
// would.
func stores(t *testing.T) map[string]func() inventory.Store {
	t.Helper()
	file := filepath.Join(t.TempDir(), "deep", "inventory.json")
	memory := &inventory.Memory{}
	c := testcluster.Shared(t)
	ns := c.Namespace(t)
	must := func(o *inventory.Object, err error) inventory.Store {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	return map[string]func() inventory.Store{
		"memory":    func() inventory.Store { return memory },
		"file":      func() inventory.Store { return inventory.File{Path: file} },
		"ConfigMap": func() inventory.Store { return must(inventory.NewConfigMap(c.RESTConfig(), ns, "inv")) },
		"Secret":    func() inventory.Store { return must(inventory.NewSecret(c.RESTConfig(), ns, "inv")) },
	}
}

func TestStoresKeepWhatWasSaved(t *testing.T) {
	for name, open := range stores(t) {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			if inv, err := open().Load(ctx); err != nil || inv.Len() != 0 {
				t.Fatalf("empty store: %d entries, %v", inv.Len(), err)
			}
			// Grows over the size of one object, shrinks, and grows again.
			sizes := []int{3, 20000, 50000, 50001, 5, 0, 3000}
			if testing.Short() {
				sizes = []int{3, 3000, 5, 0}
			}
			for _, n := range sizes {
				want := large(n)
				if err := open().Save(ctx, want); err != nil {
					t.Fatalf("save %d: %v", n, err)
				}
				got, err := open().Load(ctx)
				if err != nil || !got.Equal(want) {
					t.Fatalf("load %d: %d entries, %v", n, got.Len(), err)
				}
			}
		})
	}
}

func TestObjectRefusesToOverwriteWhatSomebodyElseSaved(t *testing.T) {
	for _, name := range []string{"ConfigMap", "Secret"} {
		t.Run(name, func(t *testing.T) {
			open := stores(t)[name]
			mine, other := open(), open()
			for _, s := range []inventory.Store{mine, other} {
				if _, err := s.Load(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if err := other.Save(t.Context(), inventory.New(web)); err != nil {
				t.Fatal(err)
			}
			if err := mine.Save(t.Context(), inventory.New(conf)); !errors.Is(err, inventory.ErrConflict) {
				t.Fatalf("err = %v", err)
			}
			if inv, err := mine.Load(t.Context()); err != nil || !inv.Has(web.Ref) {
				t.Fatalf("%v, %v", inv.Entries(), err)
			}
			if err := mine.Save(t.Context(), inventory.New(conf)); err != nil {
				t.Errorf("after loading again: %v", err)
			}
		})
	}
}

func TestFileThatCannotBeReadIsAnErrorAndNotAnEmptyInventory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inv")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := inventory.File{Path: path}.Load(t.Context())
	if !errors.Is(err, inventory.ErrMalformed) || !strings.Contains(err.Error(), path) {
		t.Errorf("err = %v", err)
	}
}
