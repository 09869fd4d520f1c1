package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"slipway/domain"
	"slipway/store"
)

// killDir names the data directory in the child that TestKilledProcess starts.
const killDir = "SLIPWAY_TEST_KILL_DIR"

// TestKilledProcess kills a writing process and wants every update it had
// reported, whole, and the directory free again.
func TestKilledProcess(t *testing.T) {
	if dir := os.Getenv(killDir); dir != "" {
		writeUntilKilled(dir)
		return
	}
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run=^TestKilledProcess$")
	child.Env = append(os.Environ(), killDir+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	last := 0
	for sc := bufio.NewScanner(out); sc.Scan(); {
		n, err := strconv.Atoi(sc.Text())
		if err != nil {
			continue
		}
		if last = n; n == 100 {
			_ = child.Process.Kill()
		}
	}
	_ = child.Wait() // killed: of course it failed
	if last < 100 {
		t.Fatalf("the child wrote %d", last)
	}
	s := open(t, dir)
	if s.Epoch() != 2 {
		t.Errorf("epoch %d", s.Epoch())
	}
	err = s.View(t.Context(), func(tx store.Tx) error {
		images, err := tx.Count(store.Query{Kind: domain.KindImage})
		if err != nil {
			return err
		}
		log, err := tx.Events(nil, 0, 0)
		if images < last || len(log) != images {
			t.Errorf("reported %d, found %d images and %d events", last, images, len(log))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func writeUntilKilled(dir string) {
	s := open(panicking{}, dir)
	for i := 1; ; i++ {
		n := &domain.Image{Meta: domain.Meta{Key: domain.Key{Kind: domain.KindImage, Name: strconv.Itoa(i)}}}
		err := s.Update(context.Background(), func(tx store.Tx) error {
			if err := tx.Insert(n); err != nil {
				return err
			}
			_, err := tx.Move(n.Key, domain.ImageImportBegun, "", nil)
			return err
		})
		if err != nil {
			panic(err)
		}
		fmt.Println(i)
	}
}

// panicking is the testing.TB of a process that will be killed.
type panicking struct{ testing.TB }

func (panicking) Helper()           {}
func (panicking) Cleanup(func())    {}
func (panicking) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

// TestLogOfTheKilled: a server that is killed again and again before it has
// written much does not let its log grow.
func TestLogOfTheKilled(t *testing.T) {
	dir, first, last := t.TempDir(), int64(0), int64(0)
	for life := range 8 {
		st := open(t, dir)
		for n := range 250 {
			err := st.Update(t.Context(), func(tx store.Tx) error {
				return tx.Insert(&domain.Stack{Meta: domain.Meta{Key: domain.Key{Scope: domain.Scope{Account: "1", Region: "eu"}, Kind: domain.KindStack, Name: fmt.Sprintf("%d-%d", life, n)}}})
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		next := t.TempDir()
		for _, name := range []string{"slipway.db", "slipway.db-wal"} {
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err == nil {
				err = os.WriteFile(filepath.Join(next, name), b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			last = int64(len(b))
		}
		if life == 0 {
			first = last
		}
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
		dir = next
	}
	if last > 3*first {
		t.Errorf("the log grew from %d to %d bytes", first, last)
	}
}
