package service

import (
	"net/netip"

	"slipway/domain"
	"slipway/store"
)

// place gives a builder an address and an interface, unless it has them. The
// builder is there already, or is inserted in the same transaction.
func (s *Service) place(tx store.Tx, b *domain.Builder) error {
	var in *domain.Subnet
	if len(b.Subnets) > 0 {
		in = new(domain.Subnet)
		if err := tx.Get(domain.Key{Scope: b.Key.Scope, Kind: domain.KindSubnet, Name: b.Subnets[0]}, in); err != nil {
			return err
		}
	}
	if p, err := netip.ParsePrefix(b.Address); err == nil {
		return tx.Refer(b.Key, domain.AddressKey(in, p.Addr())) // one of an older version does not
	}
	a, err := store.TakeAddress(tx, b.Key, in)
	if err == nil {
		b.Address, b.ENI = a.String(), s.IDs.NetworkInterface()
	}
	return err
}

// addressesTaken counts the addresses in use of each subnet of the caller's.
func addressesTaken(tx store.Tx, c domain.Caller) (map[string]int, error) {
	n := map[string]int{}
	all, err := store.List[domain.Builder](tx, store.Query{Kind: domain.KindBuilder, Account: c.Account, Region: c.Region})
	if err != nil {
		return nil, err
	}
	for _, b := range all {
		for _, id := range b.Subnets {
			n[id]++
		}
	}
	fleets, err := store.List[domain.Fleet](tx, store.Query{Kind: domain.KindFleet, Account: c.Account, Region: c.Region})
	if err != nil {
		return nil, err
	}
	for _, f := range fleets {
		if len(f.Subnets) == 0 {
			continue
		}
		own, err := store.List[domain.FleetInstance](tx, ofFleet(domain.KindFleetInstance, f.Key))
		if err != nil {
			return nil, err
		}
		for _, i := range own {
			n[i.Subnet]++
		}
	}
	return n, nil
}
