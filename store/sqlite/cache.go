package sqlite

import (
	"maps"
	"sync"
	"sync/atomic"

	"slipway/domain"
)

// The read cache answers views from memory: documents by key, pages of queries,
// counts, and who refers to whom, all decoded once and shared from then on.
//
// Answers made of several of those are remembered beside them (remember.go).
//
// Commits that touch resources or references are numbered; what one made stale
// is dropped when its era begins (see view.go). A unit is therefore right for
// every era from the one it was read in up to the present one, and a view that
// began between the two may use it.

// DefaultCacheBytes bounds the cache when Options.CacheBytes is 0: enough for
// most of 100,000 images, which only a server that has them ever fills. The
// process takes about twice that, as garbage waits to be collected.
const DefaultCacheBytes = 256 << 20

// group is a set of resources that are invalidated together: a kind in a scope.
// An empty account or Region stands for queries over all of them, an empty alias
// for those that ask for none: what happens to one fleet's instances leaves
// answers about another's.
type group struct {
	kind domain.Kind
	domain.Scope
	alias string
}

// Lists of references are in groups by the kind and scope of whose they are:
// what somebody's image refers to changes no answer about shares.
func referencesFrom(k domain.Key) group { return group{kind: "\x00from " + k.Kind, Scope: k.Scope} }
func referencesTo(k domain.Key) group   { return group{kind: "\x00to " + k.Kind, Scope: k.Scope} }

// place is where a unit is kept: a resource's name, or a question about a group.
type place struct {
	group
	name string   // of the one resource; "" for a question
	ask  question // zero for a resource
}

// question is everything that tells one query on a group from another.
type question struct {
	what  byte // p: page of a query, c: count, s: count by state, f: references from, t: references to
	begun bool
	limit int
	// from is where the page begins, or whose references are asked for.
	from  domain.Key
	words string // names and states, or kinds
}

// unit is one cached answer; it never changes.
type unit struct {
	at   place
	seq  int64  // the era it was read in
	rows []*row // of a page, or the one resource; none when it is not there
	keys []domain.Key
	n    int
	by   map[domain.State]int
	cost int

	// Of an answer that a caller wants remembered (remember.go), instead:
	key     any
	kept    any
	sources map[group]int64

	used       atomic.Bool // since the sweep last came by
	prev, next *unit       // in the ring of all units
}

type cache struct {
	most int // bytes

	mu      sync.RWMutex
	changed map[group]int64 // the era that began with its last change
	known   int64           // since this era, all changes are there
	prune   int             // how many are too many
	docs    map[group]map[string]*unit
	pages   map[group]map[question]*unit
	answers map[any]*unit
	from    map[group]map[*unit]struct{} // answers by what they were read from
	ring    unit                         // the sentinel: next is the newest
	bytes   int
	refused int // units that came when there was no room
}

// admit is which of the units that find no room makes some.
const admit = 8

func newCache(most int) *cache {
	if most == 0 {
		most = DefaultCacheBytes
	}
	c := &cache{most: most, prune: leastPrune, changed: map[group]int64{}, docs: map[group]map[string]*unit{}, pages: map[group]map[question]*unit{},
		answers: map[any]*unit{}, from: map[group]map[*unit]struct{}{}}
	c.ring.prev, c.ring.next = &c.ring, &c.ring
	return c
}

func (c *cache) find(at *place) *unit {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var u *unit
	if at.name != "" {
		u = c.docs[at.group][at.name]
	} else {
		u = c.pages[at.group][at.ask]
	}
	if u != nil {
		u.touch()
	}
	return u
}

// touch says that somebody has used it.
func (u *unit) touch() {
	if !u.used.Load() { // a store for each hit would be traffic between processors
		u.used.Store(true)
	}
}

