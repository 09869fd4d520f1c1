// Package disks tests the store of sealed disks through the real program: what
// outside clients see of it (EBS direct APIs), and what the operator's commands
// say about it (slipway disk, fsck, backup, restore).
//
// How the store keeps its files is tested in disk/, how it is kept whole in
// work/.
package disks

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	ebstypes "github.com/aws/aws-sdk-go-v2/service/ebs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"slipway/test/rig"
)

func TestMain(m *testing.M) { rig.Main(m) }

const (
	blockSize = 512 << 10
	limit     = 2 * time.Minute
)

// account is somebody's clients.
type account struct {
	id, key, secret string
	ebs             *ebs.Client
	ec2             *ec2.Client
	iam             *iam.Client
}

func clients(s *rig.Server, id, key, secret string) *account {
	cfg := aws.Config{Region: s.Client.Region, BaseEndpoint: &s.Endpoint, Retryer: func() aws.Retryer { return aws.NopRetryer{} },
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, "")}
	return &account{id: id, key: key, secret: secret, ebs: ebs.NewFromConfig(cfg), ec2: ec2.NewFromConfig(cfg), iam: iam.NewFromConfig(cfg)}
}

func operator(s *rig.Server) *account {
	return clients(s, s.Client.Account, s.Client.AccessKeyID, s.Client.SecretAccessKey)
}

// blockOf is a block filled with one byte.
func blockOf(fill byte) []byte { return bytes.Repeat([]byte{fill}, blockSize) }

func sum64(b []byte) *string {
	sum := sha256.Sum256(b)
	return aws.String(base64.StdEncoding.EncodeToString(sum[:]))
}

func rawSum(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}

func (a *account) start(t testing.TB, gib int64) string {
	t.Helper()
	out, err := a.ebs.StartSnapshot(t.Context(), &ebs.StartSnapshotInput{VolumeSize: &gib})
	if err != nil {
		t.Fatal(err)
	}
	return *out.SnapshotId
}

func (a *account) put(ctx context.Context, id string, index int32, data []byte) error {
	_, err := a.ebs.PutSnapshotBlock(ctx, &ebs.PutSnapshotBlockInput{SnapshotId: &id, BlockIndex: &index, BlockData: bytes.NewReader(data),
		DataLength: aws.Int32(int32(len(data))), Checksum: sum64(data), ChecksumAlgorithm: ebstypes.ChecksumAlgorithmChecksumAlgorithmSha256})
	return err
}

// complete completes a snapshot, with an aggregate checksum where one is given,
// and waits.
func (a *account) complete(t testing.TB, id string, blocks int, sum *string) error {
	t.Helper()
	in := &ebs.CompleteSnapshotInput{SnapshotId: &id, ChangedBlocksCount: aws.Int32(int32(blocks)), Checksum: sum}
	if sum != nil {
		in.ChecksumAlgorithm = ebstypes.ChecksumAlgorithmChecksumAlgorithmSha256
		in.ChecksumAggregationMethod = ebstypes.ChecksumAggregationMethodChecksumAggregationLinear
	}
	if _, err := a.ebs.CompleteSnapshot(t.Context(), in); err != nil {
		return err
	}
	rig.Until(t, limit, id+" is completed", func() (bool, error) {
		out, err := a.ec2.DescribeSnapshots(t.Context(), &ec2.DescribeSnapshotsInput{SnapshotIds: []string{id}})
		return err == nil && out.Snapshots[0].State == "completed", err
	})
	return nil
}

// snapshot uploads blocks filled with one byte each.
func (a *account) snapshot(t testing.TB, gib int64, fill map[int32]byte) string {
	t.Helper()
	id := a.start(t, gib)
	all := sha256.New()
	for _, i := range slices.Sorted(maps.Keys(fill)) {
		b := blockOf(fill[i])
		if err := a.put(t.Context(), id, i, b); err != nil {
			t.Fatal(err)
		}
		one := sha256.Sum256(b)
		all.Write(one[:])
	}
	if err := a.complete(t, id, len(fill), aws.String(base64.StdEncoding.EncodeToString(all.Sum(nil)))); err != nil {
		t.Fatal(err)
	}
	return id
}

func wantInvalid(t *testing.T, what string, err error, reason ebstypes.ValidationExceptionReason) {
	t.Helper()
	var v *ebstypes.ValidationException
	if !errors.As(err, &v) || v.Reason != reason {
		t.Errorf("%s: %v, want ValidationException %s", what, err, reason)
	}
}
