package appstream

import (
	"cmp"
	"context"
	"net/netip"

	"slipway/api/convert"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	"slipway/wire"
	aws "slipway/wire/appstream"
)

// builderPage is DescribeImageBuilders' page when MaxResults is absent or 0, and
// builderMost the largest one; neither is published.
const builderPage, builderMost = 50, 500

func (a api) createImageBuilder(ctx context.Context, c *wire.Call, in *aws.CreateImageBuilderRequest) (*aws.CreateImageBuilderResult, error) {
	req := service.BuilderSpec{
		Name: convert.Val(in.Name), ImageName: convert.Val(in.ImageName), ImageARN: convert.Val(in.ImageArn), InstanceType: convert.Val(in.InstanceType),
		DisplayName: convert.Val(in.DisplayName), Description: convert.Val(in.Description), RoleARN: convert.Val(in.IamRoleArn),
		Internet: convert.Val(in.EnableDefaultInternetAccess), AgentVersion: convert.Val(in.AppstreamAgentVersion), NoIMDSv1: in.DisableIMDSV1,
		Install: in.SoftwaresToInstall, Uninstall: in.SoftwaresToUninstall, Tags: in.Tags,
	}
	if v := in.RootVolumeConfig; v != nil {
		req.VolumeGiB = convert.Val(v.VolumeSizeInGb)
	}
	if v := in.VpcConfig; v != nil {
		req.Subnets, req.Groups = v.SubnetIds, v.SecurityGroupIds
	}
	if d := in.DomainJoinInfo; d != nil {
		req.Directory = convert.Val(d.DirectoryName)
	}
	for _, e := range in.AccessEndpoints {
		req.Endpoints = append(req.Endpoints, domain.AccessEndpoint{Type: convert.Val(e.EndpointType), VPCE: convert.Val(e.VpceId)})
	}
	b, err := a.svc.CreateBuilder(ctx, convert.Caller(c), req)
	if err != nil {
		return nil, err
	}
	return &aws.CreateImageBuilderResult{ImageBuilder: a.builderShape(b)}, nil
}

func (a api) describeImageBuilders(ctx context.Context, c *wire.Call, in *aws.DescribeImageBuildersRequest) (*aws.DescribeImageBuildersResult, error) {
	after, err := convert.Position(in.NextToken)
	if err != nil {
		return nil, err
	}
	q := service.BuilderQuery{Names: in.Names, After: after, Limit: int(convert.Val(in.MaxResults))}
	switch {
	case q.Limit == 0:
		q.Limit = builderPage
	case q.Limit < 0 || q.Limit > builderMost:
		return nil, fault.New(fault.BadValue, "MaxResults is %d: it must be from 0 to %d.", q.Limit, builderMost).WithHint("Leave it out for pages of %d.", builderPage)
	}
	list, next, err := a.svc.Builders(ctx, convert.Caller(c), q)
	if err != nil {
		return nil, err
	}
	out := &aws.DescribeImageBuildersResult{ImageBuilders: []aws.ImageBuilder{}, NextToken: convert.Token(next)}
	for _, b := range list {
		out.ImageBuilders = append(out.ImageBuilders, *a.builderShape(b))
	}
	return out, nil
}

func (a api) startImageBuilder(ctx context.Context, c *wire.Call, in *aws.StartImageBuilderRequest) (*aws.StartImageBuilderResult, error) {
	b, err := a.svc.StartBuilder(ctx, convert.Caller(c), convert.Val(in.Name), convert.Val(in.AppstreamAgentVersion))
	if err != nil {
		return nil, err
	}
	return &aws.StartImageBuilderResult{ImageBuilder: a.builderShape(b)}, nil
}

func (a api) stopImageBuilder(ctx context.Context, c *wire.Call, in *aws.StopImageBuilderRequest) (*aws.StopImageBuilderResult, error) {
	b, err := a.svc.StopBuilder(ctx, convert.Caller(c), convert.Val(in.Name))
	if err != nil {
		return nil, err
	}
	return &aws.StopImageBuilderResult{ImageBuilder: a.builderShape(b)}, nil
}

func (a api) deleteImageBuilder(ctx context.Context, c *wire.Call, in *aws.DeleteImageBuilderRequest) (*aws.DeleteImageBuilderResult, error) {
	b, err := a.svc.DeleteBuilder(ctx, convert.Caller(c), convert.Val(in.Name))
	if err != nil {
		return nil, err
	}
	return &aws.DeleteImageBuilderResult{ImageBuilder: a.builderShape(b)}, nil
}

func (a api) createImageBuilderStreamingURL(ctx context.Context, c *wire.Call, in *aws.CreateImageBuilderStreamingURLRequest) (*aws.CreateImageBuilderStreamingURLResult, error) {
	address, expires, err := a.svc.BuilderAddress(ctx, convert.Caller(c), convert.Val(in.Name), in.Validity)
	if err != nil {
		return nil, err
	}
	return &aws.CreateImageBuilderStreamingURLResult{StreamingURL: &address, Expires: &expires}, nil
}

func (a api) builderShape(b *domain.Builder) *aws.ImageBuilder {
	out := &aws.ImageBuilder{
		Name: new(b.Key.Name), Arn: new(domain.BuilderARN(b.Key)), ImageArn: new(b.ImageARN), State: new(string(b.State)),
		DisplayName: convert.Opt(b.DisplayName), Description: convert.Opt(b.Description), Platform: convert.Opt(b.Platform),
		InstanceType: new(b.InstanceType), IamRoleArn: convert.Opt(b.RoleARN), CreatedTime: new(b.Created),
		EnableDefaultInternetAccess: new(b.Internet), AppstreamAgentVersion: convert.Opt(cmp.Or(b.AgentVersion, b.Tool)),
		LatestAppstreamAgentVersion: a.latestAgent("", b.Tool),
		RootVolumeConfig:            &aws.VolumeConfig{VolumeSizeInGb: new(b.VolumeGiB)}, DisableIMDSV1: b.NoIMDSv1,
	}
	if p, err := netip.ParsePrefix(b.Address); err == nil {
		out.NetworkAccessConfiguration = &aws.NetworkAccessConfiguration{EniPrivateIpAddress: new(p.Addr().String()), EniId: new(b.ENI)}
	}
	if len(b.Subnets) > 0 {
		out.VpcConfig = &aws.VpcConfig{SubnetIds: b.Subnets, SecurityGroupIds: b.Groups}
	}
	for _, e := range b.Endpoints {
		out.AccessEndpoints = append(out.AccessEndpoints, aws.AccessEndpoint{EndpointType: new(e.Type), VpceId: convert.Opt(e.VPCE)})
	}
	if b.Reason != nil {
		out.StateChangeReason = &aws.ImageBuilderStateChangeReason{Code: new(b.Reason.Code), Message: new(b.Reason.Message)}
	}
	for _, e := range b.Errors {
		out.ImageBuilderErrors = append(out.ImageBuilderErrors, aws.ResourceError{ErrorCode: new(e.Code), ErrorMessage: new(e.Message), ErrorTimestamp: new(e.At)})
	}
	return out
}
