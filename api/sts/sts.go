// Package sts answers who the caller is, and lets callers be somebody else.
package sts

import (
	"context"

	"slipway/api/convert"
	"slipway/fault"
	"slipway/service"
	"slipway/wire"
	aws "slipway/wire/sts"
)

type api struct{ svc *service.Service }

// Rows is one row per operation that is built. Everybody may ask who they are;
// who may assume a role is up to the role too.
func Rows(s *service.Service) []convert.Row {
	a := api{s}
	return []convert.Row{
		convert.On(aws.OpGetCallerIdentity, getCallerIdentity, nil).Itself(),
		convert.On(aws.OpAssumeRole, a.assumeRole, nil).Itself(),
	}
}

// Errors maps kinds to the service's exceptions.
var Errors = convert.Table{
	Kinds: map[fault.Kind]string{
		fault.BadValue:    "ValidationException",
		fault.Unsupported: "ValidationException",
		fault.NotFound:    "ValidationException",
		fault.Quota:       "PackedPolicyTooLargeException",
		fault.Denied:      "AccessDeniedException",
		fault.Busy:        "ThrottlingException",
	},
	Words: map[string]string{"MalformedPolicyDocument": "MalformedPolicyDocumentException"},
}

func getCallerIdentity(_ context.Context, c *wire.Call, _ *aws.GetCallerIdentityRequest) (*aws.GetCallerIdentityResponse, error) {
	return &aws.GetCallerIdentityResponse{Account: new(c.Identity.Account), Arn: new(c.Identity.ARN), UserId: new(c.Identity.UserID)}, nil
}

func (a api) assumeRole(ctx context.Context, c *wire.Call, in *aws.AssumeRoleRequest) (*aws.AssumeRoleResponse, error) {
	switch {
	case len(in.Tags) > 0 || len(in.TransitiveTagKeys) > 0:
		return nil, fault.New(fault.Unsupported, "Session tags are not supported.").WithHint("Tag the role: aws:PrincipalTag sees its tags.")
	case in.SerialNumber != nil || in.TokenCode != nil:
		return nil, fault.New(fault.Unsupported, "MultiFactorAuthentication is not supported: leave SerialNumber and TokenCode out.")
	case len(in.ProvidedContexts) > 0:
		return nil, fault.New(fault.Unsupported, "ProvidedContexts are not supported.")
	}
	ask := service.Assume{
		RoleARN: convert.Val(in.RoleArn), Session: convert.Val(in.RoleSessionName), ExternalID: convert.Val(in.ExternalId),
		Source: convert.Val(in.SourceIdentity), Seconds: convert.Val(in.DurationSeconds), Policy: convert.Val(in.Policy),
	}
	for _, p := range in.PolicyArns {
		ask.PolicyARNs = append(ask.PolicyARNs, convert.Val(p.Arn))
	}
	k, err := a.svc.AssumeRole(ctx, convert.Caller(c), convert.Keys(c), ask)
	if err != nil {
		return nil, err
	}
	return &aws.AssumeRoleResponse{
		Credentials:     &aws.Credentials{AccessKeyId: new(k.Key.Name), SecretAccessKey: new(k.Secret), SessionToken: new(k.Token), Expiration: new(k.Expires)},
		AssumedRoleUser: &aws.AssumedRoleUser{Arn: new(k.ARN()), AssumedRoleId: new(k.RoleID + ":" + k.Session)},
		SourceIdentity:  convert.Opt(k.Source),
	}, nil
}
