package ec2

import (
	"context"
	"slices"

	"slipway/api/convert"
	"slipway/domain"
	"slipway/fault"
	"slipway/wire"
	aws "slipway/wire/ec2"
)

func (a api) createSecurityGroup(ctx context.Context, c *wire.Call, in *aws.CreateSecurityGroupRequest) (*aws.CreateSecurityGroupResult, error) {
	tags, err := tagsFor(in.TagSpecifications, "security-group")
	if err != nil {
		return nil, err
	}
	g, err := a.svc.CreateSecurityGroup(ctx, convert.Caller(c), domain.SecurityGroup{
		Label: convert.Val(in.GroupName), Description: convert.Val(in.Description), VPC: convert.Val(in.VpcId), Tags: tags["security-group"],
	}, convert.Val(in.DryRun))
	if err != nil {
		return nil, err
	}
	return &aws.CreateSecurityGroupResult{GroupId: new(g.Key.Name), SecurityGroupArn: new(groupARN(g)), Tags: tagList(g.Tags)}, nil
}

func (a api) deleteSecurityGroup(ctx context.Context, c *wire.Call, in *aws.DeleteSecurityGroupRequest) (*aws.DeleteSecurityGroupResult, error) {
	id, err := a.svc.DeleteSecurityGroup(ctx, convert.Caller(c), convert.Val(in.GroupId), convert.Val(in.GroupName), convert.Val(in.DryRun))
	if err != nil {
		return nil, err
	}
	return &aws.DeleteSecurityGroupResult{Return: new(true), GroupId: new(id)}, nil
}

func (a api) describeSecurityGroups(ctx context.Context, c *wire.Call, in *aws.DescribeSecurityGroupsRequest) (*aws.DescribeSecurityGroupsResult, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	if err := checkFilters(in.Filters, func(n string) ([]string, bool) { return groupField(&domain.SecurityGroup{}, n) }); err != nil {
		return nil, err
	}
	all, err := a.svc.SecurityGroups(ctx, convert.Caller(c), in.GroupIds)
	if err != nil {
		return nil, err
	}
	for _, n := range in.GroupNames {
		if !slices.ContainsFunc(all, func(g *domain.SecurityGroup) bool { return g.Label == n }) {
			return nil, fault.New(fault.NotFound, "The security group '%s' does not exist", n).WithCode("InvalidGroup.NotFound")
		}
	}
	out := &aws.DescribeSecurityGroupsResult{SecurityGroups: []aws.SecurityGroup{}}
	for _, g := range all {
		named := len(in.GroupNames) == 0 || slices.Contains(in.GroupNames, g.Label)
		if named && passes(in.Filters, func(n string) ([]string, bool) { return groupField(g, n) }) {
			out.SecurityGroups = append(out.SecurityGroups, groupShape(g))
		}
	}
	out.SecurityGroups, out.NextToken, err = page(out.SecurityGroups, in.MaxResults, in.NextToken, func(g aws.SecurityGroup) string { return *g.GroupId })
	return out, err
}

func groupARN(g *domain.SecurityGroup) string {
	return domain.ARN("ec2", g.Key.Region, g.Key.Account, "security-group/"+g.Key.Name)
}

func groupField(g *domain.SecurityGroup, name string) ([]string, bool) {
	if t, ok := tagFields(name, g.Tags); ok {
		return t, true
	}
	switch name {
	case "group-id":
		return []string{g.Key.Name}, true
	case "group-name":
		return []string{g.Label}, true
	case "description":
		return []string{g.Description}, true
	case "vpc-id":
		return []string{g.VPC}, true
	case "owner-id":
		return []string{g.Key.Account}, true
	case "egress.ip-permission.cidr":
		return []string{anywhere}, true
	case "egress.ip-permission.protocol":
		return []string{"-1"}, true
	}
	return nil, false
}

const anywhere = "0.0.0.0/0"

// groupShape shows the rules a new group has; rules cannot be changed here,
// where groups are facts to name and filter nothing.
func groupShape(g *domain.SecurityGroup) aws.SecurityGroup {
	rule := func() aws.IpPermission {
		return aws.IpPermission{IpProtocol: new("-1"), IpRanges: []aws.IpRange{}, Ipv6Ranges: []aws.Ipv6Range{}, PrefixListIds: []aws.PrefixListId{}, UserIdGroupPairs: []aws.UserIdGroupPair{}}
	}
	out := rule()
	out.IpRanges = []aws.IpRange{{CidrIp: new(anywhere)}}
	shape := aws.SecurityGroup{
		GroupId: new(g.Key.Name), GroupName: new(g.Label), Description: new(g.Description), VpcId: new(g.VPC), OwnerId: new(g.Key.Account),
		SecurityGroupArn: new(groupARN(g)), IpPermissions: []aws.IpPermission{}, IpPermissionsEgress: []aws.IpPermission{out}, Tags: tagList(g.Tags),
	}
	if g.Label == domain.DefaultGroup {
		in := rule()
		in.UserIdGroupPairs = []aws.UserIdGroupPair{{GroupId: new(g.Key.Name), UserId: new(g.Key.Account)}}
		shape.IpPermissions = []aws.IpPermission{in}
	}
	return shape
}
