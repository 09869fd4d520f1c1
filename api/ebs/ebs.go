// Package ebs answers the EBS direct APIs: blocks of snapshots in and out.
package ebs

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"slipway/api/convert"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	"slipway/wire"
	aws "slipway/wire/ebs"
	"slipway/wire/shape"
)

type api struct{ svc *service.Service }

// Rows is one row per operation that is built.
func Rows(s *service.Service) []convert.Row {
	a := api{s}
	return []convert.Row{
		convert.On(aws.OpStartSnapshot, a.startSnapshot, func(c domain.Caller, _ *aws.StartSnapshotRequest) []string { return snapshot(c, new("*")) }),
		convert.On(aws.OpPutSnapshotBlock, a.putSnapshotBlock, func(c domain.Caller, in *aws.PutSnapshotBlockRequest) []string { return snapshot(c, in.SnapshotId) }),
		convert.On(aws.OpCompleteSnapshot, a.completeSnapshot, func(c domain.Caller, in *aws.CompleteSnapshotRequest) []string { return snapshot(c, in.SnapshotId) }),
		convert.On(aws.OpListSnapshotBlocks, a.listSnapshotBlocks, func(c domain.Caller, in *aws.ListSnapshotBlocksRequest) []string { return snapshot(c, in.SnapshotId) }),
		convert.On(aws.OpListChangedBlocks, a.listChangedBlocks, func(c domain.Caller, in *aws.ListChangedBlocksRequest) []string {
			if in.FirstSnapshotId == nil {
				return snapshot(c, in.SecondSnapshotId)
			}
			return append(snapshot(c, in.FirstSnapshotId), snapshot(c, in.SecondSnapshotId)...)
		}),
		convert.On(aws.OpGetSnapshotBlock, a.getSnapshotBlock, func(c domain.Caller, in *aws.GetSnapshotBlockRequest) []string { return snapshot(c, in.SnapshotId) }),
	}
}

// Errors maps kinds to the service's exceptions; the finer reason travels in
// the member Reason.
var Errors = convert.Table{
	Kinds: map[fault.Kind]string{
		fault.BadValue:       "ValidationException",
		fault.BadCombination: "ConflictException",
		fault.NotFound:       "ResourceNotFoundException",
		fault.WrongState:     "ValidationException",
		fault.NotAvailable:   "ValidationException",
		fault.Unsupported:    "ValidationException",
		fault.Quota:          "ServiceQuotaExceededException",
		fault.Unavailable:    "ServiceQuotaExceededException",
		fault.Busy:           "RequestThrottledException",
		fault.Denied:         "AccessDeniedException",
	},
	Nearest: map[fault.Kind][]fault.Kind{fault.BadCombination: {fault.BadValue}},
	Reason:  "Reason",
	Broken:  reason,
}

// reason is the service's own word for a member that breaks a constraint.
func reason(v shape.Violation) string {
	member, _, _ := strings.Cut(v.Path, ".")
	switch member {
	case "snapshotId", "firstSnapshotId", "secondSnapshotId", "parentSnapshotId":
		return "INVALID_SNAPSHOT_ID"
	case "volumeSize":
		return "INVALID_VOLUME_SIZE"
	case "tags":
		return "INVALID_TAG"
	case "nextToken":
		return "INVALID_PAGE_TOKEN"
	case "blockToken":
		return "INVALID_BLOCK_TOKEN"
	}
	return "INVALID_PARAMETER_VALUE"
}

func (a api) startSnapshot(ctx context.Context, c *wire.Call, in *aws.StartSnapshotRequest) (*aws.StartSnapshotResponse, error) {
	spec := service.SnapshotSpec{
		SizeGiB: convert.Val(in.VolumeSize), Description: convert.Val(in.Description), ClientToken: convert.Val(in.ClientToken),
		Parent: convert.Val(in.ParentSnapshotId), Encrypted: convert.Val(in.Encrypted) || in.KmsKeyArn != nil,
	}
	if len(in.Tags) > 0 {
		spec.Tags = domain.Tags{}
	}
	for _, t := range in.Tags {
		spec.Tags[convert.Val(t.Key)] = convert.Val(t.Value)
	}
	s, err := a.svc.StartSnapshot(ctx, convert.Caller(c), spec)
	if err != nil {
		return nil, reasoned(err)
	}
	return &aws.StartSnapshotResponse{
		SnapshotId: new(s.Key.Name), OwnerId: new(s.Key.Account), Status: new(service.PublicSnapshotState(s.State)),
		StartTime: new(s.Created), VolumeSize: new(s.SizeGiB), BlockSize: new(int64(service.BlockBytes)),
		Description: convert.Opt(s.Description), Tags: in.Tags, SseType: new("none"),
	}, nil
}

func (a api) putSnapshotBlock(ctx context.Context, c *wire.Call, in *aws.PutSnapshotBlockRequest) (*aws.PutSnapshotBlockResponse, error) {
	if got := convert.Val(in.DataLength); got != int64(len(in.BlockData)) {
		return nil, fault.New(fault.BadValue, "x-amz-Data-Length is %d but %d bytes were sent.", got, len(in.BlockData)).WithCode("INVALID_BLOCK")
	}
	raw, err := base64.StdEncoding.DecodeString(convert.Val(in.Checksum))
	if err != nil || len(raw) != sha256.Size {
		return nil, fault.New(fault.BadValue, "x-amz-Checksum is not a Base64 SHA-256.").WithCode("INVALID_PARAMETER_VALUE")
	}
	err = a.svc.PutBlock(ctx, convert.Caller(c), convert.Val(in.SnapshotId), convert.Val(in.BlockIndex), in.BlockData, [sha256.Size]byte(raw))
	if err != nil {
		return nil, reasoned(err)
	}
	return &aws.PutSnapshotBlockResponse{Checksum: in.Checksum, ChecksumAlgorithm: in.ChecksumAlgorithm}, nil
}

