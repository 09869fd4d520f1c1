package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

const time1 = time.Minute

func contains(s, part string) bool { return strings.Contains(s, part) }

func testReferences(s *suite) {
	disk, other := domain.DiskKey("d"), domain.DiskKey("e")
	a, b := imageKey("a"), imageKey("b")
	snap := key(domain.KindSnapshot, "111", "eu", "snap-1")
	for range 2 { // repeatable; and no target needs to exist
		s.update(func(tx store.Tx) error {
			return errors.Join(tx.Refer(b, disk), tx.Refer(a, disk), tx.Refer(snap, disk), tx.Refer(a, other))
		})
	}
	want := func(what string, got []domain.Key, err error, keys ...domain.Key) {
		s.Helper()
		if err != nil || !slices.Equal(got, keys) {
			s.Errorf("%s: %v %v, want %v", what, got, err, keys)
		}
	}
	s.view(func(tx store.Tx) error {
		got, err := tx.Referrers(disk)
		want("referrers", got, err, a, b, snap)
		got, err = tx.Referrers(disk, domain.KindSnapshot)
		want("referring snapshots", got, err, snap)
		got, err = tx.Referrers(disk, domain.KindImage, domain.KindSnapshot, domain.KindAMI)
		want("referrers of three kinds", got, err, a, b, snap)
		got, err = tx.Referrers(a)
		want("of nobody", got, err)
		got, err = tx.References(a)
		want("references", got, err, disk, other)
		return nil
	})
	for range 2 {
		s.update(func(tx store.Tx) error { return tx.Unrefer(a, disk) })
	}
	s.view(func(tx store.Tx) error {
		got, err := tx.Referrers(disk)
		want("after unrefer", got, err, b, snap)
		got, err = tx.References(a)
		want("after unrefer", got, err, other)
		return nil
	})
}

func testEvents(s *suite) {
	a, b := imageKey("a"), imageKey("b")
	var now time.Time
	s.update(func(tx store.Tx) error {
		now = tx.Now()
		for i, k := range []domain.Key{a, b, a, b, a} {
			e := domain.LogEntry{Seq: 99, At: time.Unix(1, 0), Key: k, Event: "e", Detail: strings.Repeat("x", i)}
			if err := tx.Append(e); err != nil {
				return err
			}
		}
		return nil
	})
	all := s.events(nil)
	if len(all) != 5 {
		s.Fatalf("%d events", len(all))
	}
	for i, e := range all {
		if len(e.Detail) != i || !e.At.Equal(now) || i > 0 && e.Seq <= all[i-1].Seq {
			s.Errorf("event %d: %+v", i, e)
		}
	}
	s.view(func(tx store.Tx) error {
		got, err := tx.Events(&b, 0, 0)
		if err != nil || !slices.Equal(got, []domain.LogEntry{all[1], all[3]}) {
			s.Errorf("of b: %v %v", got, err)
		}
		got, err = tx.Events(nil, all[1].Seq, 2)
		if err != nil || !slices.Equal(got, all[2:4]) {
			s.Errorf("after the second: %v %v", got, err)
		}
		got, err = tx.Events(&a, all[4].Seq, 0)
		if err != nil || len(got) != 0 {
			s.Errorf("after the last: %v %v", got, err)
		}
		return nil
	})
	// The log outlives what it tells of.
	s.update(func(tx store.Tx) error { return tx.Delete(a) })
	if len(s.events(&a)) != 3 {
		s.Error("deleting a resource deleted its log")
	}
	// Unless it is told not to, even of the newest entry.
	s.update(func(tx store.Tx) error { return tx.Forget(a) })
	if left := s.events(nil); !slices.Equal(left, []domain.LogEntry{all[1], all[3]}) {
		s.Errorf("what is left when a is forgotten: %v", left)
	}
	s.update(func(tx store.Tx) error { return tx.Append(domain.LogEntry{Key: b}) })
	if got := s.events(&b); len(got) != 3 || got[2].Seq <= all[4].Seq {
		s.Errorf("an entry after one that was forgotten: %v", got)
	}
}

