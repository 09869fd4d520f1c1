package iam

import (
	"context"
	"slices"
	"strings"

	"slipway/api/convert"
	"slipway/domain"
	"slipway/service"
	"slipway/wire"
	aws "slipway/wire/iam"
)

func (a api) createPolicy(ctx context.Context, c *wire.Call, in *aws.CreatePolicyRequest) (*aws.CreatePolicyResponse, error) {
	p := domain.Policy{Path: convert.Val(in.Path), Description: convert.Val(in.Description), Tags: tagSet(in.Tags)}
	p.Key.Name = convert.Val(in.PolicyName)
	out, err := a.svc.CreatePolicy(ctx, convert.Caller(c), p, convert.Val(in.PolicyDocument))
	if err != nil {
		return nil, err
	}
	return &aws.CreatePolicyResponse{Policy: new(policyShape(&service.PolicyUse{Policy: out}))}, nil
}

func (a api) getPolicy(ctx context.Context, c *wire.Call, in *aws.GetPolicyRequest) (*aws.GetPolicyResponse, error) {
	p, err := a.svc.Policy(ctx, convert.Caller(c), convert.Val(in.PolicyArn))
	if err != nil {
		return nil, err
	}
	return &aws.GetPolicyResponse{Policy: new(policyShape(p))}, nil
}

func (a api) listPolicies(ctx context.Context, c *wire.Call, in *aws.ListPoliciesRequest) (*aws.ListPoliciesResponse, error) {
	scope := convert.Val(in.Scope)
	out := &aws.ListPoliciesResponse{}
	all, err := a.svc.Policies(ctx, convert.Caller(c), service.PolicyFilter{
		Prefix: convert.Val(in.PathPrefix), Local: scope != "AWS", AWS: scope != "Local", Attached: convert.Val(in.OnlyAttached),
		Boundary: convert.Val(in.PolicyUsageFilter) == "PermissionsBoundary",
	})
	if err != nil {
		return nil, err
	}
	all, out.IsTruncated, out.Marker, err = page(all, in.Marker, in.MaxItems, func(p *service.PolicyUse) string { return p.Key.Name })
	out.Policies = shapes(all, func(p *service.PolicyUse) aws.Policy {
		s := policyShape(p)
		s.Description, s.Tags = nil, nil // lists leave them out
		return s
	})
	return out, err
}

func (a api) listEntitiesForPolicy(ctx context.Context, c *wire.Call, in *aws.ListEntitiesForPolicyRequest) (*aws.ListEntitiesForPolicyResponse, error) {
	all, err := a.svc.PolicyHolders(ctx, convert.Caller(c), convert.Val(in.PolicyArn))
	if err != nil {
		return nil, err
	}
	out := &aws.ListEntitiesForPolicyResponse{PolicyGroups: []aws.PolicyGroup{}, PolicyUsers: []aws.PolicyUser{}, PolicyRoles: []aws.PolicyRole{}, IsTruncated: new(false)}
	sort, usage := convert.Val(in.EntityFilter), convert.Val(in.PolicyUsageFilter)
	for _, h := range all {
		switch {
		case usage == "PermissionsPolicy" && !h.Attached, usage == "PermissionsBoundary" && !h.Boundary:
		case h.Kind == domain.KindUser && (sort == "" || sort == "User"):
			out.PolicyUsers = append(out.PolicyUsers, aws.PolicyUser{UserName: new(h.Name), UserId: new(h.ID)})
		case h.Kind == domain.KindRole && (sort == "" || sort == "Role"):
			out.PolicyRoles = append(out.PolicyRoles, aws.PolicyRole{RoleName: new(h.Name), RoleId: new(h.ID)})
		case h.Kind == domain.KindGroup && (sort == "" || sort == "Group"):
			out.PolicyGroups = append(out.PolicyGroups, aws.PolicyGroup{GroupName: new(h.Name), GroupId: new(h.ID)})
		}
	}
	return out, nil
}

func (a api) deletePolicy(ctx context.Context, c *wire.Call, in *aws.DeletePolicyRequest) (*aws.DeletePolicyOutput, error) {
	return done[aws.DeletePolicyOutput](a.svc.DeletePolicy(ctx, convert.Caller(c), convert.Val(in.PolicyArn)))
}

func (a api) createPolicyVersion(ctx context.Context, c *wire.Call, in *aws.CreatePolicyVersionRequest) (*aws.CreatePolicyVersionResponse, error) {
	v, err := a.svc.CreatePolicyVersion(ctx, convert.Caller(c), convert.Val(in.PolicyArn), convert.Val(in.PolicyDocument), convert.Val(in.SetAsDefault))
	if err != nil {
		return nil, err
	}
	s := versionShape(v, convert.Val(in.SetAsDefault))
	s.Document = nil
	return &aws.CreatePolicyVersionResponse{PolicyVersion: &s}, nil
}

func (a api) getPolicyVersion(ctx context.Context, c *wire.Call, in *aws.GetPolicyVersionRequest) (*aws.GetPolicyVersionResponse, error) {
	v, isDefault, err := a.svc.PolicyVersion(ctx, convert.Caller(c), convert.Val(in.PolicyArn), convert.Val(in.VersionId))
	if err != nil {
		return nil, err
	}
	return &aws.GetPolicyVersionResponse{PolicyVersion: new(versionShape(v, isDefault))}, nil
}

