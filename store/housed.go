package store

import (
	"slipway/domain"
	"slipway/fault"
)

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

// MachineNames calls f with the name of the machine that each resource of a query
// has or is about to have; "" for none. Where the resource is named after it, no
// document is read. Kinds without machines have none.
func MachineNames(tx Tx, q Query, f func(of domain.Key, machine string)) error {
	for _, k := range domain.HousedKinds {
		if k.Kind != q.Kind {
			continue
		}
		if k.Named {
			keys, err := tx.Keys(q)
			for _, key := range keys {
				f(key, key.Name)
			}
			return err
		}
		return tx.Query(q, func(r Row) (bool, error) {
			n := k.New()
			err := r.Decode(n)
			f(r.Key(), n.MachineName())
			return true, err
		})
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

// Guest finds whose machine it is. Errors: NotFound, also while the guest is not
// at work.
func Guest(tx Tx, machine string) (g domain.Guest, err error) {
	none := fault.New(fault.NotFound, "No guest of a machine %s is at work.", machine)
	if machine == "" {
		return g, none
	}
	for _, k := range domain.HousedKinds {
		q := Query{Kind: k.Kind, Alias: machine}
		if k.Named {
			q.Alias, q.Names = "", []string{machine}
		}
		found := 0
		err := tx.Query(q, func(r Row) (bool, error) {
			n := k.New()
			if err := r.Decode(n); err != nil {
				return false, err
			}
			g, found = n.Guest(), found+1
			return true, nil
		})
		if err != nil {
			return g, err
		}
		if found == 1 && g.AtWork {
			return g, nil
		}
	}
	return domain.Guest{}, none
}
