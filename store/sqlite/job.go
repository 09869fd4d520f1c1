package sqlite

import (
	"database/sql"
	"encoding/json"
	"math"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

func (t *tx) PutJob(j *domain.Job) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	if j.ID == "" {
		return fault.New(fault.Internal, "A job needs an id.")
	}
	if j.Created.IsZero() {
		j.Created = t.now
	}
	j.Updated = t.now
	doc, err := json.Marshal(j)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "A job cannot be stored.")
	}
	ended := 0
	if j.Status.Ended() {
		ended = 1
	}
	return t.s.exec(`INSERT INTO job (id, status, workflow, kind, account, region, name, next_run, ended, doc)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET status = excluded.status, workflow = excluded.workflow, kind = excluded.kind,
			account = excluded.account, region = excluded.region, name = excluded.name,
			next_run = excluded.next_run, ended = excluded.ended, doc = excluded.doc`,
		append(append([]any{j.ID, string(j.Status), j.Workflow}, keyArgs(j.Subject)...), toMicros(j.NextRun), ended, string(doc))...)
}

func (t *tx) Job(id string) (*domain.Job, error) {
	if err := t.mayQuery(); err != nil {
		return nil, err
	}
	var doc []byte
	ok, err := t.s.row(`SELECT doc FROM job WHERE id = ?`, []any{id}, &doc)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fault.New(fault.NotFound, "The job %s does not exist.", id)
	}
	return decodeJob(doc)
}

func decodeJob(doc []byte) (*domain.Job, error) {
	j := &domain.Job{}
	if err := json.Unmarshal(doc, j); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "A stored job cannot be read.")
	}
	return j, nil
}

func (t *tx) Jobs(q store.JobQuery) ([]*domain.Job, error) {
	if err := t.mayQuery(); err != nil {
		return nil, err
	}
	w, order := &where{}, ` ORDER BY seq DESC`
	in(w, "status", q.Statuses)
	if q.Subject != nil {
		w.and("kind = ? AND account = ? AND region = ? AND name = ?", keyArgs(*q.Subject)...)
	}
	if q.Workflow != "" {
		w.and("workflow = ?", q.Workflow)
	}
	if !q.Due.IsZero() {
		w.and("ended = 0 AND next_run <= ?", toMicros(q.Due))
		order = ` ORDER BY next_run, seq`
	}
	limit := q.Limit
	if limit <= 0 {
		limit = math.MaxInt32
	}
	var docs [][]byte
	err := t.s.rows(`SELECT doc FROM job`+w.text.String()+order+` LIMIT ?`, append(w.args, limit), func(r *sql.Rows) error {
		var doc []byte
		err := r.Scan(&doc)
		docs = append(docs, doc)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make([]*domain.Job, len(docs))
	for i, doc := range docs {
		if out[i], err = decodeJob(doc); err != nil {
			return nil, err
		}
	}
	return out, nil
}
