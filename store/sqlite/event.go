package sqlite

import (
	"database/sql"
	"math"

	"slipway/domain"
)

func (t *tx) Append(e domain.LogEntry) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	return t.s.exec(`INSERT INTO event (at, kind, account, region, name, alias, event, from_state, to_state, detail)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		append(append([]any{toMicros(t.now)}, keyArgs(e.Key)...), e.Alias, string(e.Event), string(e.From), string(e.To), e.Detail)...)
}

// Forget implements store.Tx.
func (t *tx) Forget(key domain.Key) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	return t.s.exec(`DELETE FROM event`+whereKey, keyArgs(key)...)
}

func (t *tx) Events(key *domain.Key, after int64, limit int) ([]domain.LogEntry, error) {
	if err := t.mayQuery(); err != nil {
		return nil, err
	}
	w := &where{}
	w.and("seq > ?", after)
	if key != nil {
		w.and("kind = ? AND account = ? AND region = ? AND name = ?", keyArgs(*key)...)
	}
	if limit <= 0 {
		limit = math.MaxInt32
	}
	var out []domain.LogEntry
	err := t.s.rows(`SELECT seq, at, kind, account, region, name, alias, event, from_state, to_state, detail FROM event`+
		w.text.String()+` ORDER BY seq LIMIT ?`, append(w.args, limit), func(r *sql.Rows) error {
		var e domain.LogEntry
		var at int64
		err := r.Scan(&e.Seq, &at, &e.Key.Kind, &e.Key.Account, &e.Key.Region, &e.Key.Name, &e.Alias, &e.Event, &e.From, &e.To, &e.Detail)
		e.At = fromMicros(at)
		out = append(out, e)
		return err
	})
	return out, err
}
