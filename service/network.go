package service

import (
	"context"
	"net/netip"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// network runs f after making sure that the caller's account has had its
// default VPC in this Region: AWS makes one in every Region of a new account.
func (s *Service) network(ctx context.Context, c domain.Caller, write bool, f func(tx store.Tx) error) error {
	mark := new(domain.Network)
	key := c.Key(domain.KindNetwork, "default")
	if !write {
		missing := false
		err := s.Store.View(ctx, func(tx store.Tx) error {
			if err := tx.Get(key, mark); fault.Is(err, fault.NotFound) {
				missing = true
				return nil
			} else if err != nil {
				return err
			}
			return f(tx)
		})
		if !missing {
			return err
		}
	}
	return s.Store.Update(ctx, func(tx store.Tx) error {
		err := tx.Get(key, mark)
		if fault.Is(err, fault.NotFound) {
			err = s.makeDefaultVPC(tx, c)
		}
		if err != nil {
			return err
		}
		return f(tx)
	})
}

// makeDefaultVPC writes the network that AWS gives to a new account (VPC user
// guide, "Default VPC components").
func (s *Service) makeDefaultVPC(tx store.Tx, c domain.Caller) error {
	vpc := &domain.VPC{CIDR: "172.31.0.0/16", Default: true, Tenancy: "default"}
	if err := s.insertVPC(tx, c, vpc); err != nil {
		return err
	}
	for i, z := range domain.Zones(c.Region) {
		block := netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 31, byte(i * 16), 0}), 20)
		n := &domain.Subnet{VPC: vpc.Key.Name, CIDR: block.String(), Zone: z.Name, Default: true, PublicIP: true}
		if err := s.insertSubnet(tx, c, n); err != nil {
			return err
		}
	}
	mark := &domain.Network{VPC: vpc.Key.Name}
	mark.Key = c.Key(domain.KindNetwork, "default")
	return tx.Insert(mark)
}

// insertVPC writes a VPC and the security group that every VPC has.
func (s *Service) insertVPC(tx store.Tx, c domain.Caller, vpc *domain.VPC) error {
	vpc.Key = c.Key(domain.KindVPC, s.IDs.VPC())
	if err := tx.Insert(vpc); err != nil {
		return err
	}
	return s.insertGroup(tx, c, &domain.SecurityGroup{Label: domain.DefaultGroup, Description: "default VPC security group", VPC: vpc.Key.Name})
}

func (s *Service) insertSubnet(tx store.Tx, c domain.Caller, n *domain.Subnet) error {
	n.Key = c.Key(domain.KindSubnet, s.IDs.Subnet())
	if err := tx.Insert(n); err != nil {
		return err
	}
	return tx.Refer(n.Key, c.Key(domain.KindVPC, n.VPC))
}

func (s *Service) insertGroup(tx store.Tx, c domain.Caller, g *domain.SecurityGroup) error {
	g.Key = c.Key(domain.KindSecurityGroup, s.IDs.SecurityGroup())
	if err := tx.Insert(g); err != nil {
		return err
	}
	return tx.Refer(g.Key, c.Key(domain.KindVPC, g.VPC))
}

// networkPart lists resources of one kind in order of id, all or those named.
func networkPart[T any, P interface {
	*T
	domain.Noun
}](ctx context.Context, s *Service, c domain.Caller, k domain.Kind, ids []string) (out []P, err error) {
	err = s.network(ctx, c, false, func(tx store.Tx) error {
		out, err = store.List[T, P](tx, store.Query{Kind: k, Account: c.Account, Region: c.Region, Names: ids})
		return err
	})
	found := map[string]bool{}
	for _, n := range out {
		found[n.Head().Key.Name] = true
	}
	for _, id := range ids {
		if err == nil && !found[id] {
			err = noID(k, id)
		}
	}
	return out, err
}

// VPCs lists the caller's VPCs, all or those named.
func (s *Service) VPCs(ctx context.Context, c domain.Caller, ids []string) ([]*domain.VPC, error) {
	return networkPart[domain.VPC](ctx, s, c, domain.KindVPC, ids)
}

