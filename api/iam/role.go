package iam

import (
	"context"

	"slipway/api/convert"
	"slipway/domain"
	"slipway/wire"
	aws "slipway/wire/iam"
)

func (a api) createRole(ctx context.Context, c *wire.Call, in *aws.CreateRoleRequest) (*aws.CreateRoleResponse, error) {
	r := domain.Role{
		Path: convert.Val(in.Path), Description: convert.Val(in.Description), Trust: convert.Val(in.AssumeRolePolicyDocument),
		MaxSession: convert.Val(in.MaxSessionDuration), Tags: tagSet(in.Tags),
		Boundary: domain.Boundary{BoundaryARN: convert.Val(in.PermissionsBoundary)},
	}
	r.Key.Name = convert.Val(in.RoleName)
	out, err := a.svc.CreateRole(ctx, convert.Caller(c), r)
	if err != nil {
		return nil, err
	}
	return &aws.CreateRoleResponse{Role: new(roleShape(out))}, nil
}

func (a api) getRole(ctx context.Context, c *wire.Call, in *aws.GetRoleRequest) (*aws.GetRoleResponse, error) {
	r, err := a.svc.Role(ctx, convert.Caller(c), convert.Val(in.RoleName))
	if err != nil {
		return nil, err
	}
	return &aws.GetRoleResponse{Role: new(roleShape(r))}, nil
}

func (a api) listRoles(ctx context.Context, c *wire.Call, in *aws.ListRolesRequest) (*aws.ListRolesResponse, error) {
	all, err := a.svc.Roles(ctx, convert.Caller(c), convert.Val(in.PathPrefix))
	if err != nil {
		return nil, err
	}
	out := &aws.ListRolesResponse{}
	all, out.IsTruncated, out.Marker, err = page(all, in.Marker, in.MaxItems, func(r *domain.Role) string { return r.Key.Name })
	out.Roles = shapes(all, func(r *domain.Role) aws.Role {
		s := roleShape(r)
		s.Tags, s.PermissionsBoundary = nil, nil // lists leave them out
		return s
	})
	return out, err
}

func (a api) updateRole(ctx context.Context, c *wire.Call, in *aws.UpdateRoleRequest) (*aws.UpdateRoleResponse, error) {
	return done[aws.UpdateRoleResponse](a.svc.UpdateRole(ctx, convert.Caller(c), convert.Val(in.RoleName), in.Description, in.MaxSessionDuration))
}

func (a api) updateAssumeRolePolicy(ctx context.Context, c *wire.Call, in *aws.UpdateAssumeRolePolicyRequest) (*aws.UpdateAssumeRolePolicyOutput, error) {
	return done[aws.UpdateAssumeRolePolicyOutput](a.svc.SetTrust(ctx, convert.Caller(c), convert.Val(in.RoleName), convert.Val(in.PolicyDocument)))
}

func (a api) deleteRole(ctx context.Context, c *wire.Call, in *aws.DeleteRoleRequest) (*aws.DeleteRoleOutput, error) {
	return done[aws.DeleteRoleOutput](a.svc.DeleteRole(ctx, convert.Caller(c), convert.Val(in.RoleName)))
}

func (a api) putRolePolicy(ctx context.Context, c *wire.Call, in *aws.PutRolePolicyRequest) (*aws.PutRolePolicyOutput, error) {
	return done[aws.PutRolePolicyOutput](a.svc.PutInline(ctx, convert.Caller(c), role(in.RoleName), convert.Val(in.PolicyName), convert.Val(in.PolicyDocument)))
}

func (a api) getRolePolicy(ctx context.Context, c *wire.Call, in *aws.GetRolePolicyRequest) (*aws.GetRolePolicyResponse, error) {
	doc, err := a.svc.Inline(ctx, convert.Caller(c), role(in.RoleName), convert.Val(in.PolicyName))
	if err != nil {
		return nil, err
	}
	return &aws.GetRolePolicyResponse{RoleName: in.RoleName, PolicyName: in.PolicyName, PolicyDocument: encoded(doc)}, nil
}

