package ec2

import (
	"context"
	"strconv"

	"slipway/api/convert"
	"slipway/domain"
	"slipway/service"
	"slipway/wire"
	aws "slipway/wire/ec2"
)

func (a api) describeSnapshots(ctx context.Context, c *wire.Call, in *aws.DescribeSnapshotsRequest) (*aws.DescribeSnapshotsResult, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	if err := checkFilters(in.Filters, func(n string) ([]string, bool) { return snapshotField(&domain.Snapshot{}, n) }); err != nil {
		return nil, err
	}
	out := &aws.DescribeSnapshotsResult{Snapshots: []aws.Snapshot{}}
	snaps, err := a.svc.Snapshots(ctx, convert.Caller(c), service.SnapshotQuery{IDs: in.SnapshotIds, Owners: in.OwnerIds, Restorable: in.RestorableByUserIds})
	if err != nil {
		return nil, err
	}
	for _, s := range snaps {
		if passes(in.Filters, func(n string) ([]string, bool) { return snapshotField(s, n) }) {
			out.Snapshots = append(out.Snapshots, snapshotShape(s))
		}
	}
	out.Snapshots, out.NextToken, err = page(out.Snapshots, in.MaxResults, in.NextToken, func(s aws.Snapshot) string { return *s.SnapshotId })
	return out, err
}

// snapshotField is the filters of DescribeSnapshots that mean something here.
func snapshotField(s *domain.Snapshot, name string) ([]string, bool) {
	if v, ok := tagFields(name, s.Tags); ok {
		return v, true
	}
	switch name {
	case "snapshot-id":
		return []string{s.Key.Name}, true
	case "description":
		return []string{s.Description}, true
	case "owner-id":
		return []string{s.Key.Account}, true
	case "status":
		return []string{service.PublicSnapshotState(s.State)}, true
	case "encrypted":
		return []string{"false"}, true
	case "volume-size":
		return []string{strconv.FormatInt(s.SizeGiB, 10)}, true
	}
	return nil, false
}

func snapshotShape(s *domain.Snapshot) aws.Snapshot {
	progress := "0%"
	if s.State == domain.SnapshotCompleted {
		progress = "100%"
	}
	return aws.Snapshot{
		SnapshotId: new(s.Key.Name), OwnerId: new(s.Key.Account), Description: new(s.Description), VolumeSize: new(s.SizeGiB),
		State: new(service.PublicSnapshotState(s.State)), StateMessage: convert.Opt(s.Problem), StartTime: new(s.Created),
		Progress: new(progress), Encrypted: new(false), VolumeId: new("vol-ffffffff"), StorageTier: new("standard"),
		Tags: tagList(s.Tags),
	}
}
