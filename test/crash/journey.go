package crash

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	ebstypes "github.com/aws/aws-sdk-go-v2/service/ebs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"slipway/test/rig"
	"slipway/test/rig/clients"
)

// Odds are how many journeys of a hundred do something.
type Odds struct {
	Abandon  int // leave the upload half way
	Validate int // ask for the runtime validation
	Fault    int // of those: have a guest that fails (fake machines only)
	Cancel   int // cancel the import's job
	Delete   int // delete the image in the end, and deregister the AMI
	Build    int // of the images: run an image builder of them
}

// journey is one client's way from an upload to an export.
type journey struct {
	*Rig
	c      *clients.Clients
	n      int
	region string
	rng    *rand.Rand
	mark   []byte // the block that makes this disk another one
	at     int64  // where it lies
	snap   string
	ami    string
}

// travel makes journeys until the storm is over.
func (r *Rig) travel() {
	for {
		r.mu.Lock()
		n, end := r.next, r.ending
		r.next++
		r.mu.Unlock()
		if end {
			return
		}
		j := &journey{Rig: r, c: r.clients.In(region(n)), n: n, region: region(n), rng: rand.New(rand.NewPCG(r.o.Seed, uint64(n)+1000))}
		if err := j.run(); err != nil {
			r.fail("journey %d: %v", n, err)
		}
	}
}

// perRegion is few: there is a quota of images.
const perRegion = 4

// region is where a journey takes place.
func region(n int) string { return fmt.Sprintf("crash-%d", n/perRegion+1) }

func (j *journey) chance(percent int) bool { return j.rng.IntN(100) < percent }

func (j *journey) run() error {
	disk := j.o.Disks[j.rng.IntN(len(j.o.Disks))]
	if sealed, err := j.upload(disk); err != nil || !sealed {
		return err
	}
	if err := j.register(); err != nil {
		return err
	}
	available, err := j.importImage()
	if err != nil {
		return err
	}
	if available {
		if err := j.export(); err != nil {
			return err
		}
		if j.chance(j.o.Odds.Build) {
			if err := j.build(); err != nil {
				return err
			}
		}
	}
	if j.chance(j.o.Odds.Delete) {
		return j.remove()
	}
	return nil
}

