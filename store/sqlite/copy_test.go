package sqlite_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
	"slipway/store/sqlite"
)

// A copy that is made while another session writes is of one commit, whatever
// the directory is called.
func TestCopyIsOfOneCommit(t *testing.T) {
	t.Chdir(t.TempDir())
	const dir = "data #1?"
	s := open(t, dir)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			err := s.Update(t.Context(), func(tx store.Tx) error { // always a pair
				for _, name := range []string{"a", "b"} {
					n := &domain.Disk{}
					n.Key = domain.DiskKey(name + string(rune('0'+i%10)) + filepath.Base(t.TempDir()))
					if err := tx.Insert(n); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	for _, to := range []string{"one", "two"} {
		if err := os.Mkdir(to, 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(to, sqlite.File)
		if err := sqlite.Copy(t.Context(), dir, path); err != nil {
			t.Fatal(err)
		}
		if err := sqlite.Copy(t.Context(), dir, path); !fault.Is(err, fault.Exists) {
			t.Errorf("over a file: %v", err)
		}
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%v %v", st, err)
		}
		c := open(t, to)
		err := c.View(t.Context(), func(tx store.Tx) error {
			n, err := tx.Count(store.Query{Kind: domain.KindDisk})
			if n%2 != 0 {
				t.Errorf("half a commit: %d rows", n)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	wg.Wait()
	if err := sqlite.Copy(t.Context(), "nowhere", "three"); !fault.Is(err, fault.NotFound) {
		t.Errorf("nothing there: %v", err)
	}
}
