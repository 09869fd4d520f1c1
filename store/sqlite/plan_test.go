package sqlite

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"slipway/domain"
	"slipway/store"
)

// TestHotQueriesUseTheirIndex asks SQLite how it would run each query that
// requests and the engine send all the time: none reads rows it does not want,
// and none sorts.
func TestHotQueriesUseTheirIndex(t *testing.T) {
	st, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	d := st.(*db)
	k := domain.Key{Scope: domain.Scope{Account: "1", Region: "eu"}, Kind: domain.KindImage, Name: "a"}
	scoped := store.Query{Kind: k.Kind, Account: k.Account, Region: k.Region}
	with := func(f func(*store.Query)) func(*tx) error {
		q := scoped
		f(&q)
		return func(t *tx) error { return t.Query(q, func(store.Row) (bool, error) { return true, nil }) }
	}
	for _, c := range []struct {
		index string
		f     func(*tx) error
	}{
		{"sqlite_autoindex_resource_1", with(func(*store.Query) {})},
		{"sqlite_autoindex_resource_1", with(func(q *store.Query) { q.After, q.Limit = "n", 25 })},
		{"sqlite_autoindex_resource_1", with(func(q *store.Query) { q.Names = []string{"x", "y", "z"} })},
		{"sqlite_autoindex_resource_1", func(t *tx) error { _, err := t.Count(scoped); return err }},
		{"resource_alias", with(func(q *store.Query) { q.Alias = "label" })},
		{"resource_state", with(func(q *store.Query) { q.States = []domain.State{"x"} })},
		{"resource_alias", with(func(q *store.Query) { q.Alias, q.States = "label", []domain.State{"x", "y"} })},
		{"resource_alias", func(t *tx) error {
			_, err := t.States(store.Query{Kind: k.Kind, Account: k.Account, Region: k.Region, Alias: "f"})
			return err
		}},
		{"COVERING INDEX resource_state", func(t *tx) error { _, err := t.States(store.Query{Kind: k.Kind}); return err }},
		{"COVERING INDEX resource_state", func(t *tx) error {
			_, err := t.Keys(store.Query{Kind: k.Kind, States: []domain.State{"x", "y"}})
			return err
		}},
		{"resource_name", with(func(q *store.Query) {
			q.Account, q.Region, q.Names, q.States = "", "", []string{"n"}, []domain.State{"x", "y", "z"}
		})},
		{"resource_name", with(func(q *store.Query) { q.Account, q.Region = "", "" })},
		{"reference_to", func(t *tx) error { _, err := t.Referrers(k); return err }},
		{"sqlite_autoindex_reference_1", func(t *tx) error { _, err := t.References(k); return err }},
		{"event_of", func(t *tx) error { _, err := t.Events(&k, 5, 10); return err }},
		{"PRIMARY KEY", func(t *tx) error { _, err := t.Events(nil, 5, 10); return err }},
		{"job_due", func(t *tx) error { _, err := t.Jobs(store.JobQuery{Due: time.Now(), Limit: 8}); return err }},
		{"job_due_workflow", func(t *tx) error {
			_, err := t.Jobs(store.JobQuery{Due: time.Now(), Workflow: "w", Limit: 8})
			return err
		}},
		{"job_of", func(t *tx) error { _, err := t.Jobs(store.JobQuery{Subject: &k}); return err }},
	} {
		s := <-d.readers
		s.forget()
		d.cache = newCache(-1) // so that the database is asked
		view := d.begin(context.Background(), s, false)
		view.era = d.era
		if err := c.f(view); err != nil {
			t.Fatal(err)
		}
		for text := range s.stmts {
			plan := explain(t, s, text)
			if !strings.Contains(plan, c.index+" (") || strings.Contains(plan, "SCAN") {
				t.Errorf("%s\nwants %s, is run as\n%s", text, c.index, plan)
			}
			if strings.Contains(plan, "TEMP B-TREE") && !strings.Contains(text, "from_kind") && c.index != "job_of" && !strings.Contains(text, "+state") {
				t.Errorf("%s\nsorts:\n%s", text, plan)
			}
		}
		d.readers <- s
	}
}

func explain(t *testing.T, s *session, text string) string {
	t.Helper()
	args := make([]any, strings.Count(text, "?"))
	rows, err := s.conn.QueryContext(always, "EXPLAIN QUERY PLAN "+text, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var plan strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var detail sql.NullString
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		plan.WriteString(detail.String + "\n")
	}
	return plan.String()
}
