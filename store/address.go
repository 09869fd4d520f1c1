package store

import (
	"hash/fnv"
	"net/netip"

	"slipway/domain"
	"slipway/fault"
)

// TakeAddress gives a machine the address at which nobody else is: in a subnet,
// or for nil among those that are in none. who refers to it from then on, and
// lets go of it with its deletion. Where the search begins and how far its steps
// are depend on who alone, so that it is short among many. Errors: NotAvailable when all are taken.
func TakeAddress(tx Tx, who domain.Key, in *domain.Subnet) (netip.Prefix, error) {
	block := domain.NoSubnet
	if in != nil {
		p, ok := domain.ParseCIDR(in.CIDR)
		if !ok {
			return netip.Prefix{}, fault.New(fault.Internal, "The subnet %s has the block %q.", in.Key.Name, in.CIDR)
		}
		block = p
	}
	n := domain.FreeAddresses(block)
	h := fnv.New32a()
	_, _ = h.Write([]byte(who.String())) // never fails
	begin, step := int(h.Sum32())%n, int(h.Sum32()>>16)%n|1
	for gcd(step, n) != 1 { // else it would not come by at all of them
		step += 2
	}
	for i := range n {
		a := domain.AddressAt(block, (begin+i*step)%n)
		to := domain.AddressKey(in, a)
		have, err := tx.Referrers(to)
		if err != nil {
			return netip.Prefix{}, err
		}
		if len(have) == 0 {
			return netip.PrefixFrom(a, block.Bits()), tx.Refer(who, to)
		}
	}
	return netip.Prefix{}, fault.New(fault.NotAvailable, "There is no free address in %s.", block).WithHint("Delete an image builder of that subnet, make a fleet smaller, or use another subnet.")
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
