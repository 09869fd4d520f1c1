package guestnet

import (
	"errors"
	"net"
	"net/netip"
	"testing"
)

// TestPolicy is the table of what a guest may reach.
func TestPolicy(t *testing.T) {
	self := func() ([]net.Addr, error) {
		_, n4, _ := net.ParseCIDR("8.20.30.40/24")
		n4.IP = net.ParseIP("8.20.30.40")
		_, n6, _ := net.ParseCIDR("2a00:1450::5/64")
		n6.IP = net.ParseIP("2a00:1450::5")
		return []net.Addr{n4, n6}, nil
	}
	on := policy{internet: true, self: self}
	for a, want := range map[string]bool{
		"8.8.8.8": true, "1.1.1.1": true, "99.255.255.255": true, "100.128.0.1": true, "172.32.0.1": true, "198.20.0.1": true,
		"2a00:1450::1": true, "2606:4700::1111": true, "::ffff:8.8.8.8": true,

		"8.20.30.40": false, "2a00:1450::5": false, "::ffff:8.20.30.40": false, // this host
		"0.0.0.0": false, "0.1.2.3": false, "127.0.0.1": false, "127.255.1.1": false, "::1": false, "::": false,
		"10.0.0.1": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false, "100.64.0.1": false, "100.127.255.255": false,
		"169.254.0.1": false, "169.254.169.254": false, "169.254.169.253": false, "169.254.170.2": false, "fe80::1": false, "fd00:ec2::254": false, "fc00::1": false,
		"192.0.0.8": false, "192.0.2.1": false, "192.88.99.1": false, "198.18.0.1": false, "198.19.0.5": false, "198.51.100.7": false, "203.0.113.7": false,
		"224.0.0.1": false, "239.255.255.250": false, "240.0.0.1": false, "255.255.255.255": false, "ff02::1": false,
		"::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "::ffff:169.254.169.254": false, "::127.0.0.1": false, "64:ff9b::7f00:1": false,
		"2001:db8::1": false, "2001::1": false, "2002:7f00:1::1": false, "2002:a00:1::1": false, "3fff::1": false, "4000::1": false, "100::1": false,
		"fe80::1%eth0": false, "2a00:1450::1%eth0": false,
	} {
		if got := on.permits(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s: %v", a, got)
		}
		off := policy{self: self, allow: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}}
		if off.permits(netip.MustParseAddr(a)) {
			t.Errorf("%s without internet", a)
		}
	}
	if on.permits(netip.Addr{}) {
		t.Error("no address at all")
	}
}

func TestPolicyOfTheOperator(t *testing.T) {
	p := policy{internet: true, self: net.InterfaceAddrs,
		allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("0.0.0.0/32")},
		deny:  []netip.Prefix{netip.MustParsePrefix("8.8.0.0/16"), netip.MustParsePrefix("10.1.9.0/24")}}
	for a, want := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "10.2.0.1": false, "169.254.1.1": true, "fd00::1": true,
		"8.8.8.8": false, "::ffff:8.8.8.8": false, "10.1.9.1": false, "9.9.9.9": true,
		"169.254.169.254": false, "0.0.0.0": false, "127.0.0.1": false, // never, whatever was opened
	} {
		if got := p.permits(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s: %v", a, got)
		}
	}
	p.self = func() ([]net.Addr, error) { return nil, errors.New("no netlink") }
	if p.permits(netip.MustParseAddr("9.9.9.9")) {
		t.Error("a host that does not know its own addresses lets guests out")
	}
}
