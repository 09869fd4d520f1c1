package sqlite

import (
	"database/sql"
	"slices"

	"slipway/domain"
)

const (
	whereFrom = ` WHERE from_kind = ? AND from_account = ? AND from_region = ? AND from_name = ?`
	andTo     = ` AND to_kind = ? AND to_account = ? AND to_region = ? AND to_name = ?`
)

func (t *tx) Refer(from, to domain.Key) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	t.touched.reference(from, to)
	return t.s.exec(`INSERT INTO reference (from_kind, from_account, from_region, from_name, to_kind, to_account, to_region, to_name)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (from_kind, from_account, from_region, from_name, to_kind, to_account, to_region, to_name) DO NOTHING`,
		append(keyArgs(from), keyArgs(to)...)...)
}

func (t *tx) Unrefer(from, to domain.Key) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	t.touched.reference(from, to)
	return t.s.exec(`DELETE FROM reference`+whereFrom+andTo, append(keyArgs(from), keyArgs(to)...)...)
}

func (t *tx) Referrers(to domain.Key, kinds ...domain.Kind) ([]domain.Key, error) {
	ask := question{what: 't', from: to}
	for _, k := range kinds {
		ask.words += string(k) + " "
	}
	w := &where{}
	w.and("to_kind = ? AND to_account = ? AND to_region = ? AND to_name = ?", keyArgs(to)...)
	in(w, "from_kind", kinds)
	return t.keys(place{group: referencesTo(to), ask: ask}, `SELECT from_kind, from_account, from_region, from_name FROM reference`+w.text.String()+
		` ORDER BY from_kind, from_account, from_region, from_name`, w.args)
}

func (t *tx) References(from domain.Key) ([]domain.Key, error) {
	return t.keys(place{group: referencesFrom(from), ask: question{what: 'f', from: from}}, `SELECT to_kind, to_account, to_region, to_name FROM reference`+whereFrom+
		` ORDER BY to_kind, to_account, to_region, to_name`, keyArgs(from))
}

func (t *tx) keys(at place, text string, args []any) ([]domain.Key, error) {
	if err := t.mayRead(); err != nil {
		return nil, err
	}
	if u, err := t.recall(&at); err != nil {
		return nil, err
	} else if u != nil {
		return slices.Clone(u.keys), nil
	}
	out, err := t.s.keys(text, args)
	if err == nil {
		t.keep(&unit{at: at, keys: slices.Clone(out), cost: len(out) * keyCost})
	}
	return out, err
}

// keys reads the keys that a statement gives.
func (s *session) keys(text string, args []any) (out []domain.Key, err error) {
	err = s.rows(text, args, func(r *sql.Rows) error {
		var k domain.Key
		if err := r.Scan(&k.Kind, &k.Account, &k.Region, &k.Name); err != nil {
			return err
		}
		out = append(out, k)
		return nil
	})
	return out, err
}

// keyCost is what a key takes, its name included.
const keyCost = 150
