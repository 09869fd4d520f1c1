// Package sqlite keeps Slipway's state in one SQLite file: the Store contract
// on modernc.org/sqlite, which needs no C.
//
// One process owns the data directory (a lock file), one connection writes, a
// few read. The SQL is plain, without JSON functions, so that another database
// can take the same statements. No table or statement here knows a noun.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	driver "modernc.org/sqlite"
	code "modernc.org/sqlite/lib"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// Options of Open; the zero value is usable.
type Options struct {
	Clock    domain.Clock   // nil: domain.WallClock
	Upgrades store.Upgrades // how documents of older schemas are read
	Readers  int            // views that read from the file at the same time; 0: 4
	// CacheBytes bounds what is kept decoded for views, about; 0:
	// DefaultCacheBytes, less than 0: nothing is kept.
	CacheBytes int
	// Checked is for tests of what uses a store: reading something of which
	// somebody has changed a map or a slice in place panics.
	Checked bool
}

// File is the name of the database in the data directory.
const File = "slipway.db"

// LockFile is the file that the owner of a data directory holds locked.
const LockFile = "slipway.lock"

type db struct {
	opts    Options
	lock    *os.File
	pool    *sql.DB
	writer  chan *session // holds the one writing session while it is free
	readers chan *session
	closing chan struct{}
	once    sync.Once
	closed  error // of Close
	logged  logged
	epoch   int64
	cache   *cache
	life    sync.RWMutex // held by views; Close waits for it

	mu      sync.Mutex
	changed chan struct{}
	era     *era       // the present one
	spare   []*session // for last snapshots
}

// Open opens the store in dir, making both when they are not there. A directory
// that another process owns is fault.InUse; one that a newer program wrote is
// fault.Incompatible.
func Open(dir string, opts Options) (store.Store, error) {
	if opts.Clock == nil {
		opts.Clock = domain.WallClock
	}
	if opts.Readers <= 0 {
		opts.Readers = 4
	}
	dir, err := filepath.Abs(dir) // in a URI, a relative path would name a host
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The data directory cannot be found.")
	}
	// The documents hold secrets: nobody but the owner may read them.
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The data directory cannot be made.")
	}
	lock, err := takeLock(filepath.Join(dir, LockFile))
	if err != nil {
		return nil, err
	}
	// A process that was killed has left its log: the first commit copies it. One
	// that is killed again and again would let it grow without end.
	d := &db{logged: logged{rows: cutAfter}, opts: opts, lock: lock, closing: make(chan struct{}), changed: make(chan struct{}), cache: newCache(opts.CacheBytes), era: newEra(0),
		writer: make(chan *session, 1), readers: make(chan *session, opts.Readers)}
	if err := d.open(filepath.Join(dir, File)); err != nil {
		return nil, errors.Join(err, d.release())
	}
	return d, nil
}

// lockTime is how long a statement waits for the lock of another process, which
// may look into the file.
const lockTime = 10 * time.Second

func (d *db) open(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "The data file cannot be opened.")
	}
	if err := f.Close(); err != nil {
		return broken(err)
	}
	q := url.Values{}
	for _, p := range []string{fmt.Sprintf("busy_timeout(%d)", lockTime.Milliseconds()), "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
		"temp_store(memory)", "cache_size(-4000)", "wal_autocheckpoint(0)"} {
		q.Add("_pragma", p)
	}
	// A plain path with a ? or # in it would be cut short; as a URI it is not.
	name := (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
	if d.pool, err = sql.Open("sqlite", name); err != nil {
		return broken(err)
	}
	w, err := newSession(d.pool, false)
	if err != nil {
		return err
	}
	d.writer <- w
	if err := w.write(context.Background(), func() error { return migrate(w) }); err != nil {
		return err
	}
	err = w.write(context.Background(), func() error { d.epoch, err = nextEpoch(w); return err })
	if err != nil {
		return err
	}
	for range d.opts.Readers {
		r, err := newSession(d.pool, true)
		if err != nil {
			return err
		}
		d.readers <- r
	}
	return nil
}

func (d *db) Epoch() int64 { return d.epoch }

func (d *db) Changed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changed
}

func (d *db) announce() {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.changed)
	d.changed = make(chan struct{})
}

// acquire waits for a free session.
func (d *db) acquire(ctx context.Context, from chan *session) (*session, error) {
	select {
	case <-d.closing:
		return nil, errClosed
	default:
	}
	if err := ctx.Err(); err != nil {
		return nil, interrupted(ctx)
	}
	select {
	case s := <-from:
		return s, nil
	case <-d.closing:
		return nil, errClosed
	case <-ctx.Done():
		return nil, interrupted(ctx)
	}
}

func (d *db) Update(ctx context.Context, f func(store.Tx) error) error {
	s, err := d.acquire(ctx, d.writer)
	if err != nil {
		return err
	}
	defer func() { d.writer <- s }()
	t, ending := d.begin(ctx, s, true), false
	err = s.write(ctx, func() error {
		if err := f(t); err != nil || !t.touched.any() {
			return err
		}
		err := d.endEra()
		ending = err == nil
		return err
	})
	if ending {
		// Also after a commit that failed: it may have come to be all the same.
		d.nextEra(&t.touched)
	}
	if err != nil {
		return err
	}
	if t.wrote {
		d.cut(s, len(t.touched.keys)+1)
		d.announce()
	}
	return nil
}

func (d *db) begin(ctx context.Context, s *session, writes bool) *tx {
	return &tx{ctx: ctx, s: s, d: d, writes: writes, now: d.opts.Clock.Now().UTC().Truncate(time.Microsecond)}
}

func (d *db) Close() error {
	d.once.Do(func() {
		close(d.closing)
		d.life.Lock()
		defer d.life.Unlock()
		// Taking every session out waits for whoever holds one.
		for range d.opts.Readers {
			(<-d.readers).close()
		}
		(<-d.writer).close()
		for _, s := range d.spare {
			s.close()
		}
		d.closed = d.release()
	})
	return d.closed
}

// release gives back what Open took, sessions aside.
func (d *db) release() error {
	var errs []error
	if d.pool != nil {
		errs = append(errs, d.pool.Close())
	}
	// The file stays: removing it would let two processes lock different files
	// of one name.
	return errors.Join(append(errs, d.lock.Close())...)
}

var errClosed = fault.New(fault.Unavailable, "The store is closed.")

// interrupted is the error of a caller that went away or ran out of time.
func interrupted(ctx context.Context) error {
	return fault.Wrap(fault.Canceled, context.Cause(ctx), "The request was interrupted.")
}

// broken classifies an error of the database: a full disk may pass, everything
// else is ours.
func broken(err error) error {
	var e *driver.Error
	if errors.As(err, &e) {
		switch e.Code() & 0xff {
		case code.SQLITE_FULL:
			return fault.Wrap(fault.Unavailable, err, "The disk of the data directory is full.")
		case code.SQLITE_BUSY, code.SQLITE_LOCKED:
			return fault.Wrap(fault.Unavailable, err, "The data file is locked by another program.")
		}
	}
	return fault.Wrap(fault.Internal, err, "The data file cannot be used.")
}
