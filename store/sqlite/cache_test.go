package sqlite

import (
	"context"
	"fmt"
	"testing"

	"slipway/domain"
	"slipway/store"
)

func cacheTestKey(i int) domain.Key {
	return domain.Key{Scope: domain.Scope{Account: "1", Region: "eu"}, Kind: domain.KindImage, Name: fmt.Sprintf("image-%06d", i)}
}

func fillCacheTest(t *testing.T, o Options, n int) *db {
	t.Helper()
	s, err := Open(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	err = s.Update(t.Context(), func(tx store.Tx) error {
		for i := range n {
			if err := tx.Insert(&domain.Image{Meta: domain.Meta{Key: cacheTestKey(i)}, Tags: domain.Tags{"a": "b"}}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s.(*db)
}

func listAll(t *testing.T, d *db, page int) (n int) {
	t.Helper()
	for after := ""; ; {
		var l []*domain.Image
		err := d.View(t.Context(), func(tx store.Tx) (err error) {
			k := cacheTestKey(0)
			l, err = store.List[domain.Image](tx, store.Query{Kind: k.Kind, Account: k.Account, Region: k.Region, After: after, Limit: page})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(l) == 0 {
			return n
		}
		n, after = n+len(l), l[len(l)-1].Key.Name
	}
}

// TestHotReadsNeedNoDatabase takes all sessions away.
func TestHotReadsNeedNoDatabase(t *testing.T) {
	d := fillCacheTest(t, Options{Readers: 1}, 60)
	read := func() {
		if n := listAll(t, d, 25); n != 60 {
			t.Fatalf("%d images", n)
		}
		err := d.View(t.Context(), func(tx store.Tx) error {
			if err := tx.Get(cacheTestKey(7), &domain.Image{}); err != nil {
				return err
			}
			if err := tx.Get(cacheTestKey(99), &domain.Image{}); err == nil {
				t.Error("there is no image 99")
			}
			if _, err := tx.References(cacheTestKey(1)); err != nil {
				return err
			}
			n, err := tx.Count(store.Query{Kind: domain.KindImage, States: []domain.State{domain.ImagePending}})
			if n != 60 {
				t.Errorf("counted %d", n)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	read()
	reader := <-d.readers
	defer func() { d.readers <- reader }()
	read()
}

func TestCacheIsBounded(t *testing.T) {
	const most = 300_000
	d := fillCacheTest(t, Options{CacheBytes: most}, 1000)
	for range 2 {
		if n := listAll(t, d, 25); n != 1000 {
			t.Fatalf("%d images", n)
		}
		for i := range 500 {
			if err := d.View(t.Context(), func(tx store.Tx) error { return tx.Get(cacheTestKey(i), &domain.Image{}) }); err != nil {
				t.Fatal(err)
			}
		}
	}
	c := d.cache
	sum, units := 0, 0
	for u := c.ring.next; u != &c.ring; u = u.next {
		sum, units = sum+u.cost, units+1
	}
	kept := 0
	for _, m := range c.docs {
		kept += len(m)
	}
	for _, m := range c.pages {
		kept += len(m)
	}
	if sum != c.bytes || sum > most || sum < most/2 || units != kept {
		t.Errorf("%d bytes in %d units, %d bytes counted, %d units kept, at most %d bytes wanted", sum, units, c.bytes, kept, most)
	}
}

// TestErasEnd wants no last snapshot to stay behind, whatever views and updates
// have done: one that stayed would keep the log from being cut.
func TestErasEnd(t *testing.T) {
	d := fillCacheTest(t, Options{}, 3)
	for i := range 20 {
		err := d.View(t.Context(), func(tx store.Tx) error {
			done := make(chan error)
			go func() {
				done <- d.Update(t.Context(), func(tx store.Tx) error {
					return tx.Insert(&domain.Image{Meta: domain.Meta{Key: cacheTestKey(100 + i)}})
				})
			}()
			if err := <-done; err != nil {
				return err
			}
			_, err := tx.Events(nil, 0, 1)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(d.spare) != 1 || len(d.readers) != d.opts.Readers || d.era.closing || d.era.views != 0 {
		t.Errorf("%d spare sessions, %d readers, era %+v", len(d.spare), len(d.readers), d.era)
	}
}

func TestCheckedFindsWhoChangesWhatIsShared(t *testing.T) {
	d := fillCacheTest(t, Options{Checked: true}, 1)
	n := &domain.Image{}
	get := func() error {
		return d.View(t.Context(), func(tx store.Tx) error { return tx.Get(cacheTestKey(0), n) })
	}
	if err := get(); err != nil {
		t.Fatal(err)
	}
	n.Tags["b"] = "c"
	defer func() {
		if recover() == nil {
			t.Error("nobody noticed")
		}
	}()
	_ = get()
}

// What is remembered is not made again until something it was read from
// changes, and only then.
func TestRemember(t *testing.T) {
	d := fillCacheTest(t, Options{Checked: true}, 3)
	made := 0
	ask := func(key string) {
		t.Helper()
		_, err := d.Remember(t.Context(), key, func(ctx context.Context) (any, int, error) {
			made++
			return key, 100, d.View(ctx, func(tx store.Tx) error {
				_, err := store.List[domain.Image](tx, store.Query{Kind: domain.KindImage, Account: "1", Region: "eu", Limit: 2})
				return err
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	want := func(n int, when string) {
		t.Helper()
		if made != n {
			t.Errorf("%s: made %d times, want %d", when, made, n)
		}
	}
	ask("a")
	ask("a")
	want(1, "asked twice")
	ask("b")
	want(2, "another key")
	write := func(k domain.Key) {
		t.Helper()
		if err := d.Update(t.Context(), func(tx store.Tx) error {
			return tx.Insert(&domain.Image{Meta: domain.Meta{Key: k}})
		}); err != nil {
			t.Fatal(err)
		}
	}
	write(domain.Key{Scope: domain.Scope{Account: "1", Region: "us"}, Kind: domain.KindImage, Name: "elsewhere"})
	ask("a")
	want(2, "a change elsewhere")
	write(domain.Key{Scope: domain.Scope{Account: "1", Region: "eu"}, Kind: domain.KindImage, Name: "zz"})
	ask("a")
	ask("b")
	want(4, "a change")
	if err := d.Update(t.Context(), func(tx store.Tx) error {
		return tx.Refer(cacheTestKey(0), domain.Key{Kind: domain.KindDisk, Name: "d"})
	}); err != nil {
		t.Fatal(err)
	}
	ask("a")
	want(4, "a reference that was not read")
	c := d.cache
	if len(c.answers) != 2 || len(c.from) != 1 {
		t.Errorf("%d answers from %d groups are kept, want 2 from 1", len(c.answers), len(c.from))
	}
}
