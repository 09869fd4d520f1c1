package sqlite

import (
	"database/sql"
	"maps"
	"strconv"
	"strings"

	"slipway/domain"
	"slipway/store"
)

// where is a condition under construction.
type where struct {
	text strings.Builder
	args []any
}

func (w *where) and(cond string, args ...any) {
	if w.text.Len() == 0 {
		w.text.WriteString(" WHERE ")
	} else {
		w.text.WriteString(" AND ")
	}
	w.text.WriteString(cond)
	w.args = append(w.args, args...)
}

// in adds "column is one of values". The list is filled up to a power of two
// with its last value, so that few distinct statements are prepared.
func in[T ~string](w *where, column string, values []T) {
	if len(values) == 0 {
		return
	}
	n := 1
	for n < len(values) {
		n *= 2
	}
	args := make([]any, n)
	for i := range args {
		args[i] = string(values[min(i, len(values)-1)])
	}
	w.and(column+" IN (?"+strings.Repeat(", ?", n-1)+")", args...)
}

func (w *where) query(q store.Query) {
	w.and("kind = ?", string(q.Kind))
	if q.Account != "" {
		w.and("account = ?", q.Account)
	}
	if q.Region != "" {
		w.and("region = ?", q.Region)
	}
	if q.Alias != "" {
		w.and("alias = ?", q.Alias)
	}
	in(w, "name", q.Names)
	in(w, stateColumn(q), q.States)
}

// stateColumn is the state as an expression that SQLite uses the index of states
// for, unless there is a better one: among all of a kind, those in a state are
// many.
func stateColumn(q store.Query) string {
	if q.Alias != "" || len(q.Names) > 0 {
		return "+state"
	}
	return "state"
}

// batch is how many rows are read before f sees the first: the statement must
// be finished by then, since f may use it again.
const batch = 128

func (t *tx) Query(q store.Query, f func(store.Row) (bool, error)) error {
	after, started, left := domain.Key{}, false, q.Limit
	for {
		if err := t.mayRead(); err != nil {
			return err
		}
		n := batch
		if q.Limit > 0 {
			n = min(n, left)
		}
		rows, err := t.page(q, after, started, n)
		if err != nil {
			return err
		}
		for _, r := range rows {
			more, err := f(r)
			if err != nil || !more {
				return err
			}
		}
		left -= len(rows)
		if len(rows) < n || q.Limit > 0 && left == 0 {
			return nil
		}
		after, started = rows[n-1].key, true
	}
}

// page gives the next n rows of a query: those behind the row after when the
// walk has begun, else those behind the query's own After.
func (t *tx) page(q store.Query, after domain.Key, started bool, n int) ([]*row, error) {
	if t.writes {
		return t.readPage(q, after, started, n)
	}
	if !started {
		after = domain.Key{Name: q.After}
	}
	at := place{group: groupOf(q), ask: question{what: 'p', begun: started, limit: n, from: after, words: words(q)}}
	u, err := t.recall(&at)
	if u != nil || err != nil {
		return u.answer(), err
	}
	rows, err := t.readPage(q, after, started, n)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		r.share()
	}
	t.keep(&unit{at: at, rows: rows})
	return rows, nil
}

func (t *tx) readPage(q store.Query, after domain.Key, started bool, n int) ([]*row, error) {
	w := &where{}
	w.query(q)
	switch {
	case started && q.Account != "" && q.Region != "":
		w.and("name > ?", after.Name)
	case started:
		w.and("(name, account, region) > (?, ?, ?)", after.Name, after.Account, after.Region)
	case q.After != "":
		w.and("name > ?", q.After)
	}
	text := `SELECT ` + rowColumns + ` FROM resource` + w.text.String() + ` ORDER BY name, account, region LIMIT ?`
	var out []*row
	err := t.s.rows(text, append(w.args, n), func(rs *sql.Rows) error {
		r := &row{d: t.d}
		out = append(out, r)
		return rs.Scan(r.dest()...)
	})
	return out, err
}

func (t *tx) Count(q store.Query) (int, error) {
	if err := t.mayRead(); err != nil {
		return 0, err
	}
	at := place{group: groupOf(q), ask: question{what: 'c', words: words(q)}}
	if u, err := t.recall(&at); u != nil || err != nil {
		return u.count(), err
	}
	w := &where{}
	w.query(q)
	var n int
	_, err := t.s.row(`SELECT COUNT(*) FROM resource`+w.text.String(), w.args, &n)
	if err == nil {
		t.keep(&unit{at: at, n: n})
	}
	return n, err
}

// States implements store.Tx.
func (t *tx) States(q store.Query) (map[domain.State]int, error) {
	if err := t.mayRead(); err != nil {
		return nil, err
	}
	at := place{group: groupOf(q), ask: question{what: 's', words: words(q)}}
	if u, err := t.recall(&at); err != nil {
		return nil, err
	} else if u != nil {
		return maps.Clone(u.by), nil
	}
	w := &where{}
	w.query(q)
	by := map[domain.State]int{}
	err := t.s.rows(`SELECT state, COUNT(*) FROM resource`+w.text.String()+` GROUP BY `+stateColumn(q), w.args, func(r *sql.Rows) error {
		var s domain.State
		var n int
		err := r.Scan(&s, &n)
		by[s] = n
		return err
	})
	if err == nil {
		t.keep(&unit{at: at, by: maps.Clone(by)})
	}
	return by, err
}

// Keys implements store.Tx. They are asked for by those who look at everything,
// now and then: nothing is kept.
func (t *tx) Keys(q store.Query) ([]domain.Key, error) {
	t.sources.readUnknown()
	if err := t.mayQuery(); err != nil {
		return nil, err
	}
	w := &where{}
	w.query(q)
	return t.s.keys(`SELECT kind, account, region, name FROM resource`+w.text.String(), w.args)
}

func groupOf(q store.Query) group {
	return group{q.Kind, domain.Scope{Account: q.Account, Region: q.Region}, q.Alias}
}

// words puts a query's lists into one text, unlike that of any other query.
func words(q store.Query) string {
	if len(q.Names)+len(q.States) == 0 {
		return ""
	}
	var b []byte
	for _, n := range q.Names {
		b = strconv.AppendQuote(b, n)
	}
	b = append(b, '/')
	for _, s := range q.States {
		b = strconv.AppendQuote(b, string(s))
	}
	return string(b)
}
