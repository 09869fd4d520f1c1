package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
	"slipway/store/sqlite"
)

func open(t testing.TB, dir string) store.Store {
	t.Helper()
	s, err := sqlite.Open(dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestOneProcessOwnsTheDirectory(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	_, err := sqlite.Open(dir, sqlite.Options{})
	if !fault.Is(err, fault.InUse) || !strings.Contains(fault.Public(err), strconv.Itoa(os.Getpid())) {
		t.Fatalf("second open: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
}

func TestFilesAreForTheOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?c#d%20", "data")
	s := open(t, dir)
	img := &domain.Image{Meta: domain.Meta{Key: domain.Key{Kind: domain.KindImage, Name: "a"}}}
	if err := s.Update(context.Background(), func(tx store.Tx) error { return tx.Insert(img) }); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) < 3 {
		t.Fatalf("files: %v %v", entries, err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", e.Name(), info.Mode())
		}
	}
}

// TestTheLogIsCut: however much is written, also while others read, the log
// beside the file stays small.
func TestTheLogIsCut(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	key := func(i int) domain.Key { return domain.Key{Kind: domain.KindImage, Name: strconv.Itoa(i)} }
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			err := s.View(context.Background(), func(tx store.Tx) error { _, err := tx.Events(nil, 0, 5); return err })
			if err != nil {
				done <- err
				return
			}
		}
	}()
	for range 300 {
		err := s.Update(t.Context(), func(tx store.Tx) error {
			for i := range 20 {
				if err := tx.Delete(key(i)); err != nil {
					return err
				}
				if err := tx.Insert(&domain.Image{Meta: domain.Meta{Key: key(i)}, Description: strings.Repeat("x", 8000)}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(filepath.Join(dir, sqlite.File+"-wal"))
	if err != nil || st.Size() > 24<<20 {
		t.Errorf("after 300 commits of 160 kB each: %v, %v", st.Size(), err)
	}
}

// TestWritersDoNotWaitForReaders: a view that lasts keeps the log from being cut,
// and nobody from writing; when it has ended the log is cut.
func TestWritersDoNotWaitForReaders(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	n := 0
	write := func() time.Duration {
		began := time.Now()
		err := s.Update(t.Context(), func(tx store.Tx) error {
			for range 100 {
				n++
				img := &domain.Image{Meta: domain.Meta{Key: domain.Key{Kind: domain.KindImage, Name: strconv.Itoa(n)}}, Description: strings.Repeat("x", 6000)}
				if err := tx.Insert(img); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return time.Since(began)
	}
	size := func() int64 {
		st, err := os.Stat(filepath.Join(dir, sqlite.File+"-wal"))
		if err != nil {
			t.Fatal(err)
		}
		return st.Size()
	}
	write()
	looks, over, done := make(chan bool), make(chan bool), make(chan error, 1)
	go func() {
		done <- s.View(context.Background(), func(tx store.Tx) error {
			_, err := tx.Events(nil, 0, 1)
			looks <- true
			<-over
			return err
		})
	}()
	<-looks
	for size() < 17<<20 {
		write()
	}
	took := time.Duration(0)
	for range 8 { // of a log that is too long, and would be waited for with every second
		took += write()
	}
	if took > 25*time.Second {
		t.Errorf("eight writes took %v", took)
	}
	close(over)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	grown := size()
	for range 40 {
		write()
	}
	if got := size(); got > grown+8<<20 { // else it would have grown by four times as much
		t.Errorf("the log has %d bytes, before them %d", got, grown)
	}
}

func TestANewerSchemaIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := open(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := sql.Open("sqlite", filepath.Join(dir, "slipway.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := raw.Exec(`UPDATE meta SET value = '999' WHERE name = 'schema'`); err != nil {
		t.Fatal(err)
	}
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(dir, sqlite.Options{}); !fault.Is(err, fault.Incompatible) || !strings.Contains(fault.Public(err), "999") {
		t.Fatalf("open: %v", err)
	}
	// And the refusal let go of the lock.
	if _, err := sqlite.Open(dir, sqlite.Options{}); !fault.Is(err, fault.Incompatible) {
		t.Fatalf("open again: %v", err)
	}
}

// note is a noun of an invented kind whose document's form has changed twice.
type note struct {
	domain.Meta `json:"-"`
	Words       []string
}

func (*note) Alias() string { return "" }
func (*note) Schema() int   { return 1 }

// note0, note3 and note4 are what the struct was and will be.
type (
	note0 struct{ note }
	note3 struct{ note }
	note4 struct{ note }
)

func (*note0) Schema() int { return 0 }
func (*note3) Schema() int { return 3 }
func (*note4) Schema() int { return 4 }

func TestOldDocumentsAreUpgraded(t *testing.T) {
	dir, k := t.TempDir(), domain.Key{Kind: "note", Name: "n"}
	s := open(t, dir)
	old := &note{Meta: domain.Meta{Key: k}, Words: []string{"a"}}
	if err := s.Update(t.Context(), func(tx store.Tx) error { return tx.Insert(old) }); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	swap := func(from, to string) store.Upgrade {
		return func(doc json.RawMessage) (json.RawMessage, error) {
			return bytes.ReplaceAll(doc, []byte(from), []byte(to)), nil
		}
	}
	s, err := sqlite.Open(dir, sqlite.Options{Upgrades: store.Upgrades{"note": {swap(`"a"`, `"b"`), swap(`"b"`, `"c"`)}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	get := func(n domain.Noun) error {
		return s.View(t.Context(), func(tx store.Tx) error { return tx.Get(k, n) })
	}
	for range 2 { // from the file, then from the cache
		if n := new(note3); get(n) != nil || n.Words[0] != "c" || n.Key != k {
			t.Fatalf("upgraded: %+v", n)
		}
		if err := get(new(note4)); !fault.Is(err, fault.Internal) {
			t.Fatalf("without an upgrade: %v", err)
		}
		if err := get(new(note0)); !fault.Is(err, fault.Internal) {
			t.Fatalf("a newer document: %v", err)
		}
	}
}
