package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"slipway/fault"
)

// session is one connection with its prepared statements. One goroutine uses it
// at a time; the channels in db see to that.
type session struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

// maxStatements bounds the statement cache: the shape of a Query is data, so
// the number of distinct texts is not ours to promise.
const maxStatements = 256

// Statements run without the caller's context: a context that can end costs the
// driver a goroutine for each statement, and none of ours is long. Transactions
// look at their context between statements instead.
var always = context.Background()

func newSession(pool *sql.DB, readOnly bool) (*session, error) {
	c, err := pool.Conn(always)
	if err != nil {
		return nil, broken(err)
	}
	s := &session{conn: c, stmts: map[string]*sql.Stmt{}}
	if readOnly {
		// A second fence behind the check in tx.
		if err := s.exec("PRAGMA query_only = 1"); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

func (s *session) close() {
	s.forget()
	_ = s.conn.Close() // the pool's own Close reports what matters
}

func (s *session) forget() {
	for _, st := range s.stmts {
		_ = st.Close()
	}
	clear(s.stmts)
}

func (s *session) prepare(text string) (*sql.Stmt, error) {
	if st := s.stmts[text]; st != nil {
		return st, nil
	}
	if len(s.stmts) >= maxStatements {
		s.forget()
	}
	st, err := s.conn.PrepareContext(always, text)
	if err != nil {
		return nil, broken(err)
	}
	s.stmts[text] = st
	return st, nil
}

func (s *session) exec(text string, args ...any) error {
	_, err := s.change(text, args...)
	return err
}

// waits sets how long a statement waits for others' locks. It is no statement to
// keep: it does what it says when it is prepared.
func (s *session) waits(most time.Duration) error {
	_, err := s.conn.ExecContext(always, fmt.Sprintf("PRAGMA busy_timeout(%d)", most.Milliseconds()))
	return err
}

// change runs a statement and tells how many rows it touched.
func (s *session) change(text string, args ...any) (int64, error) {
	st, err := s.prepare(text)
	if err != nil {
		return 0, err
	}
	r, err := st.ExecContext(always, args...)
	if err != nil {
		return 0, broken(err)
	}
	n, err := r.RowsAffected()
	if err != nil {
		return 0, broken(err)
	}
	return n, nil
}

// row reads one row into dest and tells whether there was one.
func (s *session) row(text string, args []any, dest ...any) (bool, error) {
	found := false
	err := s.rows(text, args, func(r *sql.Rows) error {
		found = true
		return r.Scan(dest...)
	})
	return found, err
}

// rows calls f for each row of a result. f may only scan: the statement is in
// use, and it is shared with everybody on this session.
func (s *session) rows(text string, args []any, f func(*sql.Rows) error) (err error) {
	st, err := s.prepare(text)
	if err != nil {
		return err
	}
	r, err := st.QueryContext(always, args...)
	if err != nil {
		return broken(err)
	}
	defer func() {
		if e := r.Close(); e != nil && err == nil {
			err = broken(e)
		}
	}()
	for r.Next() {
		if err := f(r); err != nil {
			return broken(err)
		}
	}
	if err := r.Err(); err != nil {
		return broken(err)
	}
	return nil
}

// fix begins a snapshot: that of the first statement, so it runs one.
func (s *session) fix() error {
	if err := s.exec("BEGIN"); err != nil {
		return err
	}
	if _, err := metaInt(s, "epoch"); err != nil {
		s.unfix()
		return err
	}
	return nil
}

func (s *session) unfix() { _ = s.exec("ROLLBACK") }

// write runs f in a transaction and commits it, unless f failed or ctx ended.
func (s *session) write(ctx context.Context, f func() error) error {
	if err := s.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	done := false
	defer func() {
		if !done {
			// Fails when SQLite rolled back by itself; then it is what we want.
			_ = s.exec("ROLLBACK")
		}
	}()
	if err := f(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return interrupted(ctx)
	}
	if err := s.exec("COMMIT"); err != nil {
		return fault.Wrap(fault.KindOf(err), err, "The change could not be written.")
	}
	done = true
	return nil
}
