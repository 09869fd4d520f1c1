package appstream

import (
	"context"

	"slipway/api/convert"
	"slipway/fault"
	"slipway/service"
	"slipway/wire"
	aws "slipway/wire/appstream"
)

// softwarePage is DescribeSoftwareAssociations' page when MaxResults is absent, and
// the largest one; neither is published.
const softwarePage, softwareMost = 25, 500

func (a api) associateSoftware(ctx context.Context, c *wire.Call, in *aws.AssociateSoftwareToImageBuilderRequest) (*aws.AssociateSoftwareToImageBuilderResult, error) {
	err := a.svc.AssociateSoftware(ctx, convert.Caller(c), convert.Val(in.ImageBuilderName), in.SoftwareNames)
	if err != nil {
		return nil, err
	}
	return &aws.AssociateSoftwareToImageBuilderResult{}, nil
}

func (a api) disassociateSoftware(ctx context.Context, c *wire.Call, in *aws.DisassociateSoftwareFromImageBuilderRequest) (*aws.DisassociateSoftwareFromImageBuilderResult, error) {
	err := a.svc.DisassociateSoftware(ctx, convert.Caller(c), convert.Val(in.ImageBuilderName), in.SoftwareNames)
	if err != nil {
		return nil, err
	}
	return &aws.DisassociateSoftwareFromImageBuilderResult{}, nil
}

func (a api) startSoftwareDeployment(ctx context.Context, c *wire.Call, in *aws.StartSoftwareDeploymentToImageBuilderRequest) (*aws.StartSoftwareDeploymentToImageBuilderResult, error) {
	err := a.svc.DeploySoftware(ctx, convert.Caller(c), convert.Val(in.ImageBuilderName), convert.Val(in.RetryFailedDeployments))
	if err != nil {
		return nil, err
	}
	return &aws.StartSoftwareDeploymentToImageBuilderResult{}, nil
}

func (a api) describeSoftwareAssociations(ctx context.Context, c *wire.Call, in *aws.DescribeSoftwareAssociationsRequest) (*aws.DescribeSoftwareAssociationsResult, error) {
	after, err := convert.Position(in.NextToken)
	if err != nil {
		return nil, err
	}
	limit := int64(softwarePage)
	if m := in.MaxResults; m != nil {
		if limit = int64(*m); limit < 1 || limit > softwareMost {
			return nil, fault.New(fault.BadValue, "MaxResults is %d: it must be from 1 to %d.", limit, softwareMost)
		}
	}
	list, next, err := a.svc.SoftwareAssociations(ctx, convert.Caller(c), service.SoftwareQuery{ARN: convert.Val(in.AssociatedResource), After: after, Limit: int(limit)})
	if err != nil {
		return nil, err
	}
	out := &aws.DescribeSoftwareAssociationsResult{AssociatedResource: in.AssociatedResource, SoftwareAssociations: []aws.SoftwareAssociations{}, NextToken: convert.Token(next)}
	for _, n := range list {
		s := aws.SoftwareAssociations{SoftwareName: new(n.Name), Status: new(string(n.State))}
		for _, e := range n.Errors {
			s.DeploymentError = append(s.DeploymentError, aws.ErrorDetails{ErrorCode: new(e.Code), ErrorMessage: new(e.Message)})
		}
		out.SoftwareAssociations = append(out.SoftwareAssociations, s)
	}
	return out, nil
}
