package guestnet

import (
	"net"
	"net/netip"
)

// policy decides which addresses a guest may reach beyond its own link.
type policy struct {
	internet    bool
	allow, deny []netip.Prefix
	// self lists the host's own addresses; they are asked for each time, since
	// hosts get and lose some.
	self func() ([]net.Addr, error)
}

// permits is asked with the address that will be connected to, never with a
// name. What it does not know to be public it refuses.
func (p policy) permits(a netip.Addr) bool {
	if !p.internet || !a.IsValid() || a.Zone() != "" {
		return false
	}
	a = a.Unmap()
	if a.IsUnspecified() || a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) || a == metadataAddr || a == resolverAddr {
		return false
	}
	if within(p.deny, a) {
		return false
	}
	if within(p.allow, a) {
		return true
	}
	return public(a) && !p.isSelf(a)
}

func within(list []netip.Prefix, a netip.Addr) bool {
	for _, n := range list {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// isSelf is true also when the host's addresses cannot be found out.
func (p policy) isSelf(a netip.Addr) bool {
	all, err := p.self()
	if err != nil {
		return true
	}
	for _, n := range all {
		if x, ok := n.(*net.IPNet); ok {
			if own, ok := netip.AddrFromSlice(x.IP); ok && own.Unmap() == a {
				return true
			}
		}
	}
	return false
}

// public tells whether an address is one of the internet's: IANA's registries
// of special-purpose addresses for IPv4 and IPv6, and of the IPv6 space, where
// all that is global lies in 2000::/3.
func public(a netip.Addr) bool {
	if a.Is6() && !global6.Contains(a) {
		return false
	}
	return !within(special, a)
}

var global6 = netip.MustParsePrefix("2000::/3")

var special = func() (out []netip.Prefix) {
	for _, s := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
		"192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
		"192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
		// Within 2000::/3: protocol assignments with Teredo, documentation, and
		// 6to4, which carries any IPv4 address.
		"2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
	} {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}()
