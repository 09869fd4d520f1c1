package appstream

import (
	"context"

	"slipway/api/convert"
	"slipway/service"
	"slipway/wire"
	aws "slipway/wire/appstream"
)

func (a api) createUpdatedImage(ctx context.Context, c *wire.Call, in *aws.CreateUpdatedImageRequest) (*aws.CreateUpdatedImageResult, error) {
	req := service.ImageUpdate{
		Source: convert.Val(in.ExistingImageName), Name: convert.Val(in.NewImageName), DisplayName: convert.Val(in.NewImageDisplayName),
		Description: convert.Val(in.NewImageDescription), Tags: in.NewImageTags,
	}
	if convert.Val(in.DryRun) {
		can, err := a.svc.CanUpdateImage(ctx, convert.Caller(c), req)
		if err != nil {
			return nil, err
		}
		return &aws.CreateUpdatedImageResult{CanUpdateImage: &can}, nil
	}
	img, err := a.svc.UpdateImage(ctx, convert.Caller(c), req)
	if err != nil {
		return nil, err
	}
	if img == nil {
		return &aws.CreateUpdatedImageResult{CanUpdateImage: &never}, nil
	}
	return &aws.CreateUpdatedImageResult{Image: a.imageShape(img), CanUpdateImage: &always}, nil
}
