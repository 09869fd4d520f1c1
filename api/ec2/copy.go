package ec2

import (
	"context"

	"slipway/api/convert"
	"slipway/fault"
	"slipway/service"
	"slipway/wire"
	aws "slipway/wire/ec2"
)

func refuseCopy(encrypted *bool, key, outpost *string) error {
	if convert.Val(encrypted) || key != nil {
		return fault.New(fault.Unsupported, "Encrypted copies are not supported.").WithHint("Leave Encrypted and KmsKeyId out; imports refuse encrypted AMIs in any case.")
	}
	if outpost != nil {
		return fault.New(fault.Unsupported, "There are no Outposts here.")
	}
	return nil
}

func (a api) copyImage(ctx context.Context, c *wire.Call, in *aws.CopyImageRequest) (*aws.CopyImageResult, error) {
	if err := refuseCopy(in.Encrypted, in.KmsKeyId, in.DestinationOutpostArn); err != nil {
		return nil, err
	}
	tags, err := tagsFor(in.TagSpecifications, "image", "snapshot")
	if err != nil {
		return nil, err
	}
	ami, err := a.svc.CopyAMI(ctx, convert.Caller(c), service.AMICopy{
		Source: convert.Val(in.SourceImageId), SourceRegion: convert.Val(in.SourceRegion), Name: convert.Val(in.Name),
		Description: convert.Val(in.Description), ClientToken: convert.Val(in.ClientToken), CopyTags: convert.Val(in.CopyImageTags),
		Tags: tags["image"], SnapshotTags: tags["snapshot"], DryRun: convert.Val(in.DryRun),
	})
	if err != nil {
		return nil, err
	}
	return &aws.CopyImageResult{ImageId: new(ami.Key.Name)}, nil
}

func (a api) copySnapshot(ctx context.Context, c *wire.Call, in *aws.CopySnapshotRequest) (*aws.CopySnapshotResult, error) {
	if err := refuseCopy(in.Encrypted, in.KmsKeyId, in.DestinationOutpostArn); err != nil {
		return nil, err
	}
	if d := convert.Val(in.DestinationRegion); d != "" && d != c.Region {
		return nil, fault.New(fault.BadValue, "Invalid destination Region %s: the request was sent to %s.", d, c.Region).WithHint("Send it to the Region of the copy.")
	}
	tags, err := tagsFor(in.TagSpecifications, "snapshot")
	if err != nil {
		return nil, err
	}
	n, err := a.svc.CopySnapshot(ctx, convert.Caller(c), service.SnapshotCopy{
		Source: convert.Val(in.SourceSnapshotId), SourceRegion: convert.Val(in.SourceRegion),
		Description: convert.Val(in.Description), Tags: tags["snapshot"], DryRun: convert.Val(in.DryRun),
	})
	if err != nil {
		return nil, err
	}
	return &aws.CopySnapshotResult{SnapshotId: new(n.Key.Name), Tags: tagList(n.Tags)}, nil
}

func (a api) deleteSnapshot(ctx context.Context, c *wire.Call, in *aws.DeleteSnapshotRequest) (*aws.DeleteSnapshotOutput, error) {
	return nil, a.svc.DeleteSnapshot(ctx, convert.Caller(c), convert.Val(in.SnapshotId), convert.Val(in.DryRun))
}
