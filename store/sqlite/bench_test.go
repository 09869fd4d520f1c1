package sqlite_test

import (
	"fmt"
	"testing"

	"slipway/domain"
	"slipway/store"
	"slipway/store/sqlite"
)

func benchKey(i int) domain.Key {
	return domain.Key{Scope: domain.Scope{Account: "111122223333", Region: "eu-west-1"}, Kind: domain.KindImage, Name: fmt.Sprintf("image-%06d", i)}
}

func benchStore(b *testing.B, images int) store.Store {
	b.Helper()
	s := open(b, b.TempDir())
	err := s.Update(b.Context(), func(tx store.Tx) error {
		for i := range images {
			n := &domain.Image{Meta: domain.Meta{Key: benchKey(i)}, Description: "something of the usual length", Tags: domain.Tags{"a": "b"}}
			if err := tx.Insert(n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// BenchmarkUpdate: read one resource, write it, commit to stable storage.
func BenchmarkUpdate(b *testing.B) {
	s := benchStore(b, 1000)
	for i := 0; b.Loop(); i++ {
		err := s.Update(b.Context(), func(tx store.Tx) error {
			n := &domain.Image{}
			if err := tx.Get(benchKey(i%1000), n); err != nil {
				return err
			}
			return tx.Put(n)
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGet: a view that reads one resource of a thousand hot ones among
// 10,000.
func BenchmarkGet(b *testing.B) {
	s := benchStore(b, 10000)
	for i := 0; b.Loop(); i++ {
		err := s.View(b.Context(), func(tx store.Tx) error { return tx.Get(benchKey(i%1000), &domain.Image{}) })
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkList25: a page of 25 among 10,000, decoded.
func BenchmarkList25(b *testing.B) {
	s := benchStore(b, 10000)
	for b.Loop() {
		err := s.View(b.Context(), func(tx store.Tx) error {
			k := benchKey(5000)
			l, err := store.List[domain.Image](tx, store.Query{Kind: k.Kind, Account: k.Account, Region: k.Region, After: k.Name, Limit: 25})
			if len(l) != 25 {
				b.Fatalf("%d images", len(l))
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen: open and close a store.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	for b.Loop() {
		s, err := sqlite.Open(dir, sqlite.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
