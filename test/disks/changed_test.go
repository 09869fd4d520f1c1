package disks

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	ebstypes "github.com/aws/aws-sdk-go-v2/service/ebs/types"

	"slipway/test/rig"
)

// changes walks all pages; the text says which tokens each block has.
func (a *account) changes(t *testing.T, first *string, second string) (out []string) {
	t.Helper()
	in := &ebs.ListChangedBlocksInput{FirstSnapshotId: first, SecondSnapshotId: &second, MaxResults: aws.Int32(100)}
	for {
		l, err := a.ebs.ListChangedBlocks(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if *l.BlockSize != blockSize || *l.VolumeSize != 1 || l.ExpiryTime == nil {
			t.Errorf("%+v", l)
		}
		for _, b := range l.ChangedBlocks {
			word := fmt.Sprint(*b.BlockIndex)
			if b.FirstBlockToken != nil {
				word += "<"
			}
			if b.SecondBlockToken != nil {
				word += ">"
			}
			out = append(out, word)
		}
		if l.NextToken == nil {
			return out
		}
		in.NextToken = l.NextToken
	}
}

func TestListChangedBlocks(t *testing.T) {
	s := rig.Start(t, "--compute=fake")
	me := operator(s)
	fill := map[int32]byte{0: 1, 1: 1, 5: 1, 2047: 1}
	for i := int32(100); i < 350; i++ {
		fill[i] = byte(i)
	}
	old := me.snapshot(t, 1, map[int32]byte{0: 1, 1: 9, 4: 1, 2047: 1})
	fresh := me.snapshot(t, 1, fill)
	want := []string{"1<>", "4<>", "5>"}
	for i := range 250 {
		if byte(i+100) != 0 { // a block of zeros is no change from a hole
			want = append(want, fmt.Sprintf("%d>", i+100))
		}
	}
	if got := me.changes(t, &old, fresh); !slices.Equal(got, want) {
		t.Errorf("changed: %v\nwant %v", got, want)
	}
	if got := me.changes(t, nil, old); !slices.Equal(got, []string{"0>", "1>", "4>", "2047>"}) {
		t.Errorf("without a first one: %v", got)
	}
	if got := me.changes(t, &old, old); len(got) != 0 {
		t.Errorf("itself: %v", got)
	}
	me.readChanges(t, old, fresh)

	list := func(first, second string, token *string) error {
		_, err := me.ebs.ListChangedBlocks(t.Context(), &ebs.ListChangedBlocksInput{FirstSnapshotId: &first, SecondSnapshotId: &second, NextToken: token})
		return err
	}
	large, pending := me.snapshot(t, 2, map[int32]byte{0: 1}), me.start(t, 1)
	wantInvalid(t, "two sizes", list(large, fresh, nil), ebstypes.ValidationExceptionReasonUnrelatedSnapshots)
	wantInvalid(t, "a pending one", list(old, pending, nil), ebstypes.ValidationExceptionReasonInvalidSnapshotId)
	page, err := me.ebs.ListChangedBlocks(t.Context(), &ebs.ListChangedBlocksInput{FirstSnapshotId: &old, SecondSnapshotId: &fresh, MaxResults: aws.Int32(100)})
	if err != nil {
		t.Fatal(err)
	}
	wantInvalid(t, "a token of other snapshots", list(fresh, old, page.NextToken), ebstypes.ValidationExceptionReasonInvalidPageToken)
	if err := list("snap-00000000000000000", fresh, nil); err == nil {
		t.Error("a snapshot that is not there")
	}
}

// readChanges reads a block that only the first snapshot has, by both tokens.
func (a *account) readChanges(t *testing.T, first, second string) {
	t.Helper()
	l, err := a.ebs.ListChangedBlocks(t.Context(), &ebs.ListChangedBlocksInput{FirstSnapshotId: &first, SecondSnapshotId: &second, StartingBlockIndex: aws.Int32(4)})
	if err != nil || *l.ChangedBlocks[0].BlockIndex != 4 {
		t.Fatal(l, err)
	}
	for id, c := range map[string]struct {
		token *string
		fill  byte
	}{first: {l.ChangedBlocks[0].FirstBlockToken, 1}, second: {l.ChangedBlocks[0].SecondBlockToken, 0}} {
		out, err := a.ebs.GetSnapshotBlock(t.Context(), &ebs.GetSnapshotBlockInput{SnapshotId: &id, BlockIndex: aws.Int32(4), BlockToken: c.token})
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(out.BlockData); err != nil || !bytes.Equal(b, blockOf(c.fill)) || *out.Checksum != *sum64(b) {
			t.Errorf("block 4 of %s: %v", id, err)
		}
	}
}

// A completion whose checksum is wrong changes nothing: the block that differs
// is sent again and the snapshot completes.
func TestCompleteSnapshotChecksum(t *testing.T) {
	s := rig.Start(t, "--compute=fake")
	me := operator(s)
	id := me.start(t, 1)
	for i, fill := range map[int32]byte{3: 1, 7: 8} { // 7 should have been 2
		if err := me.put(t.Context(), id, i, blockOf(fill)); err != nil {
			t.Fatal(err)
		}
	}
	var all []byte
	for _, fill := range []byte{1, 2} {
		all = append(all, rawSum(blockOf(fill))...)
	}
	wantInvalid(t, "a checksum of other blocks", me.complete(t, id, 2, sum64(all)), ebstypes.ValidationExceptionReasonInvalidParameterValue)
	wantInvalid(t, "no checksum at all", me.complete(t, id, 2, aws.String("AAAA")), ebstypes.ValidationExceptionReasonInvalidParameterValue)
	if err := me.put(t.Context(), id, 7, blockOf(2)); err != nil {
		t.Fatalf("the snapshot takes no blocks any more: %v", err)
	}
	if err := me.complete(t, id, 2, sum64(all)); err != nil {
		t.Error(err)
	}
	if err := me.complete(t, id, 2, sum64(all)); err != nil {
		t.Errorf("again: %v", err)
	}
	if empty := me.start(t, 1); me.complete(t, empty, 0, sum64(nil)) != nil {
		t.Error("an empty snapshot with the checksum of nothing")
	}
}
