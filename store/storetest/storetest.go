// Package storetest is the contract suite of store.Store: every sentence of the
// interface's comments, tried on a real backend. A backend passes all of it or
// is not one. Nothing about a particular backend is tested here.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// Open opens the store kept under the name; opening the same name again after
// Close finds what was written.
type Open func(t testing.TB, name string, clock domain.Clock) store.Store

// Run tries the whole contract.
func Run(t *testing.T, open Open) {
	for _, c := range []struct {
		name string
		f    func(*suite)
	}{
		{"insert", testInsert}, {"get", testGet}, {"put", testPut}, {"delete", testDelete},
		{"now", testNow}, {"rollback", testRollback}, {"view may not write", testViewMayNotWrite},
		{"cancelled context", testCancelledContext}, {"panic", testPanic},
		{"query filters", testQueryFilters}, {"query order and limit", testQueryOrder},
		{"query walks far", testQueryFar}, {"query stops", testQueryStops}, {"query and write", testQueryAndWrite},
		{"list", testList},
		{"move accept", testMoveAccept}, {"move ignore", testMoveIgnore}, {"move refuse", testMoveRefuse},
		{"move with document", testMoveDocument}, {"move without states", testMoveStateless},
		{"references", testReferences}, {"events", testEvents},
		{"jobs", testJobs}, {"jobs query", testJobsQuery}, {"jobs due", testJobsDue}, {"cancel and resume", testCancelResume},
		{"epoch and re-open", testReopen}, {"closed", testClosed}, {"changed", testChanged},
		{"views during an update", testViewsDuringUpdate}, {"updates wait for each other", testConcurrentUpdates},
		{"what a write changes", testFresh}, {"what a write changes by alias", testFreshByAlias}, {"what is remembered", testRemember}, {"failed updates", testFailedUpdates}, {"a view holds still", testViewHoldsStill},
		{"views beside writers", testViewsBesideWriters}, {"read, re-open, read", testReadAgain},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &suite{T: t, open: open, clock: &clock{now: epochStart}}
			s.st = open(t, "main", s.clock)
			t.Cleanup(func() { _ = s.st.Close() })
			c.f(s)
		})
	}
}

// epochStart has more digits than a store keeps, and is not in UTC.
var epochStart = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.FixedZone("x", 3600))

// clock is a clock that the suite turns by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type suite struct {
	*testing.T
	st    store.Store
	open  Open
	clock *clock
}

func (s *suite) update(f func(store.Tx) error) {
	s.Helper()
	if err := s.st.Update(s.Context(), f); err != nil {
		s.Fatal(err)
	}
}

func (s *suite) view(f func(store.Tx) error) {
	s.Helper()
	if err := s.st.View(s.Context(), f); err != nil {
		s.Fatal(err)
	}
}

// refuse runs f in an update of its own and wants an error of kind k.
func (s *suite) refuse(k fault.Kind, f func(store.Tx) error) error {
	s.Helper()
	err := s.st.Update(s.Context(), f)
	if !fault.Is(err, k) {
		s.Fatalf("got %v, want %v", err, k)
	}
	return err
}

func key(kind domain.Kind, account, region, name string) domain.Key {
	return domain.Key{Scope: domain.Scope{Account: account, Region: region}, Kind: kind, Name: name}
}

func imageKey(name string) domain.Key { return key(domain.KindImage, "111", "eu", name) }

func image(k domain.Key) *domain.Image {
	return &domain.Image{Meta: domain.Meta{Key: k}, DisplayName: "of " + k.Name, Tags: domain.Tags{"a": ""}}
}

