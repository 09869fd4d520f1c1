package compute

import (
	"net"
	"net/netip"

	"slipway/fault"
)

// Network is what a machine's card is connected to: a network of its own on
// which it meets nobody but its host. The zero value gives it an address and
// nothing to reach.
type Network struct {
	// Address is the guest's IPv4 address with the length of its subnet, /8 to
	// /29; drivers choose one when it is zero. Its subnet's first two addresses
	// are the gateway's and the resolver's.
	Address netip.Prefix
	// MAC is the card's hardware address, such as 0a:01:02:03:04:05; drivers
	// choose one when it is empty.
	MAC string
	// Hostname is told with the address; 1–40 characters of a-z, 0-9 and hyphen,
	// or empty.
	Hostname string
	// Internet: public addresses can be reached, and what the operator opened.
	Internet bool
	// Metadata: 169.254.169.254, port 80, leads to the driver's Visitor.
	Metadata bool
	// Service: the gateway leads to the driver's Visitor.
	Service bool
}

// Place is what a guest has connected to.
type Place string

const (
	PlaceMetadata Place = "metadata" // 169.254.169.254
	PlaceService  Place = "service"  // the gateway
)

// Visitor is given every connection that a guest makes to one of its places,
// with the machine it comes from, which the guest cannot choose; RemoteAddr is
// the guest's own address. It closes the connection, and must not block.
type Visitor func(machine string, to Place, c net.Conn)

// The addresses that no machine can have; its subnet holds four that are not
// its own.
const (
	shortestSubnet = 8
	longestSubnet  = 29
)

func (n Network) checked() error {
	if n.Address != (netip.Prefix{}) {
		a := n.Address.Addr()
		switch {
		case !a.Is4() || n.Address.Bits() < shortestSubnet || n.Address.Bits() > longestSubnet:
			return fault.New(fault.BadValue, "A machine has an IPv4 address in a subnet of /%d to /%d, not %s.", shortestSubnet, longestSubnet, n.Address)
		case !Usable(n.Address, a):
			return fault.New(fault.BadValue, "The address %s is not for a machine: a subnet's first four and its last are its network's own.", a)
		}
	}
	if n.MAC != "" {
		if m, err := net.ParseMAC(n.MAC); err != nil || len(m) != 6 || m.String() != n.MAC || m[0]&1 != 0 {
			return fault.New(fault.BadValue, "A card's hardware address looks like 0a:01:02:03:04:05, not %q.", n.MAC)
		}
	}
	if n.Hostname != "" && (!idPattern.MatchString(n.Hostname)) {
		return fault.New(fault.BadValue, "A hostname has 1 to 40 characters of a-z, 0-9 and hyphen.")
	}
	return nil
}

// Usable tells whether an address of a subnet can be a machine's: as in a VPC,
// the first four and the last cannot.
func Usable(subnet netip.Prefix, a netip.Addr) bool {
	first := subnet.Masked().Addr()
	for range 4 {
		if a == first {
			return false
		}
		first = first.Next()
	}
	return subnet.Contains(a) && subnet.Contains(a.Next())
}
