package sqlite

import (
	"encoding/json"
	"fmt"
	"hash/maphash"
	"reflect"
	"sync/atomic"

	"slipway/domain"
	"slipway/fault"
)

const rowColumns = `kind, account, region, name, state, version, schema, created, updated, doc`

// row is one resource as it is stored; decoding waits until somebody wants it.
type row struct {
	d                *db
	key              domain.Key
	state            domain.State
	version          int64
	schema           int
	created, updated int64
	doc              []byte // of a row that is not shared
	cost             int

	// shared rows are in the cache: their form is decoded once for all.
	shared bool
	form   atomic.Pointer[form]
}

// form is a shared row's document: as it was stored, and once somebody has
// wanted it decoded.
type form struct {
	doc  []byte // nil once it is decoded
	noun domain.Noun
	sum  uint64 // of noun as JSON, with Options.Checked
}

func (r *row) dest() []any {
	return []any{&r.key.Kind, &r.key.Account, &r.key.Region, &r.key.Name, &r.state, &r.version, &r.schema,
		&r.created, &r.updated, &r.doc}
}

// share makes a row that was just read ready for many readers.
func (r *row) share() {
	r.shared, r.cost = true, rowCost+2*len(r.doc)
	r.form.Store(&form{doc: r.doc})
	r.doc = nil
}

func (r *row) Key() domain.Key     { return r.key }
func (r *row) State() domain.State { return r.state }

func (r *row) Decode(n domain.Noun) error {
	if !r.shared {
		return r.decode(r.schema, r.doc, n)
	}
	f := r.form.Load()
	if f.noun == nil {
		var err error
		if f, err = r.settle(f.doc, n); err != nil {
			return err
		}
	}
	if r.d.opts.Checked {
		f.check(r.key)
	}
	from, to := reflect.ValueOf(f.noun), reflect.ValueOf(n)
	if from.Type() != to.Type() || f.noun.Schema() != n.Schema() {
		// Somebody reads the kind into two sorts of struct: as if it had been stored
		// in the form of the first.
		doc, err := json.Marshal(f.noun)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "A %s cannot be read.", r.key.Kind)
		}
		return r.decode(f.noun.Schema(), doc, n)
	}
	to.Elem().Set(from.Elem())
	return nil
}

// settle decodes the document once, into a noun of n's type that only the cache
// has.
func (r *row) settle(doc []byte, n domain.Noun) (*form, error) {
	noun := reflect.New(reflect.TypeOf(n).Elem()).Interface().(domain.Noun)
	if err := r.decode(r.schema, doc, noun); err != nil {
		return nil, err
	}
	f := &form{noun: noun}
	if r.d.opts.Checked {
		f.sum = f.fingerprint()
	}
	// Two may have decoded at once: either result will do.
	r.form.Store(f)
	return f, nil
}

func (r *row) decode(schema int, doc []byte, n domain.Noun) error {
	if err := r.d.opts.Upgrades.Decode(r.key.Kind, schema, doc, n); err != nil {
		return err
	}
	*n.Head() = domain.Meta{Key: r.key, State: r.state, Version: r.version,
		Created: fromMicros(r.created), Updated: fromMicros(r.updated)}
	return nil
}

var seed = maphash.MakeSeed()

// fingerprint changes with whatever a reader could change in place.
func (f *form) fingerprint() uint64 {
	doc, err := json.Marshal(f.noun)
	if err != nil {
		panic(err)
	}
	return maphash.Bytes(seed, doc)
}

// check finds a reader that broke the promise of store.Tx.
func (f *form) check(k domain.Key) {
	if f.sum != 0 && f.fingerprint() != f.sum {
		panic(fmt.Sprintf("%s: somebody changed a map or a slice that a View had given out", k))
	}
}
