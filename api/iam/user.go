package iam

import (
	"context"

	"slipway/api/convert"
	"slipway/domain"
	"slipway/fault"
	"slipway/wire"
	aws "slipway/wire/iam"
)

func (a api) createUser(ctx context.Context, c *wire.Call, in *aws.CreateUserRequest) (*aws.CreateUserResponse, error) {
	u := domain.User{Path: convert.Val(in.Path), Tags: tagSet(in.Tags), Boundary: domain.Boundary{BoundaryARN: convert.Val(in.PermissionsBoundary)}}
	u.Key.Name = convert.Val(in.UserName)
	out, err := a.svc.CreateUser(ctx, convert.Caller(c), u)
	if err != nil {
		return nil, err
	}
	return &aws.CreateUserResponse{User: new(userShape(out))}, nil
}

// getUser without a name is about the caller.
func (a api) getUser(ctx context.Context, c *wire.Call, in *aws.GetUserRequest) (*aws.GetUserResponse, error) {
	caller := convert.Caller(c)
	name := convert.Val(in.UserName)
	switch {
	case name == "" && caller.Kind == domain.CallerRoot:
		// The root of an account is no user; this is how IAM shows it.
		return &aws.GetUserResponse{User: &aws.User{UserId: new(caller.UserID), Arn: new(caller.ARN), Path: new("/"), UserName: new(""), CreateDate: new(a.since(ctx, caller))}}, nil
	case name == "" && caller.Kind != domain.CallerUser:
		return nil, fault.New(fault.BadCombination, "Must specify userName when calling with non-User credentials")
	case name == "":
		name = caller.Name
	}
	u, err := a.svc.User(ctx, caller, name)
	if err != nil {
		return nil, err
	}
	return &aws.GetUserResponse{User: new(userShape(u))}, nil
}

func (a api) listUsers(ctx context.Context, c *wire.Call, in *aws.ListUsersRequest) (*aws.ListUsersResponse, error) {
	all, err := a.svc.Users(ctx, convert.Caller(c), convert.Val(in.PathPrefix))
	if err != nil {
		return nil, err
	}
	out := &aws.ListUsersResponse{}
	all, out.IsTruncated, out.Marker, err = page(all, in.Marker, in.MaxItems, func(u *domain.User) string { return u.Key.Name })
	out.Users = shapes(all, listedUser)
	return out, err
}

// listedUser leaves out what lists leave out.
func listedUser(u *domain.User) aws.User {
	s := userShape(u)
	s.Tags, s.PermissionsBoundary = nil, nil
	return s
}

func (a api) deleteUser(ctx context.Context, c *wire.Call, in *aws.DeleteUserRequest) (*aws.DeleteUserOutput, error) {
	return done[aws.DeleteUserOutput](a.svc.DeleteUser(ctx, convert.Caller(c), convert.Val(in.UserName)))
}

func (a api) putUserPolicy(ctx context.Context, c *wire.Call, in *aws.PutUserPolicyRequest) (*aws.PutUserPolicyOutput, error) {
	return done[aws.PutUserPolicyOutput](a.svc.PutInline(ctx, convert.Caller(c), user(in.UserName), convert.Val(in.PolicyName), convert.Val(in.PolicyDocument)))
}

func (a api) getUserPolicy(ctx context.Context, c *wire.Call, in *aws.GetUserPolicyRequest) (*aws.GetUserPolicyResponse, error) {
	doc, err := a.svc.Inline(ctx, convert.Caller(c), user(in.UserName), convert.Val(in.PolicyName))
	if err != nil {
		return nil, err
	}
	return &aws.GetUserPolicyResponse{UserName: in.UserName, PolicyName: in.PolicyName, PolicyDocument: encoded(doc)}, nil
}

func (a api) listUserPolicies(ctx context.Context, c *wire.Call, in *aws.ListUserPoliciesRequest) (*aws.ListUserPoliciesResponse, error) {
	names, err := a.svc.InlineNames(ctx, convert.Caller(c), user(in.UserName))
	if err != nil {
		return nil, err
	}
	out := &aws.ListUserPoliciesResponse{}
	out.PolicyNames, out.IsTruncated, out.Marker, err = page(names, in.Marker, in.MaxItems, self)
	return out, err
}

func (a api) deleteUserPolicy(ctx context.Context, c *wire.Call, in *aws.DeleteUserPolicyRequest) (*aws.DeleteUserPolicyOutput, error) {
	return done[aws.DeleteUserPolicyOutput](a.svc.DeleteInline(ctx, convert.Caller(c), user(in.UserName), convert.Val(in.PolicyName)))
}

func (a api) attachUserPolicy(ctx context.Context, c *wire.Call, in *aws.AttachUserPolicyRequest) (*aws.AttachUserPolicyOutput, error) {
	return done[aws.AttachUserPolicyOutput](a.svc.Attach(ctx, convert.Caller(c), user(in.UserName), convert.Val(in.PolicyArn)))
}

func (a api) detachUserPolicy(ctx context.Context, c *wire.Call, in *aws.DetachUserPolicyRequest) (*aws.DetachUserPolicyOutput, error) {
	return done[aws.DetachUserPolicyOutput](a.svc.Detach(ctx, convert.Caller(c), user(in.UserName), convert.Val(in.PolicyArn)))
}

func (a api) listAttachedUserPolicies(ctx context.Context, c *wire.Call, in *aws.ListAttachedUserPoliciesRequest) (*aws.ListAttachedUserPoliciesResponse, error) {
	arns, err := a.svc.Attached(ctx, convert.Caller(c), user(in.UserName))
	if err != nil {
		return nil, err
	}
	out := &aws.ListAttachedUserPoliciesResponse{}
	arns, out.IsTruncated, out.Marker, err = page(underPath(arns, in.PathPrefix), in.Marker, in.MaxItems, self)
	out.AttachedPolicies = shapes(arns, attached)
	return out, err
}

func (a api) tagUser(ctx context.Context, c *wire.Call, in *aws.TagUserRequest) (*aws.TagUserOutput, error) {
	return done[aws.TagUserOutput](a.svc.TagEntity(ctx, convert.Caller(c), user(in.UserName), tagSet(in.Tags)))
}

func (a api) untagUser(ctx context.Context, c *wire.Call, in *aws.UntagUserRequest) (*aws.UntagUserOutput, error) {
	return done[aws.UntagUserOutput](a.svc.UntagEntity(ctx, convert.Caller(c), user(in.UserName), in.TagKeys))
}

func (a api) listUserTags(ctx context.Context, c *wire.Call, in *aws.ListUserTagsRequest) (*aws.ListUserTagsResponse, error) {
	tags, err := a.svc.EntityTags(ctx, convert.Caller(c), user(in.UserName))
	if err != nil {
		return nil, err
	}
	out := &aws.ListUserTagsResponse{}
	out.Tags, out.IsTruncated, out.Marker, err = page(tagList(tags), in.Marker, in.MaxItems, tagName)
	return out, err
}

func userShape(u *domain.User) aws.User {
	out := aws.User{Path: new(u.Path), UserName: new(u.Key.Name), UserId: new(u.ID), Arn: new(u.ARN()), CreateDate: new(u.Created),
		PermissionsBoundary: boundaryShape(u.BoundaryARN)}
	if len(u.Tags) > 0 {
		out.Tags = tagList(u.Tags)
	}
	return out
}