func (s *suite) insert(names ...string) {
	s.Helper()
	s.update(func(tx store.Tx) error {
		for _, n := range names {
			if err := tx.Insert(image(imageKey(n))); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *suite) get(k domain.Key) *domain.Image {
	s.Helper()
	n := &domain.Image{}
	s.view(func(tx store.Tx) error { return tx.Get(k, n) })
	return n
}

func (s *suite) events(k *domain.Key) (out []domain.LogEntry) {
	s.Helper()
	s.view(func(tx store.Tx) (err error) { out, err = tx.Events(k, 0, 0); return err })
	return out
}

var errTest = errors.New("the caller's own error")

func testInsert(s *suite) {
	n := image(imageKey("a"))
	n.State, n.Version = "nonsense", 77
	var now time.Time
	s.update(func(tx store.Tx) error { now = tx.Now(); return tx.Insert(n) })
	want := domain.Meta{Key: imageKey("a"), State: domain.ImagePending, Version: 1, Created: now, Updated: now}
	if n.Meta != want {
		s.Errorf("head after insert: %+v", n.Meta)
	}
	if got := s.get(n.Key); got.Meta != want || got.DisplayName != "of a" || len(got.Tags) != 1 {
		s.Errorf("read back: %+v", got)
	}
	s.refuse(fault.Exists, func(tx store.Tx) error { return tx.Insert(image(imageKey("a"))) })
	// The same name elsewhere, or of another kind, is free.
	s.update(func(tx store.Tx) error {
		for _, k := range []domain.Key{key(domain.KindImage, "222", "eu", "a"), key(domain.KindImage, "111", "us", "a")} {
			if err := tx.Insert(image(k)); err != nil {
				return err
			}
		}
		return tx.Insert(&domain.Role{Meta: domain.Meta{Key: key(domain.KindRole, "111", "eu", "a")}})
	})
	s.refuse(fault.Internal, func(tx store.Tx) error { return tx.Insert(image(imageKey(""))) })
	s.refuse(fault.Internal, func(tx store.Tx) error { return tx.Insert(image(key("", "1", "r", "x"))) })
	if got := len(s.events(nil)); got != 0 {
		s.Errorf("an insert is no event, but there are %d", got)
	}
}

func testGet(s *suite) {
	s.refuse(fault.NotFound, func(tx store.Tx) error { return tx.Get(imageKey("a"), &domain.Image{}) })
	s.insert("a")
	// What was in the struct before must not shine through.
	n := &domain.Image{Description: "old", Tags: domain.Tags{"old": "x"}}
	s.view(func(tx store.Tx) error { return tx.Get(imageKey("a"), n) })
	if n.Description != "" || len(n.Tags) != 1 {
		s.Errorf("left over: %+v", n)
	}
	// The struct is the caller's own, and in an update all of it.
	n.Description = "changed"
	if s.get(imageKey("a")).Description != "" {
		s.Error("a change to a view's struct reached the store")
	}
	s.update(func(tx store.Tx) error {
		if err := tx.Get(imageKey("a"), n); err != nil {
			return err
		}
		n.Tags["b"] = "changed"
		return nil
	})
	if len(s.get(imageKey("a")).Tags) != 1 {
		s.Error("a change to an update's copy reached the store")
	}
}

func testPut(s *suite) {
	s.insert("a")
	first, second := s.get(imageKey("a")), s.get(imageKey("a"))
	s.clock.advance(time.Minute)
	first.Description, first.State = "new", domain.ImageAvailable
	var now time.Time
	s.update(func(tx store.Tx) error { now = tx.Now(); return tx.Put(first) })
	got := s.get(imageKey("a"))
	if got.Description != "new" || got.State != domain.ImagePending || got.Version != 2 || !got.Updated.Equal(now) || got.Created.Equal(now) {
		s.Errorf("after put: %+v", got)
	}
	if first.Meta != got.Meta {
		s.Errorf("head after put: %+v, stored %+v", first.Meta, got.Meta)
	}
	s.refuse(fault.Busy, func(tx store.Tx) error { return tx.Put(second) })
	s.refuse(fault.NotFound, func(tx store.Tx) error { return tx.Put(image(imageKey("b"))) })
	// Twice in one transaction.
	s.update(func(tx store.Tx) error { return errors.Join(tx.Put(first), tx.Put(first)) })
	if v := s.get(imageKey("a")).Version; v != 4 {
		s.Errorf("version %d after two more puts", v)
	}
	// The alias follows the document.
	ami := &domain.AMI{Meta: domain.Meta{Key: key(domain.KindAMI, "111", "eu", "ami-1")}, Label: "one"}
	s.update(func(tx store.Tx) error { return tx.Insert(ami) })
	ami.Label = "two"
	s.update(func(tx store.Tx) error { return tx.Put(ami) })
	s.wantNames(store.Query{Kind: domain.KindAMI, Alias: "one"})
	s.wantNames(store.Query{Kind: domain.KindAMI, Alias: "two"}, "ami-1")
}

func testDelete(s *suite) {
	s.insert("a", "b")
	disk := domain.DiskKey("d")
	s.update(func(tx store.Tx) error {
		return errors.Join(tx.Refer(imageKey("a"), disk), tx.Refer(imageKey("b"), imageKey("a")))
	})
	for range 2 {
		s.update(func(tx store.Tx) error { return tx.Delete(imageKey("a")) })
	}
	s.refuse(fault.NotFound, func(tx store.Tx) error { return tx.Get(imageKey("a"), &domain.Image{}) })
	s.get(imageKey("b"))
	s.view(func(tx store.Tx) error {
		if refs, err := tx.Referrers(disk); err != nil || len(refs) != 0 {
			s.Errorf("references of a deleted resource: %v %v", refs, err)
		}
		if refs, err := tx.Referrers(imageKey("a")); err != nil || len(refs) != 1 {
			s.Errorf("references to a deleted resource: %v %v", refs, err)
		}
		return nil
	})
	s.insert("a") // the name is free again
}

func testNow(s *suite) {
	s.update(func(tx store.Tx) error {
		now := tx.Now()
		s.clock.advance(time.Second)
		if !tx.Now().Equal(now) {
			s.Error("Now moved within a transaction")
		}
		if now.Location() != time.UTC || now.Nanosecond()%1000 != 0 || epochStart.Sub(now) > time.Microsecond {
			s.Errorf("Now is %v", now)
		}
		return nil
	})
}

func testRollback(s *suite) {
	s.insert("a")
	j := job(s, "w", imageKey("a"))
	err := s.st.Update(s.Context(), func(tx store.Tx) error {
		n := &domain.Image{}
		_, moveErr := tx.Move(imageKey("a"), domain.ImageImportBegun, "", nil)
		err := errors.Join(tx.Insert(image(imageKey("b"))), tx.Get(imageKey("a"), n), moveErr, tx.PutJob(j),
			tx.Refer(imageKey("a"), imageKey("b")), tx.Append(domain.LogEntry{Key: imageKey("a")}))
		if err != nil {
			return err
		}
		return errTest
	})
	if err != errTest { //nolint:errorlint // it must be the very same error
		s.Fatalf("error: %v", err)
	}
	s.wantNames(store.Query{Kind: domain.KindImage}, "a")
	if n := s.get(imageKey("a")); n.State != domain.ImagePending || n.Version != 1 {
		s.Errorf("left: %+v", n)
	}
	s.view(func(tx store.Tx) error {
		refs, err := tx.References(imageKey("a"))
		jobs, err2 := tx.Jobs(store.JobQuery{})
		if err := errors.Join(err, err2); err != nil || len(refs)+len(jobs) != 0 {
			s.Errorf("left: %v %v %v", refs, jobs, err)
		}
		return nil
	})
	if e := s.events(nil); len(e) != 0 {
		s.Errorf("left: %v", e)
	}
}

func testViewMayNotWrite(s *suite) {
	s.insert("a")
	n := s.get(imageKey("a"))
	a, b := imageKey("a"), imageKey("b")
	for name, f := range map[string]func(tx store.Tx) error{
		"Insert": func(tx store.Tx) error { return tx.Insert(image(b)) },
		"Put":    func(tx store.Tx) error { return tx.Put(n) },
		"Delete": func(tx store.Tx) error { return tx.Delete(a) },
		"Move":   func(tx store.Tx) error { _, err := tx.Move(a, domain.ImageImportBegun, "", nil); return err },
		"Refer":  func(tx store.Tx) error { return tx.Refer(a, b) }, "Unrefer": func(tx store.Tx) error { return tx.Unrefer(a, b) },
		"Append": func(tx store.Tx) error { return tx.Append(domain.LogEntry{Key: a}) },
		"Forget": func(tx store.Tx) error { return tx.Forget(a) },
		"PutJob": func(tx store.Tx) error { return tx.PutJob(job(s, "w", a)) },
	} {
		if err := s.st.View(s.Context(), f); !fault.Is(err, fault.Internal) {
			s.Errorf("%s in a view: %v", name, err)
		}
	}
	s.wantNames(store.Query{Kind: domain.KindImage}, "a")
}

func testCancelledContext(s *suite) {
	ctx, cancel := context.WithCancelCause(s.Context())
	err := s.st.Update(ctx, func(tx store.Tx) error {
		if err := tx.Insert(image(imageKey("a"))); err != nil {
			return err
		}
		cancel(errTest)
		return nil
	})
	if !errors.Is(err, errTest) {
		s.Errorf("update: %v", err)
	}
	if err := s.st.View(ctx, func(store.Tx) error { return nil }); !errors.Is(err, errTest) {
		s.Errorf("view: %v", err)
	}
	s.wantNames(store.Query{Kind: domain.KindImage})
}

func testPanic(s *suite) {
	for range 3 {
		func() {
			defer func() { _ = recover() }()
			_ = s.st.Update(s.Context(), func(tx store.Tx) error {
				_ = tx.Insert(image(imageKey("a")))
				panic("in a transaction")
			})
		}()
		for range 10 {
			func() {
				defer func() { _ = recover() }()
				_ = s.st.View(s.Context(), func(store.Tx) error { panic("in a view") })
			}()
		}
	}
	s.wantNames(store.Query{Kind: domain.KindImage})
	s.insert("a")
}

func job(s *suite, wf string, subject domain.Key) *domain.Job {
	s.Helper()
	j, err := domain.NewJob(domain.RandomIDs, s.clock.Now(), wf, 1, subject, map[string]int{"n": 1})
	if err != nil {
		s.Fatal(err)
	}
	return j
}

func names(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("n%05d", i)
	}
	return out
}
