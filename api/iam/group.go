package iam

import (
	"context"

	"slipway/api/convert"
	"slipway/domain"
	"slipway/service"
	"slipway/wire"
	aws "slipway/wire/iam"
)

func (a api) groupRows() []convert.Row {
	return []convert.Row{
		convert.On(aws.OpCreateGroup, a.createGroup, func(c domain.Caller, in *aws.CreateGroupRequest) []string {
			return pathed(c, "group", in.Path, in.GroupName)
		}),
		convert.On(aws.OpGetGroup, a.getGroup, nil),
		convert.On(aws.OpListGroups, a.listGroups, nil),
		convert.On(aws.OpListGroupsForUser, a.listGroupsForUser, nil),
		convert.On(aws.OpDeleteGroup, a.deleteGroup, nil),
		convert.On(aws.OpAddUserToGroup, a.addUserToGroup, nil),
		convert.On(aws.OpRemoveUserFromGroup, a.removeUserFromGroup, nil),
		convert.On(aws.OpPutGroupPolicy, a.putGroupPolicy, nil),
		convert.On(aws.OpGetGroupPolicy, a.getGroupPolicy, nil),
		convert.On(aws.OpListGroupPolicies, a.listGroupPolicies, nil),
		convert.On(aws.OpDeleteGroupPolicy, a.deleteGroupPolicy, nil),
		convert.On(aws.OpAttachGroupPolicy, a.attachGroupPolicy, nil),
		convert.On(aws.OpDetachGroupPolicy, a.detachGroupPolicy, nil),
		convert.On(aws.OpListAttachedGroupPolicies, a.listAttachedGroupPolicies, nil),
	}
}

func group(name *string) service.Holder {
	return service.Holder{Kind: domain.KindGroup, Name: convert.Val(name)}
}

func (a api) createGroup(ctx context.Context, c *wire.Call, in *aws.CreateGroupRequest) (*aws.CreateGroupResponse, error) {
	g := domain.Group{Path: convert.Val(in.Path)}
	g.Key.Name = convert.Val(in.GroupName)
	out, err := a.svc.CreateGroup(ctx, convert.Caller(c), g)
	if err != nil {
		return nil, err
	}
	return &aws.CreateGroupResponse{Group: new(groupShape(out))}, nil
}

// getGroup's pages are of the users.
func (a api) getGroup(ctx context.Context, c *wire.Call, in *aws.GetGroupRequest) (*aws.GetGroupResponse, error) {
	g, users, err := a.svc.Group(ctx, convert.Caller(c), convert.Val(in.GroupName))
	if err != nil {
		return nil, err
	}
	out := &aws.GetGroupResponse{Group: new(groupShape(g))}
	users, out.IsTruncated, out.Marker, err = page(users, in.Marker, in.MaxItems, func(u *domain.User) string { return u.Key.Name })
	out.Users = shapes(users, listedUser)
	return out, err
}

func (a api) listGroups(ctx context.Context, c *wire.Call, in *aws.ListGroupsRequest) (*aws.ListGroupsResponse, error) {
	all, err := a.svc.Groups(ctx, convert.Caller(c), convert.Val(in.PathPrefix), "")
	if err != nil {
		return nil, err
	}
	out := &aws.ListGroupsResponse{}
	all, out.IsTruncated, out.Marker, err = page(all, in.Marker, in.MaxItems, groupName)
	out.Groups = shapes(all, groupShape)
	return out, err
}

func (a api) listGroupsForUser(ctx context.Context, c *wire.Call, in *aws.ListGroupsForUserRequest) (*aws.ListGroupsForUserResponse, error) {
	all, err := a.svc.Groups(ctx, convert.Caller(c), "", convert.Val(in.UserName))
	if err != nil {
		return nil, err
	}
	out := &aws.ListGroupsForUserResponse{}
	all, out.IsTruncated, out.Marker, err = page(all, in.Marker, in.MaxItems, groupName)
	out.Groups = shapes(all, groupShape)
	return out, err
}

func (a api) deleteGroup(ctx context.Context, c *wire.Call, in *aws.DeleteGroupRequest) (*aws.DeleteGroupOutput, error) {
	return done[aws.DeleteGroupOutput](a.svc.DeleteGroup(ctx, convert.Caller(c), convert.Val(in.GroupName)))
}

