package store

import "slipway/domain"

// EachHoused walks every resource that has a machine on this host.
func EachHoused(tx Tx, f func(domain.Housed) error) error {
	for _, k := range domain.HousedKinds {
		err := tx.Query(Query{Kind: k.Kind}, func(r Row) (bool, error) {
			n := k.New()
			if err := r.Decode(n); err != nil {
				return false, err
			}
			return true, f(n)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// HeldMiB is the memory that the machines of this host were promised together,
// but for those of except.
func HeldMiB(tx Tx, except ...domain.Key) (sum int64, err error) {
	err = EachHoused(tx, func(n domain.Housed) error {
		for _, k := range except {
			if n.Head().Key == k {
				return nil
			}
		}
		sum += n.HeldMiB()
		return nil
	})
	return sum, err
}
