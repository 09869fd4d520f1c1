package ebs

import (
	"context"
	"strconv"
	"strings"

	"slipway/api/convert"
	"slipway/fault"
	"slipway/service"
	"slipway/wire"
	aws "slipway/wire/ebs"
)

// listChangedBlocks compares two snapshots; without a first one every block of
// the second that holds data has changed. A block that the first lacks has no
// FirstBlockToken (API reference, ChangedBlock); SecondBlockToken is always
// there and reads as zeros where the second has a hole.
func (a api) listChangedBlocks(ctx context.Context, c *wire.Call, in *aws.ListChangedBlocksRequest) (*aws.ListChangedBlocksResponse, error) {
	first, second := convert.Val(in.FirstSnapshotId), convert.Val(in.SecondSnapshotId)
	from := convert.Val(in.StartingBlockIndex)
	pair := first + "/" + second + "/"
	if in.NextToken != nil {
		after, err := convert.Position(in.NextToken)
		index, ours := strings.CutPrefix(after, pair)
		if err == nil && ours {
			from, err = strconv.ParseInt(index, 10, 64)
		}
		if err != nil || !ours {
			return nil, fault.New(fault.BadValue, "The page token is not one of these snapshots.").
				WithHint("Send the token of the previous page with the same snapshots, or none.").WithCode("INVALID_PAGE_TOKEN")
		}
	}
	limit := int(convert.Val(in.MaxResults))
	if limit == 0 {
		limit = 10000
	}
	l, err := a.svc.ChangedBlocks(ctx, convert.Caller(c), first, second, from, limit)
	if err != nil {
		return nil, err
	}
	out := &aws.ListChangedBlocksResponse{
		ChangedBlocks: make([]aws.ChangedBlock, len(l.Changes)), ExpiryTime: new(l.Expires), VolumeSize: new(l.Snapshot.SizeGiB),
		BlockSize: new(int64(service.BlockBytes)),
	}
	for i, n := range l.Changes {
		out.ChangedBlocks[i] = aws.ChangedBlock{BlockIndex: new(n.Index), SecondBlockToken: new(blockToken(second, n.Index))}
		if n.First {
			out.ChangedBlocks[i].FirstBlockToken = new(blockToken(first, n.Index))
		}
	}
	if l.Next >= 0 {
		out.NextToken = convert.Token(pair + strconv.FormatInt(l.Next, 10))
	}
	return out, nil
}
