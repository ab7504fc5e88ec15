package inventory

import (
	"context"
	"sync"
)

// A Store keeps one inventory.
//
// Load returns an empty inventory, not an error, where nothing has been stored
// yet. Save replaces what is stored, whole or not at all: a crash during Save
// leaves either the old or the new inventory. Neither keeps the inventory
// that it is given or returns one that it goes on using.
type Store interface {
	Load(ctx context.Context) (*Inventory, error)
	Save(ctx context.Context, inv *Inventory) error
}

// Memory is a Store that lives as long as the process. The zero value is
// empty and ready to use; it is safe for concurrent use.
type Memory struct {
	mu  sync.Mutex
	inv *Inventory
}

// Load returns a copy of what was saved last.
func (m *Memory) Load(ctx context.Context) (*Inventory, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.inv.Clone(), nil
}

// Save keeps a copy of inv.
func (m *Memory) Save(ctx context.Context, inv *Inventory) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inv = inv.Clone()
	return nil
}

// Funcs makes a Store of two functions, for inventories that live in a place
// of the caller's own, such as the status of a custom resource.
type Funcs struct {
	LoadFunc func(ctx context.Context) (*Inventory, error)
	SaveFunc func(ctx context.Context, inv *Inventory) error
}

// Load calls f.LoadFunc.
func (f Funcs) Load(ctx context.Context) (*Inventory, error) { return f.LoadFunc(ctx) }

// Save calls f.SaveFunc.
func (f Funcs) Save(ctx context.Context, inv *Inventory) error { return f.SaveFunc(ctx, inv) }
