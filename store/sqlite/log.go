package sqlite

import (
	"database/sql"
	"time"
)

// SQLite's own way is to copy the log of commits into the file while it commits.
// At that moment the last snapshot of the era that ends is still open (see
// view.go), so that some of the log always stayed, and it grew without end. So it
// is copied here, by whoever has the writing session, right after that snapshot
// was given up; the next commit then begins the log anew.

// logged is what was written since the log was copied; whoever has the writing
// session has it.
type logged struct {
	rows  int
	pages int64     // of the log, when it was looked at last
	vain  time.Time // when views were waited for last, and did not end
}

const (
	// cutAfter is how many rows are written before the log is copied: some MiB of it.
	cutAfter = 1000
	// retryAfter is how many more are written when views have kept some of it.
	retryAfter = 200
	// mostPages is when the commit waits for the views that are in the way, but no
	// longer than patience, and in vain once in a calm: one may last as long as a
	// backup takes, and everybody who writes waits with it.
	mostPages = 4000
	patience  = 4 * time.Second
	calm      = time.Minute
)

// cut copies the log when it has grown. That it could not is no error of the
// commit before: it is tried again after another.
func (d *db) cut(s *session, rows int) {
	l := &d.logged
	if l.rows += rows; l.rows < cutAfter {
		return
	}
	mode := "PASSIVE"
	now := d.opts.Clock.Now()
	if l.pages > mostPages && now.Sub(l.vain) >= calm {
		mode = "RESTART"
		if s.waits(patience) != nil {
			return
		}
		defer func() { _ = s.waits(lockTime) }() // it could be set a moment ago
	}
	var busy, pages, copied int64
	err := s.rows(`PRAGMA wal_checkpoint(`+mode+`)`, nil, func(r *sql.Rows) error { return r.Scan(&busy, &pages, &copied) })
	l.pages = pages
	if err == nil && busy == 0 && copied == pages {
		switch l.rows = 0; {
		case mode == "RESTART":
			l.pages = 0
		case pages > mostPages/2: // a view that has ended by now may keep it from being begun anew
			l.rows = cutAfter - retryAfter
		}
		return
	}
	if l.rows = cutAfter - retryAfter; mode == "RESTART" {
		l.vain = now
	}
}
