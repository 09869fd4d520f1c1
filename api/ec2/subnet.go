package ec2

import (
	"context"
	"strconv"

	"slipway/api/convert"
	"slipway/domain"
	"slipway/fault"
	"slipway/wire"
	aws "slipway/wire/ec2"
)

func (a api) createSubnet(ctx context.Context, c *wire.Call, in *aws.CreateSubnetRequest) (*aws.CreateSubnetResult, error) {
	if in.Ipv4IpamPoolId != nil || in.Ipv6CidrBlock != nil || convert.Val(in.Ipv6Native) || in.OutpostArn != nil {
		return nil, fault.New(fault.Unsupported, "IPAM pools, IPv6 and Outposts are not supported.").WithHint("Give CidrBlock alone.")
	}
	if in.AvailabilityZone != nil && in.AvailabilityZoneId != nil {
		return nil, fault.New(fault.BadCombination, "Specify either AvailabilityZone or AvailabilityZoneId, not both.")
	}
	tags, err := tagsFor(in.TagSpecifications, "subnet")
	if err != nil {
		return nil, err
	}
	n, err := a.svc.CreateSubnet(ctx, convert.Caller(c), domain.Subnet{
		VPC: convert.Val(in.VpcId), CIDR: convert.Val(in.CidrBlock), Zone: convert.Val(in.AvailabilityZone) + convert.Val(in.AvailabilityZoneId), Tags: tags["subnet"],
	}, convert.Val(in.DryRun))
	if err != nil {
		return nil, err
	}
	return &aws.CreateSubnetResult{Subnet: new(subnetShape(n))}, nil
}

func (a api) deleteSubnet(ctx context.Context, c *wire.Call, in *aws.DeleteSubnetRequest) (*aws.DeleteSubnetOutput, error) {
	return nil, a.svc.DeleteSubnet(ctx, convert.Caller(c), convert.Val(in.SubnetId), convert.Val(in.DryRun))
}

func (a api) describeSubnets(ctx context.Context, c *wire.Call, in *aws.DescribeSubnetsRequest) (*aws.DescribeSubnetsResult, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	if err := checkFilters(in.Filters, func(n string) ([]string, bool) { return subnetField(&domain.Subnet{}, n) }); err != nil {
		return nil, err
	}
	all, err := a.svc.Subnets(ctx, convert.Caller(c), in.SubnetIds)
	if err != nil {
		return nil, err
	}
	out := &aws.DescribeSubnetsResult{Subnets: []aws.Subnet{}}
	for _, s := range all {
		if passes(in.Filters, func(n string) ([]string, bool) { return subnetField(s, n) }) {
			out.Subnets = append(out.Subnets, subnetShape(s))
		}
	}
	out.Subnets, out.NextToken, err = page(out.Subnets, in.MaxResults, in.NextToken, func(s aws.Subnet) string { return *s.SubnetId })
	return out, err
}

func zoneID(s *domain.Subnet) string {
	for _, z := range domain.Zones(s.Key.Region) {
		if z.Name == s.Zone {
			return z.ID
		}
	}
	return ""
}

func free(s *domain.Subnet) int64 {
	p, ok := domain.ParseCIDR(s.CIDR)
	if !ok {
		return 0
	}
	return int64(domain.FreeAddresses(p) - s.Taken)
}

func subnetARN(s *domain.Subnet) string {
	return domain.ARN("ec2", s.Key.Region, s.Key.Account, "subnet/"+s.Key.Name)
}

func subnetField(s *domain.Subnet, name string) ([]string, bool) {
	if t, ok := tagFields(name, s.Tags); ok {
		return t, true
	}
	switch name {
	case "subnet-id":
		return []string{s.Key.Name}, true
	case "subnet-arn":
		return []string{subnetARN(s)}, true
	case "vpc-id":
		return []string{s.VPC}, true
	case "availability-zone", "availabilityZone":
		return []string{s.Zone}, true
	case "availability-zone-id", "availabilityZoneId":
		return []string{zoneID(s)}, true
	case "cidr", "cidr-block", "cidrBlock":
		return []string{s.CIDR}, true
	case "default-for-az", "defaultForAz":
		return []string{boolWord(s.Default)}, true
	case "map-public-ip-on-launch":
		return []string{boolWord(s.PublicIP)}, true
	case "available-ip-address-count":
		return []string{strconv.FormatInt(free(s), 10)}, true
	case "owner-id":
		return []string{s.Key.Account}, true
	case "state":
		return []string{"available"}, true
	case "ipv6-native":
		return []string{"false"}, true
	}
	return nil, false
}

func subnetShape(s *domain.Subnet) aws.Subnet {
	return aws.Subnet{
		SubnetId: new(s.Key.Name), SubnetArn: new(subnetARN(s)), VpcId: new(s.VPC), OwnerId: new(s.Key.Account), State: new("available"),
		CidrBlock: new(s.CIDR), AvailableIpAddressCount: new(free(s)), AvailabilityZone: new(s.Zone), AvailabilityZoneId: new(zoneID(s)),
		DefaultForAz: new(s.Default), MapPublicIpOnLaunch: new(s.PublicIP), MapCustomerOwnedIpOnLaunch: new(false), AssignIpv6AddressOnCreation: new(false),
		EnableDns64: new(false), Ipv6Native: new(false), Ipv6CidrBlockAssociationSet: []aws.SubnetIpv6CidrBlockAssociation{}, Tags: tagList(s.Tags),
		PrivateDnsNameOptionsOnLaunch: &aws.PrivateDnsNameOptionsOnLaunch{HostnameType: new("ip-name"), EnableResourceNameDnsARecord: new(false), EnableResourceNameDnsAAAARecord: new(false)},
	}
}
