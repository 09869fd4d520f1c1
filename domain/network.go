package domain

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"
)

// Networks are facts to name, not wires: fleets and builders are told where
// they belong, and what was named is held against deletion.
const (
	KindNetwork       Kind = "network"
	KindVPC           Kind = "vpc"
	KindSubnet        Kind = "subnet"
	KindSecurityGroup Kind = "security-group"
)

// Network says that an account was given its default VPC in a Region: deleting
// that VPC must not bring it back. Key.Name is "default".
type Network struct {
	Meta `json:"-"`
	VPC  string // id of the VPC that was made
}

func (*Network) Alias() string { return "" }
func (*Network) Schema() int   { return 1 }

// VPC is a virtual network. Key.Name is the id, vpc-….
type VPC struct {
	Meta    `json:"-"`
	CIDR    string
	Default bool
	Tenancy string
	Tags    Tags
}

func (*VPC) Alias() string { return "" }
func (*VPC) Schema() int   { return 1 }

// Subnet is a part of a VPC in one zone. Key.Name is the id, subnet-….
type Subnet struct {
	Meta     `json:"-"`
	VPC      string
	CIDR     string
	Zone     string
	Default  bool // the one of its zone that the default VPC came with
	PublicIP bool
	Tags     Tags

	Taken int `json:"-"` // addresses in use, when somebody counted
}

// Alias finds the subnets of a VPC.
func (s *Subnet) Alias() string { return s.VPC }
func (*Subnet) Schema() int     { return 1 }

// SecurityGroup is a named set of rules of a VPC. Key.Name is the id, sg-….
type SecurityGroup struct {
	Meta        `json:"-"`
	Label       string // the group's name, unique in its VPC
	Description string
	VPC         string
	Tags        Tags
}

// Alias finds the groups of a VPC.
func (g *SecurityGroup) Alias() string { return g.VPC }
func (*SecurityGroup) Schema() int     { return 1 }

// DefaultGroup is the name of the group that every VPC has.
const DefaultGroup = "default"

// VPC mints a vpc-… id.
func (g IDs) VPC() string { return g.hex17("vpc-") }

// Subnet mints a subnet-… id.
func (g IDs) Subnet() string { return g.hex17("subnet-") }

// SecurityGroup mints a sg-… id.
func (g IDs) SecurityGroup() string { return g.hex17("sg-") }

// NetworkInterface mints an eni-… id.
func (g IDs) NetworkInterface() string { return g.hex17("eni-") }

// InstanceID is what a machine's guest calls itself: an instance id that is
// always the same for a machine.
func InstanceID(machine string) string { return hex17Of("i-", machine) }

// ImageInstanceID stands for an AppStream image where guests expect an AMI's id.
func ImageInstanceID(imageARN string) string { return hex17Of("ami-", imageARN) }

// ProfileID stands for the instance profile that would hold a role.
func ProfileID(roleID string) string { return "AIPA" + strings.TrimPrefix(roleID, "AROA") }

func hex17Of(prefix, word string) string {
	sum := sha256.Sum256([]byte(prefix + word))
	return prefix + hex.EncodeToString(sum[:])[:17]
}

// NoSubnet is where machines are that were given no subnet (AppStream's own
// interfaces are in 198.19.0.0/16; developer guide, "Management network
// interface").
var NoSubnet = netip.MustParsePrefix("198.19.0.0/16")

// AddressAt is the i-th address of a block that a machine may have, of
// FreeAddresses: AWS keeps the first four and the last.
func AddressAt(block netip.Prefix, i int) netip.Addr {
	b := block.Masked().Addr().As4()
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])+4+uint32(i))
	return netip.AddrFrom4(b)
}

// KindAddress is the kind of what machines refer to as theirs. There are no
// resources of it: an address is who refers to it.
const KindAddress Kind = "address"

// AddressKey is what the machine with an address refers to: the address in its
// subnet, or among all that are in none.
func AddressKey(subnet *Subnet, a netip.Addr) Key {
	if subnet == nil {
		return Key{Kind: KindAddress, Name: a.String()}
	}
	return Key{Scope: subnet.Key.Scope, Kind: KindAddress, Name: subnet.Key.Name + "/" + a.String()}
}

// Hostname is the name of the machine with an address (EC2 user guide, IP based
// naming).
func Hostname(a netip.Addr) string { return "ip-" + strings.ReplaceAll(a.String(), ".", "-") }

// ParseCIDR reads an IPv4 block as EC2 does: host bits are dropped.
func ParseCIDR(s string) (netip.Prefix, bool) {
	p, err := netip.ParsePrefix(s)
	if err != nil || !p.Addr().Is4() {
		return netip.Prefix{}, false
	}
	return p.Masked(), true
}

// BlockSizeOK tells whether a VPC or subnet may have a block of this size (VPC
// user guide: /16 to /28).
func BlockSizeOK(p netip.Prefix) bool { return p.Bits() >= 16 && p.Bits() <= 28 }

// FreeAddresses is how many addresses a subnet's block has for use: AWS keeps
// five.
func FreeAddresses(p netip.Prefix) int { return 1<<(32-p.Bits()) - 5 }

// Zone is an availability zone.
type Zone struct{ Name, ID string }

// Zones lists a Region's zones: three everywhere.
func Zones(region string) []Zone {
	id := zonePrefix(region)
	var out []Zone
	for i, letter := range []string{"a", "b", "c"} {
		out = append(out, Zone{Name: region + letter, ID: id + "-az" + string(rune('1'+i))})
	}
	return out
}

var directions = map[string]string{
	"north": "n", "south": "s", "east": "e", "west": "w", "central": "c", "gov": "g",
	"northeast": "ne", "southeast": "se", "northwest": "nw", "southwest": "sw",
}

// zonePrefix shortens a Region's name as AWS's zone ids do: us-east-1 to use1.
func zonePrefix(region string) string {
	var out strings.Builder
	for i, w := range strings.Split(region, "-") {
		if d, ok := directions[w]; ok && i > 0 {
			w = d
		}
		out.WriteString(w)
	}
	return out.String()
}

// Region is a Region that AWS has.
type Region struct {
	Name  string
	OptIn bool // AWS accounts have to ask for it; here every Region is on
}

// Regions is the list of the Regions in AWS's standard partition (AWS account
// management guide, "Enable or disable AWS Regions").
var Regions = []Region{
	{"af-south-1", true}, {"ap-east-1", true}, {"ap-northeast-1", false}, {"ap-northeast-2", false}, {"ap-northeast-3", false},
	{"ap-south-1", false}, {"ap-south-2", true}, {"ap-southeast-1", false}, {"ap-southeast-2", false}, {"ap-southeast-3", true},
	{"ap-southeast-4", true}, {"ca-central-1", false}, {"ca-west-1", true}, {"eu-central-1", false}, {"eu-central-2", true},
	{"eu-north-1", false}, {"eu-south-1", true}, {"eu-south-2", true}, {"eu-west-1", false}, {"eu-west-2", false}, {"eu-west-3", false},
	{"il-central-1", true}, {"me-central-1", true}, {"me-south-1", true}, {"sa-east-1", false}, {"us-east-1", false},
	{"us-east-2", false}, {"us-west-1", false}, {"us-west-2", false},
}

// KnownRegion tells whether AWS has a Region of this name.
func KnownRegion(name string) bool {
	for _, r := range Regions {
		if r.Name == name {
			return true
		}
	}
	return false
}