func (a api) listPolicyVersions(ctx context.Context, c *wire.Call, in *aws.ListPolicyVersionsRequest) (*aws.ListPolicyVersionsResponse, error) {
	p, err := a.svc.Policy(ctx, convert.Caller(c), convert.Val(in.PolicyArn))
	if err != nil {
		return nil, err
	}
	out := &aws.ListPolicyVersionsResponse{IsTruncated: new(false)}
	for _, v := range slices.Backward(p.Versions) {
		s := versionShape(v, v.ID == p.Default)
		s.Document = nil // lists leave it out
		out.Versions = append(out.Versions, s)
	}
	return out, nil
}

func (a api) setDefaultPolicyVersion(ctx context.Context, c *wire.Call, in *aws.SetDefaultPolicyVersionRequest) (*aws.SetDefaultPolicyVersionOutput, error) {
	return done[aws.SetDefaultPolicyVersionOutput](a.svc.SetDefaultVersion(ctx, convert.Caller(c), convert.Val(in.PolicyArn), convert.Val(in.VersionId)))
}

func (a api) deletePolicyVersion(ctx context.Context, c *wire.Call, in *aws.DeletePolicyVersionRequest) (*aws.DeletePolicyVersionOutput, error) {
	return done[aws.DeletePolicyVersionOutput](a.svc.DeletePolicyVersion(ctx, convert.Caller(c), convert.Val(in.PolicyArn), convert.Val(in.VersionId)))
}

func (a api) tagPolicy(ctx context.Context, c *wire.Call, in *aws.TagPolicyRequest) (*aws.TagPolicyOutput, error) {
	return done[aws.TagPolicyOutput](a.svc.TagPolicy(ctx, convert.Caller(c), convert.Val(in.PolicyArn), tagSet(in.Tags), nil))
}

func (a api) untagPolicy(ctx context.Context, c *wire.Call, in *aws.UntagPolicyRequest) (*aws.UntagPolicyOutput, error) {
	return done[aws.UntagPolicyOutput](a.svc.TagPolicy(ctx, convert.Caller(c), convert.Val(in.PolicyArn), nil, in.TagKeys))
}

func (a api) listPolicyTags(ctx context.Context, c *wire.Call, in *aws.ListPolicyTagsRequest) (*aws.ListPolicyTagsResponse, error) {
	p, err := a.svc.Policy(ctx, convert.Caller(c), convert.Val(in.PolicyArn))
	if err != nil {
		return nil, err
	}
	out := &aws.ListPolicyTagsResponse{}
	out.Tags, out.IsTruncated, out.Marker, err = page(tagList(p.Tags), in.Marker, in.MaxItems, tagName)
	return out, err
}

// simulatePrincipalPolicy answers what the policies of a user or role would say.
func (a api) simulatePrincipalPolicy(ctx context.Context, c *wire.Call, in *aws.SimulatePrincipalPolicyRequest) (*aws.SimulatePolicyResponse, error) {
	ask := service.Simulation{Source: convert.Val(in.PolicySourceArn), More: in.PolicyInputList, Boundary: in.PermissionsBoundaryPolicyInputList, Actions: in.ActionNames, Resources: in.ResourceArns, Keys: map[string][]string{}}
	for _, e := range in.ContextEntries {
		ask.Keys[convert.Val(e.ContextKeyName)] = e.ContextKeyValues
	}
	answers, err := a.svc.Simulate(ctx, convert.Caller(c), ask)
	if err != nil {
		return nil, err
	}
	return &aws.SimulatePolicyResponse{IsTruncated: new(false), EvaluationResults: shapes(answers, func(s service.Simulated) aws.EvaluationResult {
		return aws.EvaluationResult{EvalActionName: new(s.Action), EvalResourceName: new(s.Resource), EvalDecision: new(s.Decision)}
	})}, nil
}

func policyShape(p *service.PolicyUse) aws.Policy {
	out := aws.Policy{
		PolicyName: new(p.Key.Name), PolicyId: new(p.ID), Arn: new(p.ARN()), Path: new(p.Path), DefaultVersionId: new(p.Default),
		AttachmentCount: new(int64(p.Attachments)), PermissionsBoundaryUsageCount: new(int64(p.Boundaries)), IsAttachable: new(true),
		Description: convert.Opt(p.Description), CreateDate: new(p.Created), UpdateDate: new(p.Updated),
	}
	if len(p.Tags) > 0 {
		out.Tags = tagList(p.Tags)
	}
	return out
}

func versionShape(v domain.PolicyVersion, isDefault bool) aws.PolicyVersion {
	return aws.PolicyVersion{Document: encoded(v.Document), VersionId: new(v.ID), IsDefaultVersion: new(isDefault), CreateDate: new(v.Created)}
}

func attached(arn string) aws.AttachedPolicy {
	return aws.AttachedPolicy{PolicyArn: new(arn), PolicyName: new(arn[strings.LastIndexByte(arn, '/')+1:])}
}

// underPath keeps the ARNs of policies whose path begins with prefix.
func underPath(arns []string, prefix *string) []string {
	if prefix == nil {
		return arns
	}
	return slices.DeleteFunc(slices.Clone(arns), func(arn string) bool {
		_, rest, _ := strings.Cut(arn, ":policy")
		return !strings.HasPrefix(rest, *prefix)
	})
}
