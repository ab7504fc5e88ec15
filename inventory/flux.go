package inventory

import (
	"fmt"
	"strings"
)

// A FluxEntry is an entry in the format of the status.inventory.entries list
// of Flux's Kustomization.
type FluxEntry struct {
	ID      string `json:"id"` // <namespace>_<name>_<group>_<kind>
	Version string `json:"v"`
}

// Flux returns the entries of i in Flux's status format, ordered by ID order
// of their refs. The format has no place for UIDs; they are left out.
func (i *Inventory) Flux() []FluxEntry {
	out := make([]FluxEntry, 0, i.Len())
	for e := range i.All() {
		out = append(out, FluxEntry{ID: e.FluxID(), Version: e.Version})
	}
	return out
}

// FluxID returns r as <namespace>_<name>_<group>_<kind>. Colons, which RBAC
// names may have, are written as two underscores.
func (r Ref) FluxID() string {
	name := strings.ReplaceAll(r.Name, ":", "__")
	return strings.Join([]string{r.Namespace, name, r.Group, r.Kind}, "_")
}

// FromFlux reads an inventory from Flux's status format. All entries that can
// be read are returned even if others can't; the error then names each of
// those and wraps ErrMalformed.
func FromFlux(entries []FluxEntry) (*Inventory, error) {
	inv := New()
	var bad []string
	for _, fe := range entries {
		r, ok := parseFluxID(fe.ID)
		if !ok || fe.Version == "" {
			bad = append(bad, fmt.Sprintf("{id: %q, v: %q}", fe.ID, fe.Version))
			continue
		}
		inv.Add(Entry{Ref: r, Version: fe.Version})
	}
	if bad != nil {
		return inv, &Error{Op: "decode", Err: fmt.Errorf("%w: %s: want id <namespace>_<name>_<group>_<kind> and a version",
			ErrMalformed, strings.Join(bad, ", "))}
	}
	return inv, nil
}

func parseFluxID(id string) (Ref, bool) {
	ns, rest, ok := strings.Cut(id, "_")
	if !ok {
		return Ref{}, false
	}
	kindAt := strings.LastIndexByte(rest, '_')
	if kindAt < 0 {
		return Ref{}, false
	}
	kind, rest := rest[kindAt+1:], rest[:kindAt]
	groupAt := strings.LastIndexByte(rest, '_')
	if groupAt < 0 {
		return Ref{}, false
	}
	group, name := rest[groupAt+1:], rest[:groupAt]
	r := Ref{Group: group, Kind: kind, Namespace: ns, Name: strings.ReplaceAll(name, "__", ":")}
	return r, r.check() == nil
}
