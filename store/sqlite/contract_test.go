package sqlite_test

import (
	"path/filepath"
	"testing"

	"slipway/domain"
	"slipway/store"
	"slipway/store/sqlite"
	"slipway/store/storetest"
)

// TestContract runs the suite with the cache in its usual size, too small for
// more than a few answers, and without one.
func TestContract(t *testing.T) {
	for _, c := range []struct {
		name  string
		bytes int
	}{{"cache", 0}, {"small cache", 200_000}, {"no cache", -1}} {
		t.Run(c.name, func(t *testing.T) {
			dirs := map[testing.TB]string{}
			storetest.Run(t, func(t testing.TB, name string, clock domain.Clock) store.Store {
				t.Helper()
				if dirs[t] == "" {
					dirs[t] = t.TempDir()
				}
				s, err := sqlite.Open(filepath.Join(dirs[t], name), sqlite.Options{Clock: clock, CacheBytes: c.bytes, Checked: true})
				if err != nil {
					t.Fatal(err)
				}
				return s
			})
		})
	}
}