// put keeps a unit, unless what it was read from has changed since.
func (c *cache) put(u *unit) {
	u.cost += unitCost
	for _, r := range u.rows {
		u.cost += r.cost
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.fresh(u.at.group, u.seq) || !c.room(u) {
		return
	}
	if u.at.name != "" {
		old := c.docs[u.at.group]
		if old == nil {
			old = map[string]*unit{}
			c.docs[u.at.group] = old
		}
		c.unlink(old[u.at.name])
		old[u.at.name] = u
	} else {
		old := c.pages[u.at.group]
		if old == nil {
			old = map[question]*unit{}
			c.pages[u.at.group] = old
		}
		c.unlink(old[u.at.ask])
		old[u.at.ask] = u
	}
	c.link(u)
}

// room tells whether a unit may come in.
func (c *cache) room(u *unit) bool {
	if u.cost > c.most/8 {
		return false // one answer must not push out all others
	}
	if c.bytes+u.cost <= c.most {
		return true
	}
	// Who walks through more than fits would push everything out just before it
	// is wanted again. What is wanted often gets in soon.
	c.refused++
	return c.refused%admit == 0
}

// link makes a unit the newest.
func (c *cache) link(u *unit) {
	u.prev, u.next = &c.ring, c.ring.next
	u.prev.next, u.next.prev = u, u
	c.bytes += u.cost
	c.shrink()
}

// unitCost is what a unit costs besides its rows, rowCost what a row costs
// besides its document: structs, map entries, strings of keys.
const unitCost, rowCost = 500, 1000

// shrink drops the oldest units that nobody has used lately.
func (c *cache) shrink() {
	for c.bytes > c.most {
		u := c.ring.prev
		if u.used.Swap(false) {
			c.unchain(u)
			u.prev, u.next = &c.ring, c.ring.next
			u.prev.next, u.next.prev = u, u
			c.bytes += u.cost
			continue
		}
		c.drop(u)
	}
}

func (c *cache) drop(u *unit) {
	c.unlink(u)
	if u.key != nil {
		c.forget(u)
		return
	}
	if u.at.name != "" {
		delete(c.docs[u.at.group], u.at.name)
		if len(c.docs[u.at.group]) == 0 {
			delete(c.docs, u.at.group)
		}
		return
	}
	delete(c.pages[u.at.group], u.at.ask)
	if len(c.pages[u.at.group]) == 0 {
		delete(c.pages, u.at.group)
	}
}

// unlink takes a unit out of the ring; nil is none.
func (c *cache) unlink(u *unit) {
	if u != nil {
		c.unchain(u)
	}
}

func (c *cache) unchain(u *unit) {
	u.prev.next, u.next.prev = u.next, u.prev
	u.prev, u.next = nil, nil
	c.bytes -= u.cost
}

// publish drops what a commit made stale; seq is the era that begins with it.
func (c *cache) publish(seq int64, w *writes) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k := range w.keys {
		if u := c.docs[group{kind: k.Kind, Scope: k.Scope}][k.Name]; u != nil {
			c.drop(u)
		}
		for _, s := range []domain.Scope{k.Scope, {Account: k.Account}, {Region: k.Region}, {}} {
			c.stale(group{k.Kind, s, ""}, seq)
			if k.alias != "" {
				c.stale(group{k.Kind, s, k.alias}, seq)
			}
		}
	}
	for g := range w.references {
		c.stale(g, seq)
	}
	if len(c.changed) > c.prune {
		c.known = max(c.known, seq-recent)
		maps.DeleteFunc(c.changed, func(_ group, at int64) bool { return at <= c.known })
		c.prune = 2*len(c.changed) + leastPrune
	}
}

const (
	// leastPrune is how many groups are remembered as changed before the old ones
	// among them are looked for.
	leastPrune = 1000
	// recent is how many eras a view may last and still have what it read kept.
	recent = 1000
)

// fresh tells whether a group is as it was in an era.
func (c *cache) fresh(g group, seq int64) bool { return seq >= c.known && c.changed[g] <= seq }

func (c *cache) stale(g group, seq int64) {
	if c.changed[g] == seq {
		return // by another key of the same commit
	}
	c.changed[g] = seq
	for _, u := range c.pages[g] {
		c.unlink(u)
	}
	delete(c.pages, g)
	for u := range c.from[g] {
		c.drop(u)
	}
}

// writes is what a transaction has written.
type writes struct {
	keys       map[touched]struct{}
	references map[group]struct{}
}

// touched is a resource with an alias that it has or had.
type touched struct {
	domain.Key
	alias string
}

func (w *writes) key(k domain.Key, alias string) {
	if w.keys == nil {
		w.keys = map[touched]struct{}{}
	}
	w.keys[touched{k, alias}] = struct{}{}
}

func (w *writes) reference(from, to domain.Key) {
	if w.references == nil {
		w.references = map[group]struct{}{}
	}
	w.references[referencesFrom(from)] = struct{}{}
	w.references[referencesTo(to)] = struct{}{}
}

func (w *writes) any() bool { return len(w.references) > 0 || len(w.keys) > 0 }