// Subnets lists the caller's subnets, all or those named.
func (s *Service) Subnets(ctx context.Context, c domain.Caller, ids []string) ([]*domain.Subnet, error) {
	out, err := networkPart[domain.Subnet](ctx, s, c, domain.KindSubnet, ids)
	if err != nil {
		return nil, err
	}
	err = s.Store.View(ctx, func(tx store.Tx) error {
		taken, err := addressesTaken(tx, c)
		for _, n := range out {
			n.Taken = taken[n.Key.Name]
		}
		return err
	})
	return out, err
}

// SecurityGroups lists the caller's security groups, all or those named.
func (s *Service) SecurityGroups(ctx context.Context, c domain.Caller, ids []string) ([]*domain.SecurityGroup, error) {
	return networkPart[domain.SecurityGroup](ctx, s, c, domain.KindSecurityGroup, ids)
}

// CreateVPC makes a VPC.
func (s *Service) CreateVPC(ctx context.Context, c domain.Caller, vpc domain.VPC, dryRun bool) (*domain.VPC, error) {
	block, err := parseBlock("cidrBlock", vpc.CIDR)
	if err != nil {
		return nil, err
	}
	if !domain.BlockSizeOK(block) {
		return nil, fault.New(fault.BadValue, "The CIDR '%s' is invalid.", vpc.CIDR).WithHint("A VPC's block is between /16 and /28.").WithCode("InvalidVpc.Range")
	}
	if vpc.Tenancy == "" {
		vpc.Tenancy = "default"
	}
	vpc.CIDR, vpc.Default = block.String(), false
	err = s.network(ctx, c, true, func(tx store.Tx) error {
		if err := roomFor(tx, c.Scope(), domain.KindVPC, domain.QuotaVPCs, "VpcLimitExceeded"); err != nil {
			return err
		}
		if dryRun {
			return errDryRun()
		}
		return s.insertVPC(tx, c, &vpc)
	})
	if err != nil {
		return nil, err
	}
	return &vpc, nil
}

func parseBlock(member, cidr string) (netip.Prefix, error) {
	if cidr == "" {
		return netip.Prefix{}, fault.New(fault.BadCombination, "Either '%s' or an IPAM pool should be provided.", member).
			WithHint("IPAM pools are not built: give %s.", member).WithCode("MissingParameter")
	}
	p, ok := domain.ParseCIDR(cidr)
	if !ok {
		return p, fault.New(fault.BadValue, "Value (%s) for parameter %s is invalid. This is not a valid CIDR block.", cidr, member)
	}
	return p, nil
}

// DeleteVPC removes a VPC that has nothing but its default security group.
func (s *Service) DeleteVPC(ctx context.Context, c domain.Caller, id string, dryRun bool) error {
	return s.network(ctx, c, true, func(tx store.Tx) error {
		key := c.Key(domain.KindVPC, id)
		if err := tx.Get(key, new(domain.VPC)); fault.Is(err, fault.NotFound) {
			return noID(domain.KindVPC, id)
		} else if err != nil {
			return err
		}
		users, err := tx.Referrers(key)
		if err != nil {
			return err
		}
		for _, u := range users {
			own, err := removableWith(tx, u)
			if err != nil {
				return err
			}
			if !own {
				return fault.New(fault.InUse, "The vpc '%s' has dependencies and cannot be deleted.", id).
					WithHint("Delete the %s %s first.", u.Kind, u.Name).WithCode("DependencyViolation")
			}
			if err := tx.Delete(u); err != nil {
				return err
			}
		}
		if dryRun {
			return errDryRun()
		}
		return tx.Delete(key)
	})
}

// removableWith tells whether something goes with its VPC: the default group
// that nobody uses.
func removableWith(tx store.Tx, key domain.Key) (bool, error) {
	if key.Kind != domain.KindSecurityGroup {
		return false, nil
	}
	g := new(domain.SecurityGroup)
	if err := tx.Get(key, g); err != nil {
		return false, err
	}
	users, err := tx.Referrers(key)
	return g.Label == domain.DefaultGroup && len(users) == 0, err
}

