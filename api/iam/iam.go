// Package iam answers the IAM operations an import or export needs.
package iam

import (
	"context"
	"net/url"
	"sort"

	"slipway/api/convert"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	"slipway/wire"
	aws "slipway/wire/iam"
)

type api struct{ svc *service.Service }

// Rows is one row per operation that is built.
func Rows(s *service.Service) []convert.Row {
	a := api{s}
	return []convert.Row{
		convert.On(aws.OpCreateRole, a.createRole, func(c domain.Caller, in *aws.CreateRoleRequest) []string { return role(c, in.RoleName) }),
		convert.On(aws.OpGetRole, a.getRole, func(c domain.Caller, in *aws.GetRoleRequest) []string { return role(c, in.RoleName) }),
		convert.On(aws.OpPutRolePolicy, a.putRolePolicy, func(c domain.Caller, in *aws.PutRolePolicyRequest) []string { return role(c, in.RoleName) }),
	}
}

// Errors maps kinds to the service's exceptions.
var Errors = convert.Table{
	Kinds: map[fault.Kind]string{
		fault.BadValue: "MalformedPolicyDocumentException",
		fault.NotFound: "NoSuchEntityException",
		fault.Exists:   "EntityAlreadyExistsException",
		fault.Quota:    "LimitExceededException",
		fault.Busy:     "ConcurrentModificationException",
		fault.Denied:   "AccessDeniedException",
	},
	Nearest: map[fault.Kind][]fault.Kind{fault.BadValue: {fault.NotFound}},
}

func (a api) createRole(ctx context.Context, c *wire.Call, in *aws.CreateRoleRequest) (*aws.CreateRoleResponse, error) {
	r := domain.Role{
		Path: convert.Val(in.Path), Description: convert.Val(in.Description), Trust: convert.Val(in.AssumeRolePolicyDocument),
		MaxSession: convert.Val(in.MaxSessionDuration),
	}
	if len(in.Tags) > 0 {
		r.Tags = domain.Tags{}
	}
	for _, t := range in.Tags {
		r.Tags[convert.Val(t.Key)] = convert.Val(t.Value)
	}
	r.Key.Name = convert.Val(in.RoleName)
	out, err := a.svc.CreateRole(ctx, convert.Caller(c), r)
	if err != nil {
		return nil, err
	}
	return &aws.CreateRoleResponse{Role: roleShape(out)}, nil
}

func (a api) getRole(ctx context.Context, c *wire.Call, in *aws.GetRoleRequest) (*aws.GetRoleResponse, error) {
	r, err := a.svc.Role(ctx, convert.Caller(c), convert.Val(in.RoleName))
	if err != nil {
		return nil, err
	}
	return &aws.GetRoleResponse{Role: roleShape(r)}, nil
}

func (a api) putRolePolicy(ctx context.Context, c *wire.Call, in *aws.PutRolePolicyRequest) (*aws.PutRolePolicyOutput, error) {
	return &aws.PutRolePolicyOutput{}, a.svc.PutRolePolicy(ctx, convert.Caller(c), convert.Val(in.RoleName), convert.Val(in.PolicyName), convert.Val(in.PolicyDocument))
}

// roleShape: policy documents travel URL-encoded (RFC 3986), as IAM documents.
func roleShape(r *domain.Role) *aws.Role {
	out := &aws.Role{
		Path: new(r.Path), RoleName: new(r.Key.Name), RoleId: new(r.ID), Arn: new(r.ARN()), CreateDate: new(r.Created),
		AssumeRolePolicyDocument: new(url.PathEscape(r.Trust)), Description: convert.Opt(r.Description), MaxSessionDuration: new(r.MaxSession),
	}
	for k, v := range r.Tags {
		out.Tags = append(out.Tags, aws.Tag{Key: new(k), Value: new(v)})
	}
	sort.Slice(out.Tags, func(i, j int) bool { return *out.Tags[i].Key < *out.Tags[j].Key })
	return out
}

func role(c domain.Caller, name *string) []string {
	return []string{domain.ARN("iam", "", c.Account, "role/"+convert.Val(name))}
}