func testReopen(s *suite) {
	s.insert("a")
	s.update(func(tx store.Tx) error {
		_, err := tx.Move(imageKey("a"), domain.ImageImportBegun, "", nil)
		return errors.Join(err, tx.Refer(imageKey("a"), domain.DiskKey("d")), tx.PutJob(job(s, "w", imageKey("a"))))
	})
	before, epoch := s.get(imageKey("a")), s.st.Epoch()
	for range 2 {
		if err := s.st.Close(); err != nil {
			s.Fatal(err)
		}
	}
	s.st = s.open(s.T, "main", s.clock)
	if s.st.Epoch() != epoch+1 {
		s.Errorf("epoch %d after %d", s.st.Epoch(), epoch)
	}
	if after := s.get(imageKey("a")); after.Meta != before.Meta || after.DisplayName != before.DisplayName {
		s.Errorf("after re-open: %+v", after)
	}
	if len(s.events(nil)) != 1 {
		s.Error("the log did not survive")
	}
	s.view(func(tx store.Tx) error {
		refs, err1 := tx.Referrers(domain.DiskKey("d"))
		jobs, err2 := tx.Jobs(store.JobQuery{})
		if err := errors.Join(err1, err2); err != nil || len(refs) != 1 || len(jobs) != 1 {
			s.Errorf("after re-open: %v %v %v", refs, jobs, err)
		}
		return nil
	})
	// A store of another name shares nothing.
	other := s.open(s.T, "other", s.clock)
	defer func() { _ = other.Close() }()
	err := other.View(s.Context(), func(tx store.Tx) error { return tx.Get(imageKey("a"), &domain.Image{}) })
	if !fault.Is(err, fault.NotFound) {
		s.Errorf("another store: %v", err)
	}
}

func testClosed(s *suite) {
	inside, release := make(chan struct{}), make(chan struct{})
	updated := make(chan error)
	go func() {
		updated <- s.st.Update(s.Context(), func(tx store.Tx) error {
			close(inside)
			<-release
			return tx.Insert(image(imageKey("a")))
		})
	}()
	<-inside
	closed := make(chan error)
	go func() { closed <- s.st.Close() }()
	close(release)
	if err := errors.Join(<-updated, <-closed); err != nil {
		s.Fatalf("closing while an update runs: %v", err)
	}
	for name, f := range map[string]func(context.Context, func(store.Tx) error) error{"view": s.st.View, "update": s.st.Update} {
		if err := f(s.Context(), func(store.Tx) error { return nil }); !fault.Is(err, fault.Unavailable) {
			s.Errorf("%s after close: %v", name, err)
		}
	}
	s.st = s.open(s.T, "main", s.clock)
	s.get(imageKey("a"))
}

func closedNow(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func testChanged(s *suite) {
	c := s.st.Changed()
	s.view(func(store.Tx) error { return nil })
	s.update(func(tx store.Tx) error { _, err := tx.Count(store.Query{Kind: domain.KindImage}); return err })
	_ = s.st.Update(s.Context(), func(tx store.Tx) error { return errors.Join(tx.Insert(image(imageKey("a"))), errTest) })
	if closedNow(c) {
		s.Error("closed although nothing was committed")
	}
	s.insert("a")
	if !closedNow(c) {
		s.Error("not closed after a commit")
	}
	if closedNow(s.st.Changed()) {
		s.Error("the next channel is closed already")
	}
}

func testViewsDuringUpdate(s *suite) {
	s.insert("a")
	s.update(func(tx store.Tx) error {
		n := &domain.Image{}
		if err := tx.Get(imageKey("a"), n); err != nil {
			return err
		}
		n.Description = "half done"
		if err := tx.Put(n); err != nil {
			return err
		}
		// Other goroutines see the state before, all at once.
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				err := s.st.View(s.Context(), func(tx store.Tx) error {
					m := &domain.Image{}
					if err := tx.Get(imageKey("a"), m); err != nil {
						return err
					}
					if m.Description != "" || m.Version != 1 {
						s.Errorf("a view saw an update in progress: %+v", m)
					}
					return nil
				})
				if err != nil {
					s.Error(err)
				}
			})
		}
		wg.Wait()
		return nil
	})
	// A view's snapshot holds while an update commits.
	first := true
	s.view(func(tx store.Tx) error {
		for range 2 {
			m := &domain.Image{}
			if err := tx.Get(imageKey("a"), m); err != nil {
				return err
			}
			if m.Version != 2 {
				s.Errorf("the snapshot moved: %+v", m.Meta)
			}
			if first {
				first = false
				done := make(chan error)
				go func() {
					done <- s.st.Update(s.Context(), func(tx store.Tx) error { return tx.Put(m) })
				}()
				if err := <-done; err != nil {
					return err
				}
			}
		}
		return nil
	})
	if v := s.get(imageKey("a")).Version; v != 3 {
		s.Errorf("version %d", v)
	}
}

func testConcurrentUpdates(s *suite) {
	s.insert("a")
	const n, each = 8, 5
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for range each {
				err := s.st.Update(s.Context(), func(tx store.Tx) error {
					m := &domain.Image{}
					if err := tx.Get(imageKey("a"), m); err != nil {
						return err
					}
					m.DiskBytes++
					return tx.Put(m)
				})
				if err != nil {
					s.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if m := s.get(imageKey("a")); m.DiskBytes != n*each || m.Version != n*each+1 {
		s.Errorf("lost updates: %d of %d", m.DiskBytes, n*each)
	}
}