func (a api) addUserToGroup(ctx context.Context, c *wire.Call, in *aws.AddUserToGroupRequest) (*aws.AddUserToGroupOutput, error) {
	return done[aws.AddUserToGroupOutput](a.svc.JoinGroup(ctx, convert.Caller(c), convert.Val(in.GroupName), convert.Val(in.UserName)))
}

func (a api) removeUserFromGroup(ctx context.Context, c *wire.Call, in *aws.RemoveUserFromGroupRequest) (*aws.RemoveUserFromGroupOutput, error) {
	return done[aws.RemoveUserFromGroupOutput](a.svc.LeaveGroup(ctx, convert.Caller(c), convert.Val(in.GroupName), convert.Val(in.UserName)))
}

func (a api) putGroupPolicy(ctx context.Context, c *wire.Call, in *aws.PutGroupPolicyRequest) (*aws.PutGroupPolicyOutput, error) {
	return done[aws.PutGroupPolicyOutput](a.svc.PutInline(ctx, convert.Caller(c), group(in.GroupName), convert.Val(in.PolicyName), convert.Val(in.PolicyDocument)))
}

func (a api) getGroupPolicy(ctx context.Context, c *wire.Call, in *aws.GetGroupPolicyRequest) (*aws.GetGroupPolicyResponse, error) {
	doc, err := a.svc.Inline(ctx, convert.Caller(c), group(in.GroupName), convert.Val(in.PolicyName))
	if err != nil {
		return nil, err
	}
	return &aws.GetGroupPolicyResponse{GroupName: in.GroupName, PolicyName: in.PolicyName, PolicyDocument: encoded(doc)}, nil
}

func (a api) listGroupPolicies(ctx context.Context, c *wire.Call, in *aws.ListGroupPoliciesRequest) (*aws.ListGroupPoliciesResponse, error) {
	names, err := a.svc.InlineNames(ctx, convert.Caller(c), group(in.GroupName))
	if err != nil {
		return nil, err
	}
	out := &aws.ListGroupPoliciesResponse{}
	out.PolicyNames, out.IsTruncated, out.Marker, err = page(names, in.Marker, in.MaxItems, self)
	return out, err
}

func (a api) deleteGroupPolicy(ctx context.Context, c *wire.Call, in *aws.DeleteGroupPolicyRequest) (*aws.DeleteGroupPolicyOutput, error) {
	return done[aws.DeleteGroupPolicyOutput](a.svc.DeleteInline(ctx, convert.Caller(c), group(in.GroupName), convert.Val(in.PolicyName)))
}

func (a api) attachGroupPolicy(ctx context.Context, c *wire.Call, in *aws.AttachGroupPolicyRequest) (*aws.AttachGroupPolicyOutput, error) {
	return done[aws.AttachGroupPolicyOutput](a.svc.Attach(ctx, convert.Caller(c), group(in.GroupName), convert.Val(in.PolicyArn)))
}

func (a api) detachGroupPolicy(ctx context.Context, c *wire.Call, in *aws.DetachGroupPolicyRequest) (*aws.DetachGroupPolicyOutput, error) {
	return done[aws.DetachGroupPolicyOutput](a.svc.Detach(ctx, convert.Caller(c), group(in.GroupName), convert.Val(in.PolicyArn)))
}

func (a api) listAttachedGroupPolicies(ctx context.Context, c *wire.Call, in *aws.ListAttachedGroupPoliciesRequest) (*aws.ListAttachedGroupPoliciesResponse, error) {
	arns, err := a.svc.Attached(ctx, convert.Caller(c), group(in.GroupName))
	if err != nil {
		return nil, err
	}
	out := &aws.ListAttachedGroupPoliciesResponse{}
	arns, out.IsTruncated, out.Marker, err = page(underPath(arns, in.PathPrefix), in.Marker, in.MaxItems, self)
	out.AttachedPolicies = shapes(arns, attached)
	return out, err
}

func groupName(g *domain.Group) string { return g.Key.Name }

func groupShape(g *domain.Group) aws.Group {
	return aws.Group{Path: new(g.Path), GroupName: new(g.Key.Name), GroupId: new(g.ID), Arn: new(g.ARN()), CreateDate: new(g.Created)}
}
