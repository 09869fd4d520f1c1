package sqlite_test

import (
	"path/filepath"
	"testing"

	"slipway/domain"
	"slipway/store"
	"slipway/store/sqlite"
	"slipway/store/storetest"
)

func TestContract(t *testing.T) {
	dirs := map[testing.TB]string{}
	storetest.Run(t, func(t testing.TB, name string, clock domain.Clock) store.Store {
		t.Helper()
		if dirs[t] == "" {
			dirs[t] = t.TempDir()
		}
		s, err := sqlite.Open(filepath.Join(dirs[t], name), sqlite.Options{Clock: clock})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
