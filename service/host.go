package service

import (
	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// fits refuses machines that this host has no room for: the memory of all
// machines that were promised one, of whatever kind, must fit. Machines of the
// resource own, or of the fleet own, are not counted: they are the ones asked for.
func (s *Service) fits(tx store.Tx, t domain.InstanceType, machines int, own domain.Key) error {
	host := s.room()
	_, each := t.Fit(host)
	if host.MemoryMiB == 0 || machines == 0 {
		return nil
	}
	var taken, have int64
	err := store.EachHoused(tx, func(n domain.Housed) error {
		i, ok := n.(*domain.FleetInstance)
		switch {
		case n.Head().Key == own:
		case ok && i.FleetKey() == own:
			have += n.HeldMiB() // it runs, or is about to
		default:
			taken += n.HeldMiB()
		}
		return nil
	})
	if err != nil {
		return err
	}
	want := each * int64(machines)
	free, more := host.MemoryMiB-taken, want-have
	if host.FreeMiB > 0 {
		free = min(free, host.FreeMiB+have)
	}
	if want <= free || more <= 0 {
		return nil
	}
	return fault.New(fault.NotAvailable, "There is not enough capacity for instance type %s: %d of them take %d MiB of memory here, and this host has %d MiB left for machines.",
		t.Name, machines, want, max(free, 0)).
		WithHint("Stop an image builder or a fleet, choose a smaller type, or make the types smaller with `slipway serve --instance-types FILE`.")
}
