package store

import (
	"encoding/json"
	"reflect"

	"slipway/domain"
	"slipway/fault"
)

// Upgrade turns a document of one schema version into the next one's form.
type Upgrade func(doc json.RawMessage) (json.RawMessage, error)

// Upgrades holds, for each kind, the upgrade from schema 1 to 2, from 2 to 3
// and so on. Documents are upgraded when they are read and stored in the new
// form when they are next written.
type Upgrades map[domain.Kind][]Upgrade

// Decode reads a stored document of the given schema version into n, upgrading
// it first; nothing of what n held before is left, its Head included. A document newer than the program is fault.Internal: guessing would
// lose what the newer program wrote.
func (u Upgrades) Decode(kind domain.Kind, schema int, doc []byte, n domain.Noun) error {
	want := n.Schema()
	if schema > want {
		return fault.New(fault.Internal, "A %s was written by a newer version of this program (schema %d, this one knows %d).", kind, schema, want)
	}
	steps := u[kind]
	for v := schema; v < want; v++ {
		if v < 1 || v > len(steps) {
			return fault.New(fault.Internal, "A %s of schema %d cannot be upgraded to %d.", kind, v, want)
		}
		var err error
		if doc, err = steps[v-1](doc); err != nil {
			return fault.Wrap(fault.Internal, err, "A %s of schema %d could not be upgraded.", kind, v)
		}
	}
	// n may have been used before: what the document leaves out must be zero.
	reflect.ValueOf(n).Elem().SetZero()
	if err := json.Unmarshal(doc, n); err != nil {
		return fault.Wrap(fault.Internal, err, "A stored %s cannot be read.", kind)
	}
	return nil
}
