package inventory

import (
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
)

// formatVersion is written at the head of encoded inventories, so that a later
// format can tell itself apart.
const formatVersion = 1

// document is the compact JSON form: refs are grouped by group, version and
// kind, and each object is [namespace, name, uid], with the UID left out where
// it is not known.
type document struct {
	Version int     `json:"version"`
	Kinds   []kindV `json:"kinds"`
}

type kindV struct {
	Group   string     `json:"group,omitempty"`
	Version string     `json:"version"`
	Kind    string     `json:"kind"`
	Objects [][]string `json:"objects"`
}

// Encode returns i as compact JSON. Equal inventories give equal bytes.
func (i *Inventory) Encode() ([]byte, error) {
	doc := document{Version: formatVersion, Kinds: []kindV{}}
	index := map[[3]string]int{}
	for e := range i.All() {
		key := [3]string{e.Group, e.Version, e.Kind}
		at, ok := index[key]
		if !ok {
			at = len(doc.Kinds)
			index[key] = at
			doc.Kinds = append(doc.Kinds, kindV{Group: e.Group, Version: e.Version, Kind: e.Kind})
		}
		row := []string{e.Namespace, e.Name}
		if e.UID != "" {
			row = append(row, string(e.UID))
		}
		doc.Kinds[at].Objects = append(doc.Kinds[at].Objects, row)
	}
	return json.Marshal(doc)
}

// Decode reads what Encode wrote. Errors wrap ErrMalformed.
func Decode(data []byte) (*Inventory, error) {
	var doc document
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, &Error{Op: "decode", Err: fmt.Errorf("%w: %w", ErrMalformed, err)}
	}
	if doc.Version != formatVersion {
		return nil, &Error{Op: "decode", Err: fmt.Errorf("%w: version %d, this release reads version %d",
			ErrMalformed, doc.Version, formatVersion)}
	}
	inv := New()
	for _, k := range doc.Kinds {
		for _, row := range k.Objects {
			e, err := k.entry(row)
			if err != nil {
				return nil, &Error{Op: "decode", Err: err}
			}
			inv.Add(e)
		}
	}
	return inv, nil
}

func (k kindV) entry(row []string) (Entry, error) {
	if len(row) < 2 || len(row) > 3 {
		return Entry{}, fmt.Errorf("%w: object of kind %s has %d parts, want namespace, name and UID", ErrMalformed, k.Kind, len(row))
	}
	e := Entry{Ref: Ref{Group: k.Group, Kind: k.Kind, Namespace: row[0], Name: row[1]}, Version: k.Version}
	if len(row) == 3 {
		e.UID = types.UID(row[2])
	}
	return e, e.check()
}