func (a api) listRolePolicies(ctx context.Context, c *wire.Call, in *aws.ListRolePoliciesRequest) (*aws.ListRolePoliciesResponse, error) {
	names, err := a.svc.InlineNames(ctx, convert.Caller(c), role(in.RoleName))
	if err != nil {
		return nil, err
	}
	out := &aws.ListRolePoliciesResponse{}
	out.PolicyNames, out.IsTruncated, out.Marker, err = page(names, in.Marker, in.MaxItems, self)
	return out, err
}

func (a api) deleteRolePolicy(ctx context.Context, c *wire.Call, in *aws.DeleteRolePolicyRequest) (*aws.DeleteRolePolicyOutput, error) {
	return done[aws.DeleteRolePolicyOutput](a.svc.DeleteInline(ctx, convert.Caller(c), role(in.RoleName), convert.Val(in.PolicyName)))
}

func (a api) attachRolePolicy(ctx context.Context, c *wire.Call, in *aws.AttachRolePolicyRequest) (*aws.AttachRolePolicyOutput, error) {
	return done[aws.AttachRolePolicyOutput](a.svc.Attach(ctx, convert.Caller(c), role(in.RoleName), convert.Val(in.PolicyArn)))
}

func (a api) detachRolePolicy(ctx context.Context, c *wire.Call, in *aws.DetachRolePolicyRequest) (*aws.DetachRolePolicyOutput, error) {
	return done[aws.DetachRolePolicyOutput](a.svc.Detach(ctx, convert.Caller(c), role(in.RoleName), convert.Val(in.PolicyArn)))
}

func (a api) listAttachedRolePolicies(ctx context.Context, c *wire.Call, in *aws.ListAttachedRolePoliciesRequest) (*aws.ListAttachedRolePoliciesResponse, error) {
	arns, err := a.svc.Attached(ctx, convert.Caller(c), role(in.RoleName))
	if err != nil {
		return nil, err
	}
	out := &aws.ListAttachedRolePoliciesResponse{}
	arns, out.IsTruncated, out.Marker, err = page(underPath(arns, in.PathPrefix), in.Marker, in.MaxItems, self)
	out.AttachedPolicies = shapes(arns, attached)
	return out, err
}

func (a api) tagRole(ctx context.Context, c *wire.Call, in *aws.TagRoleRequest) (*aws.TagRoleOutput, error) {
	return done[aws.TagRoleOutput](a.svc.TagEntity(ctx, convert.Caller(c), role(in.RoleName), tagSet(in.Tags)))
}

func (a api) untagRole(ctx context.Context, c *wire.Call, in *aws.UntagRoleRequest) (*aws.UntagRoleOutput, error) {
	return done[aws.UntagRoleOutput](a.svc.UntagEntity(ctx, convert.Caller(c), role(in.RoleName), in.TagKeys))
}

func (a api) listRoleTags(ctx context.Context, c *wire.Call, in *aws.ListRoleTagsRequest) (*aws.ListRoleTagsResponse, error) {
	tags, err := a.svc.EntityTags(ctx, convert.Caller(c), role(in.RoleName))
	if err != nil {
		return nil, err
	}
	out := &aws.ListRoleTagsResponse{}
	out.Tags, out.IsTruncated, out.Marker, err = page(tagList(tags), in.Marker, in.MaxItems, tagName)
	return out, err
}

// listInstanceProfilesForRole: there are none, and clients ask before they
// delete a role.
func (a api) listInstanceProfilesForRole(ctx context.Context, c *wire.Call, in *aws.ListInstanceProfilesForRoleRequest) (*aws.ListInstanceProfilesForRoleResponse, error) {
	if _, err := a.svc.Role(ctx, convert.Caller(c), convert.Val(in.RoleName)); err != nil {
		return nil, err
	}
	return &aws.ListInstanceProfilesForRoleResponse{InstanceProfiles: []aws.InstanceProfile{}, IsTruncated: new(false)}, nil
}

func roleShape(r *domain.Role) aws.Role {
	out := aws.Role{
		Path: new(r.Path), RoleName: new(r.Key.Name), RoleId: new(r.ID), Arn: new(r.ARN()), CreateDate: new(r.Created),
		AssumeRolePolicyDocument: encoded(r.Trust), Description: convert.Opt(r.Description), MaxSessionDuration: new(r.MaxSession),
		PermissionsBoundary: boundaryShape(r.BoundaryARN),
	}
	if len(r.Tags) > 0 {
		out.Tags = tagList(r.Tags)
	}
	return out
}
