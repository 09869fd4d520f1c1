// Package guestnet is the network of one machine: a process between the card
// of a guest and the rest of the world. It hands out the guest's address
// (DHCP), answers names (DNS), carries connections to public addresses where
// the policy allows it, and leads two places, the metadata address and the
// gateway, to the server over a unix socket. What is not allowed is refused
// here, by address, at the moment of connecting: names, also those that change
// their mind, decide nothing.
//
// The process has no other file or process to touch (confine.go) and knows no
// noun of AWS. Who the guest is, and what the places answer, belongs to whoever
// listens at the other end of the socket.
package guestnet

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
)

// Config is all that the process is told. It is read once.
type Config struct {
	// Link is the datagram socket that is bound for the guest's frames, in the
	// place of whoever had it before; Peer is where frames to the guest go.
	Link, Peer string
	// Count is the file that holds how many frames the guest has sent: 8 bytes,
	// see Frames; counted on from what is there.
	Count string
	// Host is the stream socket behind the two places; see Greeting. Empty:
	// both answer as if the server were down.
	Host string
	MAC  string // the guest's
	// Address is the guest's with its subnet; zero means Default.
	Address  netip.Prefix
	Hostname string // told to the guest; may be empty

	Internet, Metadata, Service bool

	// Names of the gateway that the resolver knows, and the ports beside 80 and
	// 443 that lead to the service.
	Names []string
	Ports []uint16
	// Allow opens addresses that are not public, Deny closes such that are; Deny
	// wins, and neither does anything without Internet.
	Allow, Deny []netip.Prefix
	// Resolvers are asked for names when Internet is on.
	Resolvers []netip.AddrPort
}

// Default is the address of a guest that nobody gave one.
var Default = netip.MustParsePrefix("198.19.0.4/20")

// Metadata and its companions are the addresses of a guest's own link that
// stand for the host in every subnet (EC2 user guide: instance metadata, and
// the resolver beside the subnet's own).
var (
	metadataAddr = netip.MustParseAddr("169.254.169.254")
	resolverAddr = netip.MustParseAddr("169.254.169.253")
)

func readConfig(path string) (Config, error) {
	var c Config
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil {
		return c, fmt.Errorf("the configuration: %w", err)
	}
	return c, nil
}

// plan is a checked Config with what follows from it.
type plan struct {
	Config
	mac      net.HardwareAddr
	guest    netip.Addr
	gateway  netip.Addr // the subnet's first
	resolver netip.Addr // its second
}

func (c Config) checked() (plan, error) {
	if c.Address == (netip.Prefix{}) {
		c.Address = Default
	}
	p := plan{Config: c, guest: c.Address.Addr()}
	var err error
	if p.mac, err = net.ParseMAC(c.MAC); err != nil || len(p.mac) != 6 {
		return p, fmt.Errorf("the guest's hardware address is %q", c.MAC)
	}
	if !p.guest.Is4() {
		return p, fmt.Errorf("the guest's address is %s", c.Address)
	}
	p.gateway = c.Address.Masked().Addr().Next()
	p.resolver = p.gateway.Next()
	return p, nil
}

// own tells whether an address is one of the host's on the guest's link.
func (p plan) own(a netip.Addr) bool {
	return a == p.gateway || a == p.resolver || a == metadataAddr || a == resolverAddr
}
