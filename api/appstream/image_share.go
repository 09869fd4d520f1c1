package appstream

import (
	"context"

	"slipway/api/convert"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	"slipway/wire"
	aws "slipway/wire/appstream"
)

// sharePage is DescribeImagePermissions' page when MaxResults is absent.
const sharePage = 100

func (a api) updateImagePermissions(ctx context.Context, c *wire.Call, in *aws.UpdateImagePermissionsRequest) (*aws.UpdateImagePermissionsResult, error) {
	with := service.ImageShare{Account: convert.Val(in.SharedAccountId)}
	if p := in.ImagePermissions; p != nil {
		with.Fleet, with.Builder = convert.Val(p.AllowFleet), convert.Val(p.AllowImageBuilder)
	}
	return &aws.UpdateImagePermissionsResult{}, a.svc.ShareImage(ctx, convert.Caller(c), convert.Val(in.Name), with)
}

func (a api) deleteImagePermissions(ctx context.Context, c *wire.Call, in *aws.DeleteImagePermissionsRequest) (*aws.DeleteImagePermissionsResult, error) {
	return &aws.DeleteImagePermissionsResult{}, a.svc.UnshareImage(ctx, convert.Caller(c), convert.Val(in.Name), convert.Val(in.SharedAccountId))
}

func (a api) describeImagePermissions(ctx context.Context, c *wire.Call, in *aws.DescribeImagePermissionsRequest) (*aws.DescribeImagePermissionsResult, error) {
	after, err := convert.Position(in.NextToken)
	if err != nil {
		return nil, err
	}
	limit := int(convert.Val(in.MaxResults))
	if limit == 0 {
		limit = sharePage
	}
	shares, next, err := a.svc.ImageShares(ctx, convert.Caller(c), convert.Val(in.Name), in.SharedAwsAccountIds, after, limit)
	if err != nil {
		return nil, err
	}
	out := &aws.DescribeImagePermissionsResult{Name: in.Name, SharedImagePermissionsList: []aws.SharedImagePermissions{}, NextToken: convert.Token(next)}
	for _, s := range shares {
		out.SharedImagePermissionsList = append(out.SharedImagePermissionsList, aws.SharedImagePermissions{
			SharedAccountId: new(s.Account), ImagePermissions: permissionShape(s.ImagePermission),
		})
	}
	return out, nil
}

func permissionShape(p domain.ImagePermission) *aws.ImagePermissions {
	return &aws.ImagePermissions{AllowFleet: new(p.Fleet), AllowImageBuilder: new(p.Builder)}
}

func (a api) copyImage(ctx context.Context, c *wire.Call, in *aws.CopyImageRequest) (*aws.CopyImageResponse, error) {
	if convert.Val(in.DestinationRegion) == "" {
		return nil, fault.New(fault.BadValue, "DestinationRegion is required, also for a copy in the same Region.")
	}
	img, err := a.svc.CopyImage(ctx, convert.Caller(c), service.ImageCopy{
		Source: convert.Val(in.SourceImageName), Name: convert.Val(in.DestinationImageName),
		Region: convert.Val(in.DestinationRegion), Description: convert.Val(in.DestinationImageDescription),
	})
	if err != nil {
		return nil, err
	}
	return &aws.CopyImageResponse{DestinationImageName: new(img.Key.Name)}, nil
}
