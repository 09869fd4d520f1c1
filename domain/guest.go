package domain

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"time"
)

// Guest is what a machine's guest may know of itself, and as whom it may act: the
// same for every kind of resource that has a machine.
type Guest struct {
	Of      Key // the image builder or the fleet's instance
	Machine string
	ID      string // its instance id
	Fleet   string // the fleet it is an instance of; "" for none
	// AtWork: it is there or on its way, and nobody has told it to end.
	AtWork bool
	Run    int64 // of its machine: credentials are given to one run

	InstanceType string
	ImageARN     string
	Created      time.Time

	Address  netip.Prefix // with the length of its subnet; not valid: it has none
	ENI      string
	Subnet   string // "" for none
	Groups   []string
	Internet bool
	RoleARN  string
	NoIMDSv1 *bool
}

// ResourceARN is that of the image builder or the fleet.
func (g *Guest) ResourceARN() string {
	if g.Fleet != "" {
		return FleetARN(Key{Scope: g.Of.Scope, Kind: KindFleet, Name: g.Fleet})
	}
	return BuilderARN(g.Of)
}

// MAC is the hardware address of its machine's card, always the same one:
// locally administered.
func (g *Guest) MAC() string {
	h := sha256.Sum256([]byte("slipway builder's card " + g.Machine))
	return fmt.Sprintf("0a:%02x:%02x:%02x:%02x:%02x", h[0], h[1], h[2], h[3], h[4])
}

// Guest is the builder's.
func (b *Builder) Guest() Guest {
	g := Guest{
		Of: b.Key, Machine: b.Machine, ID: InstanceID(b.Machine), AtWork: HasGuest(b.State), Run: b.Run,
		InstanceType: b.InstanceType, ImageARN: b.ImageARN, Created: b.Created,
		ENI: b.ENI, Groups: b.Groups, Internet: b.Internet, RoleARN: b.RoleARN, NoIMDSv1: b.NoIMDSv1,
	}
	g.Address, _ = netip.ParsePrefix(b.Address) // one of an older version has none
	if len(b.Subnets) > 0 {
		g.Subnet = b.Subnets[0]
	}
	return g
}

// Guest is the instance's. It runs once: what it is was fixed when it was made.
func (i *FleetInstance) Guest() Guest {
	g := Guest{
		Of: i.Key, Machine: i.Key.Name, ID: i.Key.Name, Fleet: i.Fleet, AtWork: i.State != InstanceTerminating,
		InstanceType: i.InstanceType, ImageARN: i.ImageARN, Created: i.Created,
		ENI: i.ENI, Subnet: i.Subnet, Groups: i.Groups, Internet: i.Internet, RoleARN: i.RoleARN, NoIMDSv1: i.NoIMDSv1,
	}
	g.Address, _ = netip.ParsePrefix(i.Address)
	return g
}
