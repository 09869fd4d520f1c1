// Package transfer brings disks into EBS snapshots and out of them, as a
// client of the public EBS direct and EC2 APIs: it works the same against
// Slipway and against AWS.
//
// What lives here: reading and writing sparse files block by block, the upload
// and download themselves, their resumption, and the patience with a server
// that is being restarted. What may not: flags, printing (see Reporter), where
// credentials come from, and anything only Slipway's own server would know.
package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// BlockSize is the size of every block of the EBS direct APIs.
const BlockSize = 512 << 10

const gib = 1 << 30

// ExactBytesTag holds the size of a disk that is no whole number of GiB, which
// is all that volumes can express.
const ExactBytesTag = "slipway:disk-bytes"

// EBS is what is used of the EBS direct APIs; *ebs.Client has it. Requests are
// repeated here, so the client should send each once.
type EBS interface {
	StartSnapshot(context.Context, *ebs.StartSnapshotInput, ...func(*ebs.Options)) (*ebs.StartSnapshotOutput, error)
	PutSnapshotBlock(context.Context, *ebs.PutSnapshotBlockInput, ...func(*ebs.Options)) (*ebs.PutSnapshotBlockOutput, error)
	CompleteSnapshot(context.Context, *ebs.CompleteSnapshotInput, ...func(*ebs.Options)) (*ebs.CompleteSnapshotOutput, error)
	ListSnapshotBlocks(context.Context, *ebs.ListSnapshotBlocksInput, ...func(*ebs.Options)) (*ebs.ListSnapshotBlocksOutput, error)
	GetSnapshotBlock(context.Context, *ebs.GetSnapshotBlockInput, ...func(*ebs.Options)) (*ebs.GetSnapshotBlockOutput, error)
}

// EC2 is what is used of EC2; *ec2.Client has it.
type EC2 interface {
	DescribeImages(context.Context, *ec2.DescribeImagesInput, ...func(*ec2.Options)) (*ec2.DescribeImagesOutput, error)
	DescribeSnapshots(context.Context, *ec2.DescribeSnapshotsInput, ...func(*ec2.Options)) (*ec2.DescribeSnapshotsOutput, error)
	RegisterImage(context.Context, *ec2.RegisterImageInput, ...func(*ec2.Options)) (*ec2.RegisterImageOutput, error)
}

// Clients are the two services a transfer talks to.
type Clients struct {
	EBS EBS
	EC2 EC2
}

// Reporter is told how a transfer goes. Its methods may be called by several
// goroutines at once and must not block for long.
type Reporter interface {
	// Start begins a stretch of total bytes, done of which need no work.
	Start(label string, done, total int64)
	// Add counts bytes of the stretch.
	Add(n int64)
	// Say tells the user something beside the progress.
	Say(format string, args ...any)
	// End ends the stretch.
	End()
}

var zeros [BlockSize]byte

func checksum(block []byte) string {
	sum := sha256.Sum256(block)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// volumeGiB is the size of the smallest volume that takes a disk.
func volumeGiB(bytes int64) int32 { return int32((bytes + gib - 1) / gib) }

func blocksOf(bytes int64) int { return int((bytes + BlockSize - 1) / BlockSize) }

// refusal is an error that no repetition cures, with its remedy.
func refusal(format string, args ...any) error { return fmt.Errorf(format, args...) }
