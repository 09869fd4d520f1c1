package ec2

import (
	"context"
	"strings"

	"slipway/api/convert"
	"slipway/domain"
	"slipway/fault"
	"slipway/wire"
	aws "slipway/wire/ec2"
)

func (a api) createVpc(ctx context.Context, c *wire.Call, in *aws.CreateVpcRequest) (*aws.CreateVpcResult, error) {
	if in.Ipv4IpamPoolId != nil || in.Ipv6CidrBlock != nil || in.Ipv6Pool != nil || convert.Val(in.AmazonProvidedIpv6CidrBlock) {
		return nil, fault.New(fault.Unsupported, "IPAM pools and IPv6 are not supported.").WithHint("Give CidrBlock alone.")
	}
	tags, err := tagsFor(in.TagSpecifications, "vpc")
	if err != nil {
		return nil, err
	}
	v, err := a.svc.CreateVPC(ctx, convert.Caller(c), domain.VPC{CIDR: convert.Val(in.CidrBlock), Tenancy: convert.Val(in.InstanceTenancy), Tags: tags["vpc"]}, convert.Val(in.DryRun))
	if err != nil {
		return nil, err
	}
	out := vpcShape(v)
	out.State = new("pending") // as the service says in this one answer
	return &aws.CreateVpcResult{Vpc: &out}, nil
}

func (a api) deleteVpc(ctx context.Context, c *wire.Call, in *aws.DeleteVpcRequest) (*aws.DeleteVpcOutput, error) {
	return nil, a.svc.DeleteVPC(ctx, convert.Caller(c), convert.Val(in.VpcId), convert.Val(in.DryRun))
}

func (a api) describeVpcs(ctx context.Context, c *wire.Call, in *aws.DescribeVpcsRequest) (*aws.DescribeVpcsResult, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	if err := checkFilters(in.Filters, func(n string) ([]string, bool) { return vpcField(&domain.VPC{}, n) }); err != nil {
		return nil, err
	}
	all, err := a.svc.VPCs(ctx, convert.Caller(c), in.VpcIds)
	if err != nil {
		return nil, err
	}
	out := &aws.DescribeVpcsResult{Vpcs: []aws.Vpc{}}
	for _, v := range all {
		if passes(in.Filters, func(n string) ([]string, bool) { return vpcField(v, n) }) {
			out.Vpcs = append(out.Vpcs, vpcShape(v))
		}
	}
	out.Vpcs, out.NextToken, err = page(out.Vpcs, in.MaxResults, in.NextToken, func(v aws.Vpc) string { return *v.VpcId })
	return out, err
}

// dhcpOptions is the id of the one set of DHCP options; there is nothing to see
// in it.
const dhcpOptions = "dopt-00000000000000001"

func vpcField(v *domain.VPC, name string) ([]string, bool) {
	if t, ok := tagFields(name, v.Tags); ok {
		return t, true
	}
	switch name {
	case "vpc-id":
		return []string{v.Key.Name}, true
	case "cidr", "cidr-block", "cidrBlock", "cidr-block-association.cidr-block":
		return []string{v.CIDR}, true
	case "cidr-block-association.state":
		return []string{"associated"}, true
	case "is-default", "isDefault":
		return []string{boolWord(v.Default)}, true
	case "owner-id":
		return []string{v.Key.Account}, true
	case "state":
		return []string{"available"}, true
	case "dhcp-options-id", "dhcpOptionsId":
		return []string{dhcpOptions}, true
	}
	return nil, false
}

func vpcShape(v *domain.VPC) aws.Vpc {
	return aws.Vpc{
		VpcId: new(v.Key.Name), OwnerId: new(v.Key.Account), CidrBlock: new(v.CIDR), IsDefault: new(v.Default), State: new("available"),
		InstanceTenancy: new(v.Tenancy), DhcpOptionsId: new(dhcpOptions), Tags: tagList(v.Tags),
		CidrBlockAssociationSet: []aws.VpcCidrBlockAssociation{{
			AssociationId: new("vpc-cidr-assoc-" + strings.TrimPrefix(v.Key.Name, "vpc-")), CidrBlock: new(v.CIDR),
			CidrBlockState: &aws.VpcCidrBlockState{State: new("associated")},
		}},
	}
}
