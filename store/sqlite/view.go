package sqlite

import (
	"context"

	"slipway/fault"
	"slipway/store"
)

// era is the time between two commits that touched resources or references. A
// view belongs to the era it began in: the cache answers it while that holds
// what was true then, and a snapshot of the database answers the rest.
//
// The snapshot must be of the same era although the view begins it late, if at
// all. So an update that is about to commit keeps a snapshot of the era it ends
// ("last"), for the views that will still want one.
type era struct {
	seq   int64
	views int  // that run; guarded by db.mu, as ended
	ended bool // a later era has begun
	// closing says that an update may be committing; last then holds the
	// snapshot while nobody reads from it.
	closing bool
	last    chan *session
}

func newEra(seq int64) *era { return &era{seq: seq, last: make(chan *session, 1)} }

// View runs f on what is cached, and on a snapshot of the database from the
// first thing on that is not.
func (d *db) View(ctx context.Context, f func(store.Tx) error) error {
	// Close waits for whoever holds this.
	d.life.RLock()
	defer d.life.RUnlock()
	if d.isClosed() {
		return errClosed
	}
	t := d.begin(ctx, nil, false)
	if err := t.mayRead(); err != nil {
		return err
	}
	t.sources = sourcesOf(ctx)
	t.era = d.enter()
	defer t.leave()
	return f(t)
}

func (d *db) isClosed() bool {
	select {
	case <-d.closing:
		return true
	default:
		return false
	}
}

func (d *db) enter() *era {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.era.views++
	return d.era
}

// endEra is called by an update that is about to commit: from now on, views
// that begin a snapshot of their own could see the commit.
func (d *db) endEra() error {
	s, err := d.spareSession()
	if err != nil {
		return err
	}
	if err := s.fix(); err != nil {
		s.close()
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.era.last <- s
	d.era.closing = true
	return nil
}

// nextEra begins the next era after a commit, and forgets what that made stale.
// Views see either both or neither.
func (d *db) nextEra(w *writes) {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := d.era
	d.era = newEra(old.seq + 1)
	d.cache.publish(d.era.seq, w)
	old.ended = true
	d.forget(old)
}

// forget gives up the last snapshot of an era that no view is in any more. The
// caller holds mu.
func (d *db) forget(e *era) {
	if e.ended && e.views == 0 {
		s := <-e.last
		s.unfix()
		d.spare = append(d.spare, s)
	}
}

// spareSession is a reading session for a last snapshot. There are as many as
// there are eras with views in them: one, nearly always.
func (d *db) spareSession() (*session, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := len(d.spare); n > 0 {
		s := d.spare[n-1]
		d.spare = d.spare[:n-1]
		return s, nil
	}
	return newSession(d.pool, true)
}

// snapshot gets t a session with a snapshot of its era. While t waited, somebody
// else may have read what it wants; enough (may be nil) then says so, and t gets
// none.
func (t *tx) snapshot(enough func() bool) error {
	if err := t.ownSnapshot(enough); err != nil || t.s != nil {
		return err
	}
	if enough != nil && enough() {
		return nil
	}
	select {
	case t.s = <-t.era.last:
		t.lent = t.era.last
		return nil
	case <-t.ctx.Done():
		return interrupted(t.ctx)
	}
}

// ownSnapshot begins one on a session of the pool. When an update is committing
// it is too late for that: t.s stays nil.
func (t *tx) ownSnapshot(enough func() bool) error {
	d := t.d
	if t.tooLate() {
		return nil
	}
	s, err := d.acquire(t.ctx, d.readers)
	if err != nil {
		return err
	}
	if enough != nil && enough() || t.tooLate() {
		d.readers <- s
		return nil
	}
	if err := s.fix(); err != nil {
		d.readers <- s
		return err
	}
	if t.tooLate() { // whether the snapshot has the commit, nobody knows
		s.unfix()
		d.readers <- s
		return nil
	}
	t.s, t.lent = s, d.readers
	return nil
}

func (t *tx) tooLate() bool {
	t.d.mu.Lock()
	defer t.d.mu.Unlock()
	return t.era.closing
}

// leave ends a view, also after a panic.
func (t *tx) leave() {
	d := t.d
	if t.s != nil {
		if t.lent == d.readers {
			t.s.unfix()
		}
		t.lent <- t.s
		t.s = nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	t.era.views--
	d.forget(t.era)
}

// recall answers from the cache. When it gives nothing, and no error, the
// transaction has a session to read from.
func (t *tx) recall(at *place) (*unit, error) {
	if t.writes {
		return nil, nil
	}
	t.sources.read(at.group, t.era.seq)
	u := t.hit(at)
	if u != nil || t.s != nil {
		return u, nil
	}
	err := t.snapshot(func() bool { u = t.hit(at); return u != nil })
	if u == nil && err == nil && t.s == nil {
		err = fault.New(fault.Internal, "A view has neither an answer nor a snapshot.")
	}
	return u, err
}

// hit finds what is right for this view's era.
func (t *tx) hit(at *place) *unit {
	u := t.d.cache.find(at)
	if u == nil || u.seq > t.era.seq {
		return nil
	}
	return u
}

// keep caches what was just read from a view's snapshot. Pages behind an answer
// that is remembered would be kept twice, and they change together.
func (t *tx) keep(u *unit) {
	if !t.writes && (t.sources == nil || u.at.ask.what != 'p') {
		u.seq = t.era.seq
		t.d.cache.put(u)
	}
}

// mayQuery is asked before each reading method that the cache knows nothing of.
func (t *tx) mayQuery() error {
	t.sources.readUnknown()
	if err := t.mayRead(); err != nil || t.s != nil {
		return err
	}
	return t.snapshot(nil)
}

// The answers of a unit; a nil one has none.

func (u *unit) answer() []*row {
	if u == nil {
		return nil
	}
	return u.rows
}

func (u *unit) count() int {
	if u == nil {
		return 0
	}
	return u.n
}