// upload makes a snapshot; false when it was given up, or failed with a reason.
func (j *journey) upload(d Disk) (sealed bool, err error) {
	token := fmt.Sprintf("journey-%d", j.n)
	_, err = j.call(func() error {
		out, err := j.c.EBS.StartSnapshot(j.ctx, &ebs.StartSnapshotInput{VolumeSize: aws.Int64(d.GiB), ClientToken: &token, Timeout: aws.Int32(60)})
		if err == nil {
			j.snap = aws.ToString(out.SnapshotId)
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("StartSnapshot: %w", err)
	}
	leave := j.chance(j.o.Odds.Abandon)
	state := ""
	if leave {
		state = "pending"
	}
	j.ledger.set(func() { j.ledger.snapshots[j.snap] = state })
	// Two journeys have the same disk: the second is sealed into the first's.
	j.mark, j.at = make([]byte, blockSize), d.Free
	binary.LittleEndian.PutUint64(j.mark, uint64(j.n/2)+1)
	sent := 0
	for i, b := range d.Blocks {
		if leave && sent > len(d.Blocks)/2 {
			return false, nil
		}
		if err := j.put(i, b); err != nil {
			return false, err
		}
		sent++
	}
	if err := j.put(j.at, j.mark); err != nil {
		return false, err
	}
	_, err = j.call(func() error {
		_, err := j.c.EBS.CompleteSnapshot(j.ctx, &ebs.CompleteSnapshotInput{SnapshotId: &j.snap, ChangedBlocksCount: aws.Int32(int32(sent + 1))})
		return err
	})
	if err != nil {
		return false, fmt.Errorf("CompleteSnapshot: %w", err)
	}
	j.ledger.count("snapshot", accepted)
	return j.sealed()
}

func (j *journey) put(i int64, block []byte) error {
	sum := sha256.Sum256(block)
	_, err := j.call(func() error {
		_, err := j.c.EBS.PutSnapshotBlock(j.ctx, &ebs.PutSnapshotBlockInput{
			SnapshotId: &j.snap, BlockIndex: aws.Int32(int32(i)), BlockData: bytes.NewReader(block), DataLength: aws.Int32(blockSize),
			Checksum: aws.String(base64.StdEncoding.EncodeToString(sum[:])), ChecksumAlgorithm: ebstypes.ChecksumAlgorithmChecksumAlgorithmSha256,
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("PutSnapshotBlock: %w", err)
	}
	return nil
}

// sealed waits for the snapshot's end.
func (j *journey) sealed() (bool, error) {
	var state types.SnapshotState
	var why string
	err := rig.Poll(j.ctx, j.o.Limit, again, func() (bool, error) {
		var out *ec2.DescribeSnapshotsOutput
		_, err := j.call(func() (err error) {
			out, err = j.c.EC2.DescribeSnapshots(j.ctx, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{j.snap}})
			return err
		})
		if err != nil || len(out.Snapshots) != 1 {
			return false, fmt.Errorf("%s: %w", j.snap, err)
		}
		state, why = out.Snapshots[0].State, aws.ToString(out.Snapshots[0].StateMessage)
		return state != types.SnapshotStatePending, nil
	})
	switch {
	case err != nil:
		return false, fmt.Errorf("the snapshot: %w", err)
	case state == types.SnapshotStateCompleted:
		j.ledger.count("snapshot", done)
		return true, nil
	case why == "":
		return false, fmt.Errorf("snapshot %s is %s and says not why", j.snap, state)
	}
	j.ledger.count("snapshot", failed)
	return false, nil
}

func (j *journey) register() error {
	name := fmt.Sprintf("ami-of-%d", j.n)
	unsure, err := j.call(func() error {
		out, err := j.c.EC2.RegisterImage(j.ctx, &ec2.RegisterImageInput{
			Name: &name, Architecture: types.ArchitectureValuesX8664, VirtualizationType: aws.String("hvm"), BootMode: types.BootModeValuesUefi,
			EnaSupport: aws.Bool(true), RootDeviceName: aws.String("/dev/sda1"),
			BlockDeviceMappings: []types.BlockDeviceMapping{{DeviceName: aws.String("/dev/sda1"), Ebs: &types.EbsBlockDevice{SnapshotId: &j.snap}}},
		})
		if err == nil {
			j.ami = aws.ToString(out.ImageId)
		}
		return err
	})
	if unsure && code(err) == "InvalidAMIName.Duplicate" {
		j.ami, err = j.amiCalled(name)
	}
	if err != nil {
		return fmt.Errorf("RegisterImage: %w", err)
	}
	j.ledger.set(func() { j.ledger.amis[j.region+"/"+name] = j.ami })
	return nil
}

// amiCalled finds the one AMI of a name.
func (j *journey) amiCalled(name string) (string, error) {
	var out *ec2.DescribeImagesOutput
	_, err := j.call(func() (err error) {
		out, err = j.c.EC2.DescribeImages(j.ctx, &ec2.DescribeImagesInput{Filters: []types.Filter{{Name: aws.String("name"), Values: []string{name}}}})
		return err
	})
	if err != nil {
		return "", err
	}
	if len(out.Images) != 1 {
		return "", fmt.Errorf("%d AMIs are called %s", len(out.Images), name)
	}
	return aws.ToString(out.Images[0].ImageId), nil
}

// marked compares the block that makes the disk another one with that of a
// snapshot.
func (j *journey) marked(snap string) error {
	var list *ebs.ListSnapshotBlocksOutput
	_, err := j.call(func() (err error) {
		list, err = j.c.EBS.ListSnapshotBlocks(j.ctx, &ebs.ListSnapshotBlocksInput{SnapshotId: &snap, StartingBlockIndex: aws.Int32(int32(j.at))})
		return err
	})
	if err != nil {
		return err
	}
	if len(list.Blocks) == 0 || int64(aws.ToInt32(list.Blocks[0].BlockIndex)) != j.at {
		return fmt.Errorf("%s has no block %d", snap, j.at)
	}
	var got []byte
	_, err = j.call(func() error {
		out, err := j.c.EBS.GetSnapshotBlock(j.ctx, &ebs.GetSnapshotBlockInput{SnapshotId: &snap, BlockIndex: list.Blocks[0].BlockIndex, BlockToken: list.Blocks[0].BlockToken})
		if err != nil {
			return err
		}
		defer out.BlockData.Close()
		got, err = io.ReadAll(out.BlockData)
		return err
	})
	if err == nil && !bytes.Equal(got, j.mark) {
		err = fmt.Errorf("block %d of %s has other bytes than were uploaded", j.at, snap)
	}
	return err
}
