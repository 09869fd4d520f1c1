package storetest

import (
	"errors"
	"slices"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

func (s *suite) queryKeys(q store.Query) (out []domain.Key) {
	s.Helper()
	s.view(func(tx store.Tx) error {
		return tx.Query(q, func(r store.Row) (bool, error) { out = append(out, r.Key()); return true, nil })
	})
	return out
}

// wantNames runs a query and compares names, in order, and the count.
func (s *suite) wantNames(q store.Query, want ...string) {
	s.Helper()
	var got []string
	for _, k := range s.queryKeys(q) {
		got = append(got, k.Name)
	}
	if !slices.Equal(got, want) {
		s.Errorf("query %+v: got %v, want %v", q, got, want)
	}
	if q.After != "" || q.Limit != 0 {
		return
	}
	s.view(func(tx store.Tx) error {
		if n, err := tx.Count(q); err != nil || n != len(want) {
			s.Errorf("count %+v: %d %v, want %d", q, n, err, len(want))
		}
		by, err := tx.States(q)
		sum := 0
		for _, n := range by {
			sum += n
		}
		if err != nil || sum != len(want) {
			s.Errorf("states %+v: %v %v, want %d", q, by, err, len(want))
		}
		keys, err := tx.Keys(q)
		for i, k := range keys {
			if k.Kind != q.Kind || !slices.Contains(want, k.Name) || slices.Contains(keys[:i], k) {
				s.Errorf("keys %+v: %v", q, keys)
			}
		}
		if err != nil || len(keys) != len(want) {
			s.Errorf("keys %+v: %v %v, want %v", q, keys, err, want)
		}
		return nil
	})
}

func testQueryFilters(s *suite) {
	s.update(func(tx store.Tx) error {
		for _, k := range []domain.Key{
			key(domain.KindSnapshot, "111", "eu", "a"), key(domain.KindSnapshot, "111", "us", "b"),
			key(domain.KindSnapshot, "222", "eu", "c"), key(domain.KindSnapshot, "111", "eu", "d"),
		} {
			n := &domain.Snapshot{Meta: domain.Meta{Key: k}, ClientToken: "token-" + k.Name}
			if err := tx.Insert(n); err != nil {
				return err
			}
		}
		_, err := tx.Move(key(domain.KindSnapshot, "111", "eu", "d"), domain.SnapshotAskComplete, "", nil)
		return errors.Join(err, tx.Insert(image(imageKey("e"))))
	})
	q := store.Query{Kind: domain.KindSnapshot}
	s.wantNames(q, "a", "b", "c", "d")
	s.wantNames(store.Query{Kind: domain.KindRole})
	q.Account = "111"
	s.wantNames(q, "a", "b", "d")
	q.Region = "eu"
	s.wantNames(q, "a", "d")
	q.Names = []string{"d", "a", "nobody"}
	s.wantNames(q, "a", "d")
	q.States = []domain.State{domain.SnapshotSealing}
	s.wantNames(q, "d")
	q.Alias = "token-a"
	s.wantNames(q)
	s.wantNames(store.Query{Kind: domain.KindSnapshot, Region: "eu"}, "a", "c", "d")
	s.wantNames(store.Query{Kind: domain.KindSnapshot, Alias: "token-c"}, "c")
	s.wantNames(store.Query{Kind: domain.KindSnapshot, States: []domain.State{domain.SnapshotSealing, domain.SnapshotPending, "x"}}, "a", "b", "c", "d")
	s.wantNames(store.Query{Kind: domain.KindSnapshot, Names: []string{}, States: []domain.State{}}, "a", "b", "c", "d")
	// Names are matched to the letter, and are not patterns.
	s.wantNames(store.Query{Kind: domain.KindSnapshot, Names: []string{"A", "%", "_", "' OR ''='"}})
}

func testQueryOrder(s *suite) {
	s.insert("b", "a", "B", "é", "a-1")
	q := store.Query{Kind: domain.KindImage, Account: "111", Region: "eu"}
	s.wantNames(q, "B", "a", "a-1", "b", "é")
	q.Limit = 2
	s.wantNames(q, "B", "a")
	q.After = "a"
	s.wantNames(q, "a-1", "b")
	q.After = "b"
	s.wantNames(q, "é")
	q.After = "\U0010ffff"
	s.wantNames(q)
	// Count looks at neither After nor Limit.
	s.view(func(tx store.Tx) error {
		if n, err := tx.Count(q); n != 5 || err != nil {
			s.Errorf("count: %d %v", n, err)
		}
		return nil
	})
}

// testQueryFar walks more rows than any batch holds, in one scope and over many.
func testQueryFar(s *suite) {
	const n = 700
	all := names(n)
	s.update(func(tx store.Tx) error {
		for _, name := range all {
			for _, acc := range []string{"2", "1"} {
				if err := tx.Insert(image(key(domain.KindImage, acc, "eu", name))); err != nil {
					return err
				}
			}
		}
		return nil
	})
	s.wantNames(store.Query{Kind: domain.KindImage, Account: "2", Region: "eu"}, all...)
	s.wantNames(store.Query{Kind: domain.KindImage, Account: "2", Region: "eu", Limit: 500, After: all[99]}, all[100:600]...)
	s.wantNames(store.Query{Kind: domain.KindImage, Account: "2", Region: "eu", Names: all}, all...)
	got := s.queryKeys(store.Query{Kind: domain.KindImage})
	if len(got) != 2*n {
		s.Fatalf("%d rows", len(got))
	}
	for i, k := range got {
		if k.Name != all[i/2] || k.Account != []string{"1", "2"}[i%2] {
			s.Fatalf("row %d is %v", i, k)
		}
	}
}

func testQueryStops(s *suite) {
	s.insert("a", "b", "c")
	seen := 0
	err := s.st.View(s.Context(), func(tx store.Tx) error {
		return tx.Query(store.Query{Kind: domain.KindImage}, func(store.Row) (bool, error) { seen++; return seen < 2, nil })
	})
	if err != nil || seen != 2 {
		s.Errorf("stopped after %d: %v", seen, err)
	}
	err = s.st.View(s.Context(), func(tx store.Tx) error {
		return tx.Query(store.Query{Kind: domain.KindImage}, func(store.Row) (bool, error) { return true, errTest })
	})
	if err != errTest { //nolint:errorlint // it must be the very same error
		s.Errorf("error of the walker: %v", err)
	}
}

func testQueryAndWrite(s *suite) {
	s.insert("a", "b", "c")
	s.update(func(tx store.Tx) error {
		return tx.Query(store.Query{Kind: domain.KindImage}, func(r store.Row) (bool, error) {
			n, inner := &domain.Image{}, 0
			if err := r.Decode(n); err != nil {
				return false, err
			}
			n.Description = "seen"
			if err := tx.Put(n); err != nil {
				return false, err
			}
			err := tx.Query(store.Query{Kind: domain.KindImage}, func(store.Row) (bool, error) { inner++; return true, nil })
			if inner != 3 {
				s.Errorf("inner query saw %d", inner)
			}
			return true, err
		})
	})
	for _, name := range []string{"a", "b", "c"} {
		if n := s.get(imageKey(name)); n.Description != "seen" {
			s.Errorf("%s was not written", name)
		}
	}
}

func testList(s *suite) {
	s.insert("a", "b")
	var list []*domain.Image
	s.view(func(tx store.Tx) (err error) {
		list, err = store.List[domain.Image](tx, store.Query{Kind: domain.KindImage, Limit: 1, After: "a"})
		return err
	})
	if len(list) != 1 || list[0].Meta != s.get(imageKey("b")).Meta || list[0].DisplayName != "of b" {
		s.Errorf("list: %+v", list)
	}
	s.view(func(tx store.Tx) error {
		return tx.Query(store.Query{Kind: domain.KindImage}, func(r store.Row) (bool, error) {
			if r.State() != domain.ImagePending {
				s.Errorf("state of a row: %q", r.State())
			}
			return true, nil
		})
	})
}

func testMoveAccept(s *suite) {
	s.insert("a")
	s.clock.advance(time1)
	var now = s.clock.Now()
	s.update(func(tx store.Tx) error {
		now = tx.Now()
		v, err := tx.Move(imageKey("a"), domain.ImageImportBegun, "why", nil)
		if v != domain.Accept {
			s.Errorf("verdict %v", v)
		}
		return err
	})
	n := s.get(imageKey("a"))
	if n.State != domain.ImageImporting || n.Version != 2 || !n.Updated.Equal(now) || n.DisplayName != "of a" {
		s.Errorf("after move: %+v", n)
	}
	k := imageKey("a")
	log := s.events(&k)
	want := domain.LogEntry{Key: k, Event: domain.ImageImportBegun, From: domain.ImagePending, To: domain.ImageImporting, Detail: "why", At: now}
	if len(log) != 1 || log[0].Seq <= 0 {
		s.Fatalf("log: %+v", log)
	}
	want.Seq = log[0].Seq
	if log[0] != want {
		s.Errorf("log: %+v, want %+v", log[0], want)
	}
	s.refuse(fault.NotFound, func(tx store.Tx) error { _, err := tx.Move(imageKey("b"), domain.ImageReady, "", nil); return err })
}

func testMoveIgnore(s *suite) {
	s.insert("a")
	s.update(func(tx store.Tx) error {
		_, err := tx.Move(imageKey("a"), domain.ImageImportBegun, "", nil)
		return err
	})
	before := s.get(imageKey("a"))
	s.clock.advance(time1)
	n := s.get(imageKey("a"))
	n.Description = "must not be written"
	s.update(func(tx store.Tx) error {
		v, err := tx.Move(imageKey("a"), domain.ImageImportBegun, "", n)
		if v != domain.Ignore {
			s.Errorf("verdict %v", v)
		}
		return err
	})
	if after := s.get(imageKey("a")); after.Meta != before.Meta || after.Description != "" {
		s.Errorf("an ignored event wrote: %+v", after)
	}
	if len(s.events(nil)) != 1 {
		s.Error("an ignored event was logged")
	}
}

func testMoveRefuse(s *suite) {
	s.insert("a")
	before := s.get(imageKey("a"))
	var v domain.Verdict
	err := s.refuse(fault.WrongState, func(tx store.Tx) (err error) {
		v, err = tx.Move(imageKey("a"), domain.ImageAskDelete, "", nil)
		return err
	})
	if v != domain.Refuse || !contains(fault.Public(err), string(domain.ImagePending)) || !contains(fault.Public(err), string(domain.ImageAskDelete)) {
		s.Errorf("refusal %v says %q", v, fault.Public(err))
	}
	// The caller may swallow the error: nothing was done.
	s.update(func(tx store.Tx) error { _, _ = tx.Move(imageKey("a"), domain.ImageAskDelete, "", nil); return nil })
	s.refuse(fault.WrongState, func(tx store.Tx) error { _, err := tx.Move(imageKey("a"), "unheard-of", "", nil); return err })
	if s.get(imageKey("a")).Meta != before.Meta || len(s.events(nil)) != 0 {
		s.Error("a refused event wrote something")
	}
}

func testMoveDocument(s *suite) {
	s.insert("a", "b")
	n, other := s.get(imageKey("a")), s.get(imageKey("a"))
	n.Description = "with it"
	s.update(func(tx store.Tx) error { _, err := tx.Move(n.Key, domain.ImageImportBegun, "", n); return err })
	if got := s.get(n.Key); got.Description != "with it" || got.Meta != n.Meta || got.State != domain.ImageImporting {
		s.Errorf("stored %+v, head %+v", got, n.Meta)
	}
	s.refuse(fault.Busy, func(tx store.Tx) error { _, err := tx.Move(other.Key, domain.ImageReady, "", other); return err })
	s.refuse(fault.Internal, func(tx store.Tx) error {
		_, err := tx.Move(imageKey("b"), domain.ImageImportBegun, "", n)
		return err
	})
	// Two moves in one transaction.
	s.update(func(tx store.Tx) error {
		_, err1 := tx.Move(n.Key, domain.ImageBootBegun, "", n)
		_, err2 := tx.Move(n.Key, domain.ImageReady, "", n)
		return errors.Join(err1, err2)
	})
	if got := s.get(n.Key); got.State != domain.ImageAvailable || len(s.events(nil)) != 3 {
		s.Errorf("after two moves: %+v", got)
	}
}

func testMoveStateless(s *suite) {
	k := key(domain.KindRole, "111", "", "r")
	s.update(func(tx store.Tx) error { return tx.Insert(&domain.Role{Meta: domain.Meta{Key: k}}) })
	s.refuse(fault.Internal, func(tx store.Tx) error { _, err := tx.Move(k, "x", "", nil); return err })
}
