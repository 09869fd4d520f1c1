package service

import (
	"net/netip"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// place gives a builder an address and an interface, unless it has them: in the
// subnet it was made for, or among those that were made for none. No two
// builders of a subnet ever have the same.
func (s *Service) place(tx store.Tx, b *domain.Builder) error {
	if b.Address != "" {
		return nil
	}
	block, q := domain.NoSubnet, store.Query{Kind: domain.KindBuilder}
	if len(b.Subnets) > 0 {
		n := new(domain.Subnet)
		if err := tx.Get(domain.Key{Scope: b.Key.Scope, Kind: domain.KindSubnet, Name: b.Subnets[0]}, n); err != nil {
			return err
		}
		p, ok := domain.ParseCIDR(n.CIDR)
		if !ok {
			return fault.New(fault.Internal, "The subnet %s has the block %q.", b.Subnets[0], n.CIDR)
		}
		block, q.Account, q.Region = p, b.Key.Account, b.Key.Region
	}
	all, err := store.List[domain.Builder](tx, q)
	if err != nil {
		return err
	}
	taken := map[netip.Addr]bool{}
	for _, o := range all {
		if p, err := netip.ParsePrefix(o.Address); err == nil {
			taken[p.Addr()] = true
		}
	}
	a, ok := domain.NextAddress(block, taken)
	if !ok {
		return fault.New(fault.NotAvailable, "There is no free address in %s.", block).WithHint("Delete an image builder of that subnet, or use another subnet.")
	}
	b.Address, b.ENI = netip.PrefixFrom(a, block.Bits()).String(), s.IDs.NetworkInterface()
	return nil
}

// addressesTaken counts the addresses in use of each subnet of the caller's.
func addressesTaken(tx store.Tx, c domain.Caller) (map[string]int, error) {
	all, err := store.List[domain.Builder](tx, store.Query{Kind: domain.KindBuilder, Account: c.Account, Region: c.Region})
	n := map[string]int{}
	for _, b := range all {
		for _, id := range b.Subnets {
			n[id]++
		}
	}
	return n, err
}
