package appstream

import (
	"context"

	"slipway/api/convert"
	"slipway/wire"
	aws "slipway/wire/appstream"
)

func (a api) tagResource(ctx context.Context, c *wire.Call, in *aws.TagResourceRequest) (*aws.TagResourceResponse, error) {
	return &aws.TagResourceResponse{}, a.svc.Tag(ctx, convert.Caller(c), convert.Val(in.ResourceArn), in.Tags)
}

func (a api) untagResource(ctx context.Context, c *wire.Call, in *aws.UntagResourceRequest) (*aws.UntagResourceResponse, error) {
	return &aws.UntagResourceResponse{}, a.svc.Untag(ctx, convert.Caller(c), convert.Val(in.ResourceArn), in.TagKeys)
}

func (a api) listTagsForResource(ctx context.Context, c *wire.Call, in *aws.ListTagsForResourceRequest) (*aws.ListTagsForResourceResponse, error) {
	tags, err := a.svc.Tags(ctx, convert.Caller(c), convert.Val(in.ResourceArn))
	if err != nil {
		return nil, err
	}
	return &aws.ListTagsForResourceResponse{Tags: tags}, nil
}
