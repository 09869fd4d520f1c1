package service_test

import (
	"fmt"
	"testing"

	"slipway/disk/rules"
	"slipway/domain"
	"slipway/fault"
)

func TestDefaultVPC(t *testing.T) {
	h := newHouse(t, rules.AWS)
	var first string
	for range 2 {
		vpcs, err := h.VPCs(ctx, me, nil)
		if err != nil || len(vpcs) != 1 || !vpcs[0].Default {
			t.Fatal(vpcs, err)
		}
		if first != "" && first != vpcs[0].Key.Name {
			t.Error("a second default VPC was made")
		}
		first = vpcs[0].Key.Name
	}
	subnets, err := h.Subnets(ctx, me, nil)
	zones := map[string]bool{}
	for _, s := range subnets {
		zones[s.Zone] = true
	}
	if err != nil || len(subnets) != 3 || len(zones) != 3 {
		t.Errorf("subnets: %v %v", subnets, err)
	}
	groups, err := h.SecurityGroups(ctx, me, nil)
	if err != nil || len(groups) != 1 || groups[0].Label != "default" {
		t.Errorf("groups: %v %v", groups, err)
	}
	others, err := h.VPCs(ctx, you, nil)
	if err != nil || len(others) != 1 || others[0].Key.Name == first {
		t.Errorf("the other account's: %v %v", others, err)
	}
	_, err = h.VPCs(ctx, you, []string{first})
	wantKind(t, "a VPC of others", err, fault.NotFound)
	for _, s := range subnets {
		if err := h.DeleteSubnet(ctx, me, s.Key.Name, false); err != nil {
			t.Error(err)
		}
	}
	if err := h.DeleteVPC(ctx, me, first, false); err != nil {
		t.Fatal(err)
	}
	if vpcs, err := h.VPCs(ctx, me, nil); err != nil || len(vpcs) != 0 {
		t.Errorf("the deleted default VPC came back: %v %v", vpcs, err)
	}
	_, err = h.CreateSecurityGroup(ctx, me, domain.SecurityGroup{Label: "g", Description: "d"}, false)
	wantKind(t, "a group without any VPC", err, fault.BadCombination)
}

func TestNetworkRefusals(t *testing.T) {
	h := newHouse(t, rules.AWS)
	for _, cidr := range []string{"", "hello", "10.0.0.0/8", "10.0.0.0/29", "fd00::/56", "10.0.0.0"} {
		if _, err := h.CreateVPC(ctx, me, domain.VPC{CIDR: cidr}, false); err == nil {
			t.Errorf("a VPC of %q was made", cidr)
		}
	}
	vpc, err := h.CreateVPC(ctx, me, domain.VPC{CIDR: "10.0.7.7/16"}, false)
	if err != nil || vpc.CIDR != "10.0.0.0/16" {
		t.Fatal(vpc, err)
	}
	in := func(cidr, zone string) domain.Subnet {
		return domain.Subnet{VPC: vpc.Key.Name, CIDR: cidr, Zone: zone}
	}
	sub, err := h.CreateSubnet(ctx, me, in("10.0.1.0/24", "use1-az2"), false)
	if err != nil || sub.Zone != "us-east-1b" {
		t.Fatal(sub, err)
	}
	for _, c := range []struct {
		name string
		n    domain.Subnet
		kind fault.Kind
	}{
		{"outside", in("10.1.0.0/24", ""), fault.BadValue},
		{"larger than the VPC", in("10.0.0.0/15", ""), fault.BadValue},
		{"too small", in("10.0.2.0/29", ""), fault.BadValue},
		{"overlapping", in("10.0.1.128/25", ""), fault.Exists},
		{"around another", in("10.0.0.0/23", ""), fault.Exists},
		{"no such zone", in("10.0.2.0/24", "us-east-1z"), fault.BadValue},
		{"no such VPC", domain.Subnet{VPC: "vpc-0", CIDR: "10.0.2.0/24"}, fault.NotFound},
	} {
		_, err := h.CreateSubnet(ctx, me, c.n, false)
		wantKind(t, c.name, err, c.kind)
	}
	group := domain.SecurityGroup{Label: "web", Description: "d", VPC: vpc.Key.Name}
	g, err := h.CreateSecurityGroup(ctx, me, group, false)
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.CreateSecurityGroup(ctx, me, group, false)
	wantKind(t, "a group's name twice", err, fault.Exists)
	for _, label := range []string{"default", "sg-1", "ü", ""} {
		group.Label = label
		_, err = h.CreateSecurityGroup(ctx, me, group, false)
		wantKind(t, "the group name "+label, err, fault.BadValue)
	}
	all, err := h.SecurityGroups(ctx, me, nil)
	for _, x := range all {
		if x.Label == "default" {
			_, err := h.DeleteSecurityGroup(ctx, me, x.Key.Name, "", false)
			wantKind(t, "deleting the default group", err, fault.WrongState)
		}
	}
	if err != nil || len(all) != 3 {
		t.Errorf("groups: %d %v", len(all), err)
	}
	wantKind(t, "a VPC with parts", h.DeleteVPC(ctx, me, vpc.Key.Name, false), fault.InUse)
	if err := h.DeleteSubnet(ctx, me, sub.Key.Name, false); err != nil {
		t.Error(err)
	}
	if _, err := h.DeleteSecurityGroup(ctx, me, g.Key.Name, "", false); err != nil {
		t.Error(err)
	}
	if err := h.DeleteVPC(ctx, me, vpc.Key.Name, false); err != nil {
		t.Error(err)
	}
	for i := range 4 {
		if _, err := h.CreateVPC(ctx, me, domain.VPC{CIDR: fmt.Sprintf("10.%d.0.0/16", i)}, false); err != nil {
			t.Fatal(err)
		}
	}
	_, err = h.CreateVPC(ctx, me, domain.VPC{CIDR: "10.9.0.0/16"}, false)
	wantKind(t, "the sixth VPC", err, fault.Quota)
}

func TestQuotasAreChanged(t *testing.T) {
	h := newHouse(t, rules.AWS)
	_, err := h.SetQuota(ctx, me.Scope(), "none", new(1))
	wantKind(t, "no such quota", err, fault.NotFound)
	_, err = h.SetQuota(ctx, me.Scope(), domain.QuotaVPCs, new(-1))
	wantKind(t, "less than none", err, fault.BadValue)
	for _, n := range []int{7, 3} {
		if _, err := h.SetQuota(ctx, me.Scope(), "L-F678F1CE", &n); err != nil {
			t.Fatal(err)
		}
	}
	value := func(sc domain.Scope) int {
		all, err := h.Quotas(ctx, sc)
		for _, q := range all {
			if err == nil && q.Code == domain.QuotaVPCs {
				return q.Value
			}
		}
		t.Fatal(err)
		return 0
	}
	if a, b := value(me.Scope()), value(you.Scope()); a != 3 || b != 5 {
		t.Errorf("values: %d and, of the other account, %d", a, b)
	}
	if _, err := h.SetQuota(ctx, me.Scope(), domain.QuotaVPCs, nil); err != nil || value(me.Scope()) != 5 {
		t.Errorf("back to the default: %v", err)
	}
}