// CreateSubnet makes a subnet in a VPC of the caller's. Without a zone it goes
// into the first.
func (s *Service) CreateSubnet(ctx context.Context, c domain.Caller, n domain.Subnet, dryRun bool) (*domain.Subnet, error) {
	block, err := parseBlock("cidrBlock", n.CIDR)
	if err != nil {
		return nil, err
	}
	if n.Zone, err = zoneOf(c.Region, n.Zone); err != nil {
		return nil, err
	}
	n.CIDR = block.String()
	err = s.network(ctx, c, true, func(tx store.Tx) error {
		vpc := new(domain.VPC)
		if err := tx.Get(c.Key(domain.KindVPC, n.VPC), vpc); fault.Is(err, fault.NotFound) {
			return noID(domain.KindVPC, n.VPC)
		} else if err != nil {
			return err
		}
		if err := checkSubnet(tx, c, vpc, block); err != nil {
			return err
		}
		if dryRun {
			return errDryRun()
		}
		return s.insertSubnet(tx, c, &n)
	})
	if err != nil {
		return nil, err
	}
	return &n, nil
}

func checkSubnet(tx store.Tx, c domain.Caller, vpc *domain.VPC, block netip.Prefix) error {
	whole, ok := domain.ParseCIDR(vpc.CIDR)
	if !ok || !domain.BlockSizeOK(block) || block.Bits() < whole.Bits() || !whole.Contains(block.Addr()) {
		return fault.New(fault.BadValue, "The CIDR '%s' is invalid.", block).
			WithHint("It must be within %s, the block of %s, and between /16 and /28.", vpc.CIDR, vpc.Key.Name).WithCode("InvalidSubnet.Range")
	}
	others, err := store.List[domain.Subnet](tx, store.Query{Kind: domain.KindSubnet, Account: c.Account, Region: c.Region, Alias: vpc.Key.Name})
	if err != nil {
		return err
	}
	for _, o := range others {
		if p, ok := domain.ParseCIDR(o.CIDR); ok && p.Overlaps(block) {
			return fault.New(fault.Exists, "The CIDR '%s' conflicts with another subnet.", block).
				WithHint("%s has %s.", o.Key.Name, o.CIDR).WithCode("InvalidSubnet.Conflict")
		}
	}
	return room(tx, c.Scope(), domain.QuotaSubnets, "SubnetLimitExceeded", len(others))
}

// zoneOf finds a zone by name or id; the first one for "".
func zoneOf(region, word string) (string, error) {
	zones := domain.Zones(region)
	for _, z := range zones {
		if word == "" || word == z.Name || word == z.ID {
			return z.Name, nil
		}
	}
	return "", fault.New(fault.BadValue, "Value (%s) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: %s, %s, %s.",
		word, zones[0].Name, zones[1].Name, zones[2].Name)
}

// DeleteSubnet removes a subnet that nothing was put into.
func (s *Service) DeleteSubnet(ctx context.Context, c domain.Caller, id string, dryRun bool) error {
	return s.network(ctx, c, true, func(tx store.Tx) error {
		return dropUnused(tx, c.Key(domain.KindSubnet, id), new(domain.Subnet), "The subnet '%s' has dependencies and cannot be deleted.", dryRun, nil)
	})
}

// dropUnused removes a part of a network that nothing refers to. check may
// refuse once n was read.
func dropUnused(tx store.Tx, key domain.Key, n domain.Noun, inUse string, dryRun bool, check func() error) error {
	if err := tx.Get(key, n); fault.Is(err, fault.NotFound) {
		return noID(key.Kind, key.Name)
	} else if err != nil {
		return err
	}
	if check != nil {
		if err := check(); err != nil {
			return err
		}
	}
	users, err := tx.Referrers(key)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return fault.New(fault.InUse, inUse, key.Name).WithHint("Delete the %s %s first.", users[0].Kind, users[0].Name).WithCode("DependencyViolation")
	}
	if dryRun {
		return errDryRun()
	}
	return tx.Delete(key)
}
