package store_test

import (
	"fmt"
	"testing"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
	"slipway/store/sqlite"
)

// TestEveryAddressIsFound: whoever comes finds a free one as long as there is
// one, in blocks of any size, and nobody gets another's.
func TestEveryAddressIsFound(t *testing.T) {
	st, err := sqlite.Open(t.TempDir(), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	scope := domain.Scope{Account: "111", Region: "eu"}
	err = st.Update(t.Context(), func(tx store.Tx) error {
		for _, bits := range []int{28, 27, 26, 25} {
			in := &domain.Subnet{CIDR: fmt.Sprintf("10.%d.0.0/%d", bits, bits)}
			in.Key = domain.Key{Scope: scope, Kind: domain.KindSubnet, Name: fmt.Sprint(bits)}
			seen := map[string]bool{}
			for i := range 1<<(32-bits) - 5 { // four and the last are kept
				who := domain.Key{Scope: scope, Kind: domain.KindFleetInstance, Name: fmt.Sprintf("i-%d-%d", bits, i)}
				a, err := store.TakeAddress(tx, who, in)
				if err != nil || seen[a.String()] {
					return fmt.Errorf("/%d, address %d: %s, %w", bits, i, a, err)
				}
				seen[a.String()] = true
			}
			late := domain.Key{Scope: scope, Kind: domain.KindFleetInstance, Name: "late"}
			if a, err := store.TakeAddress(tx, late, in); !fault.Is(err, fault.NotAvailable) {
				t.Errorf("/%d: one more: %s, %v", bits, a, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