func (a api) completeSnapshot(ctx context.Context, c *wire.Call, in *aws.CompleteSnapshotRequest) (*aws.CompleteSnapshotResponse, error) {
	sum, err := aggregate(in)
	if err != nil {
		return nil, err
	}
	s, err := a.svc.CompleteSnapshot(ctx, convert.Caller(c), convert.Val(in.SnapshotId), convert.Val(in.ChangedBlocksCount), sum)
	if err != nil {
		return nil, err
	}
	return &aws.CompleteSnapshotResponse{Status: new(service.PublicSnapshotState(s.State))}, nil
}

// aggregate is the checksum over a whole snapshot, where the client sent one.
//
// The API reference says of the LINEAR method: "arrange the checksums for each
// written block in ascending order of their block index, concatenate them to
// form a single string, and then generate the checksum on the entire string".
// The checksums are read here as their 32 raw bytes, not as Base64, which is
// what AWS's own client coldsnap sends; blocks of zeros count when they were
// sent.
func aggregate(in *aws.CompleteSnapshotRequest) (*[sha256.Size]byte, error) {
	if in.Checksum == nil {
		return nil, nil
	}
	raw, err := base64.StdEncoding.DecodeString(*in.Checksum)
	if err != nil || len(raw) != sha256.Size {
		return nil, fault.New(fault.BadValue, "x-amz-Checksum is not a Base64 SHA-256.").WithCode("INVALID_PARAMETER_VALUE")
	}
	return new([sha256.Size]byte(raw)), nil
}

// reasons are the service's words for what the disk store says.
var reasons = map[string]string{"checksum-mismatch": "INVALID_BLOCK", "disk-full": "DEPENDENCY_SERVICE_QUOTA_EXCEEDED"}

func reasoned(err error) error {
	if f := (*fault.Error)(nil); errors.As(err, &f) && reasons[f.Code] != "" {
		return f.WithCode(reasons[f.Code])
	}
	return err
}

func (a api) listSnapshotBlocks(ctx context.Context, c *wire.Call, in *aws.ListSnapshotBlocksRequest) (*aws.ListSnapshotBlocksResponse, error) {
	from := convert.Val(in.StartingBlockIndex)
	if in.NextToken != nil {
		after, err := convert.Position(in.NextToken)
		if err == nil {
			from, err = strconv.ParseInt(after, 10, 64)
		}
		if err != nil {
			return nil, fault.New(fault.BadValue, "The page token is not valid.").WithCode("INVALID_PAGE_TOKEN")
		}
	}
	max := int(convert.Val(in.MaxResults))
	if max == 0 {
		max = 10000
	}
	l, err := a.svc.ListBlocks(ctx, convert.Caller(c), convert.Val(in.SnapshotId), from, max)
	if err != nil {
		return nil, err
	}
	out := &aws.ListSnapshotBlocksResponse{
		Blocks: make([]aws.Block, len(l.Indexes)), ExpiryTime: new(l.Expires), VolumeSize: new(l.Snapshot.SizeGiB),
		BlockSize: new(int64(service.BlockBytes)),
	}
	for i, n := range l.Indexes {
		out.Blocks[i] = aws.Block{BlockIndex: new(n), BlockToken: new(blockToken(l.Snapshot.Key.Name, n))}
	}
	if l.Next >= 0 {
		out.NextToken = convert.Token(strconv.FormatInt(l.Next, 10))
	}
	return out, nil
}

// blockToken names a block of a snapshot. It grants nothing: access is checked
// with every call.
func blockToken(snapshot string, index int64) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s/%d", snapshot, index))
}

func (a api) getSnapshotBlock(ctx context.Context, c *wire.Call, in *aws.GetSnapshotBlockRequest) (*aws.GetSnapshotBlockResponse, error) {
	id, index := convert.Val(in.SnapshotId), convert.Val(in.BlockIndex)
	if convert.Val(in.BlockToken) != blockToken(id, index) {
		return nil, fault.New(fault.BadValue, "The block token is not one of block %d of %s.", index, id).
			WithHint("ListSnapshotBlocks gives the tokens.").WithCode("INVALID_BLOCK_TOKEN")
	}
	data, sum, err := a.svc.ReadBlock(ctx, convert.Caller(c), id, index)
	if err != nil {
		return nil, err
	}
	return &aws.GetSnapshotBlockResponse{
		DataLength: new(int64(len(data))), BlockData: data,
		Checksum: new(base64.StdEncoding.EncodeToString(sum[:])), ChecksumAlgorithm: new("SHA256"),
	}, nil
}

// snapshot is the ARN of a snapshot; snapshots have no account in theirs.
func snapshot(c domain.Caller, id *string) []string {
	return []string{domain.ARN("ec2", c.Region, "", "snapshot/"+convert.Val(id))}
}
