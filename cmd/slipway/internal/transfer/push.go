package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	ebstypes "github.com/aws/aws-sdk-go-v2/service/ebs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
)

// PushOptions say what to push and how.
type PushOptions struct {
	Path        string // of a disk in any format that disk/gate reads
	Member      string // the disk to take out of an OVA with several
	Name        string // of the machine image
	Description string
	Tags        map[string]string
	Parallel    int
	StateDir    string // where uploads are remembered
	Endpoint    string // tells the uploads of different servers apart
}

// PushResult is what a push made or found.
type PushResult struct {
	AMI       string  `json:"ami"`
	Snapshot  string  `json:"snapshot"`
	Name      string  `json:"name"`
	DiskBytes int64   `json:"disk_bytes"`
	VolumeGiB int32   `json:"volume_gib"`
	Blocks    int     `json:"blocks"`     // of 512 KiB that hold data
	SentBytes int64   `json:"sent_bytes"` // by this run
	Resumed   bool    `json:"resumed"`
	Existed   bool    `json:"existed"` // nothing was left to do
	Seconds   float64 `json:"seconds"`
}

type pusher struct {
	Clients
	o      PushOptions
	report Reporter
	retry  *retrier
	src    *source
	state  *pushState
	result PushResult

	checksum string // of all blocks together; "" when it is not known
}

// Push uploads a disk and registers a machine image of it. It may be
// called again after any failure and goes on where it was.
func Push(ctx context.Context, c Clients, o PushOptions, report Reporter) (PushResult, error) {
	begun := time.Now()
	src, err := openSource(ctx, o, report)
	if err != nil {
		return PushResult{}, err
	}
	defer src.Close()
	st, err := openState(o.StateDir, o.Path, src, o.Endpoint, o.Name)
	if err != nil {
		return PushResult{}, err
	}
	defer st.close()
	p := &pusher{Clients: c, o: o, report: report, retry: &retrier{report: report}, src: src, state: st}
	p.result = PushResult{Name: o.Name, DiskBytes: src.size, VolumeGiB: volumeGiB(src.size)}
	err = p.run(ctx)
	p.result.Snapshot, p.result.AMI = st.Snapshot, st.AMI
	p.result.Seconds = time.Since(begun).Seconds()
	return p.result, err
}

func (p *pusher) run(ctx context.Context) error {
	existed, err := p.nameTaken(ctx)
	if err != nil {
		return err
	}
	if existed {
		p.result.Existed = true
		return p.state.save()
	}
	complete, err := p.snapshot(ctx)
	if err != nil {
		return err
	}
	if !complete {
		if err := p.upload(ctx); err != nil {
			return err
		}
		if err := p.complete(ctx); err != nil {
			return err
		}
	}
	if err := p.sealed(ctx); err != nil {
		return err
	}
	return p.register(ctx)
}

// nameTaken looks for an image of the wanted name. It is ours when it was made
// from the snapshot that we remember having made from this very disk.
func (p *pusher) nameTaken(ctx context.Context) (bool, error) {
	var out *ec2.DescribeImagesOutput
	err := p.retry.do(ctx, func(ctx context.Context) (err error) {
		out, err = p.EC2.DescribeImages(ctx, &ec2.DescribeImagesInput{
			Owners:  []string{"self"},
			Filters: []types.Filter{{Name: aws.String("name"), Values: []string{p.o.Name}}},
		})
		return err
	})
	if err != nil {
		return false, err
	}
	for i := range out.Images {
		img := &out.Images[i]
		if aws.ToString(img.Name) != p.o.Name {
			continue // a filter's value may be a pattern
		}
		id, m := aws.ToString(img.ImageId), RootMapping(img)
		if m != nil && p.state.Snapshot != "" && aws.ToString(m.Ebs.SnapshotId) == p.state.Snapshot {
			p.state.AMI = id
			return true, nil
		}
		return false, refusal("the name %q is taken by %s, which was not made from this disk by this user: "+
			"choose another --name, or remove it with: aws ec2 deregister-image --image-id %s", p.o.Name, id, id)
	}
	return false, nil
}

// snapshot finds the snapshot to fill, or starts one. complete tells that it
// is full already.
func (p *pusher) snapshot(ctx context.Context) (complete bool, err error) {
	if p.state.Snapshot != "" {
		found, err := p.describe(ctx, p.state.Snapshot)
		switch {
		case err != nil:
			return false, err
		case found != nil && found.State == types.SnapshotStateCompleted:
			p.result.Resumed, p.result.Blocks = true, p.state.Done.count()
			return true, nil
		case found != nil && found.State == types.SnapshotStatePending:
			p.result.Resumed = true
			p.report.Say("Going on with %s: %d blocks are there already.", p.state.Snapshot, p.state.Done.count())
			return false, nil
		}
		p.report.Say("%s, begun by an earlier push, is gone or broken; starting anew.", p.state.Snapshot)
		p.state.reset(blocksOf(p.src.size))
	}
	if err := p.state.save(); err != nil { // before the request: the token makes it repeatable
		return false, err
	}
	tags := []ebstypes.Tag{}
	for _, k := range slices.Sorted(maps.Keys(p.tags())) {
		tags = append(tags, ebstypes.Tag{Key: aws.String(k), Value: aws.String(p.tags()[k])})
	}
	in := &ebs.StartSnapshotInput{
		VolumeSize: aws.Int64(int64(p.result.VolumeGiB)), ClientToken: &p.state.ClientToken,
		// A day to come back and go on; one hour, the default, is a short night.
		Timeout: aws.Int32(24 * 60),
	}
	if len(tags) > 0 {
		in.Tags = tags
	}
	if in.Description = aws.String(p.o.Description); p.o.Description == "" {
		in.Description = aws.String("slipway ami push " + p.o.Name)
	}
	err = p.retry.do(ctx, func(ctx context.Context) error {
		out, err := p.EBS.StartSnapshot(ctx, in)
		if err == nil {
			p.state.Snapshot = aws.ToString(out.SnapshotId)
			if n := aws.ToInt32(out.BlockSize); n != 0 && n != BlockSize {
				return fmt.Errorf("the service wants blocks of %d bytes; this program knows %d", n, BlockSize)
			}
		}
		return err
	})
	if err != nil {
		return false, err
	}
	return false, p.state.save()
}

// describe finds a snapshot; nil when there is none.
func (p *pusher) describe(ctx context.Context, id string) (*types.Snapshot, error) {
	var out *ec2.DescribeSnapshotsOutput
	err := p.retry.do(ctx, func(ctx context.Context) (err error) {
		out, err = p.EC2.DescribeSnapshots(ctx, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{id}})
		return err
	})
	if code(err) == "InvalidSnapshot.NotFound" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if len(out.Snapshots) == 0 {
		return nil, nil
	}
	return &out.Snapshots[0], nil
}

// code is the error code of an answer, "" for any other error.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

func (p *pusher) tags() map[string]string {
	t := maps.Clone(p.o.Tags)
	if p.src.size%gib != 0 {
		if t == nil {
			t = map[string]string{}
		}
		t[ExactBytesTag] = strconv.FormatInt(p.src.size, 10)
	}
	return t
}

func (p *pusher) complete(ctx context.Context) error {
	if err := p.src.unchanged(); err != nil {
		return err
	}
	p.result.Blocks = p.state.Done.count()
	in := &ebs.CompleteSnapshotInput{SnapshotId: &p.state.Snapshot, ChangedBlocksCount: aws.Int32(int32(p.result.Blocks))}
	if p.checksum != "" {
		in.Checksum, in.ChecksumAlgorithm = &p.checksum, ebstypes.ChecksumAlgorithmChecksumAlgorithmSha256
		in.ChecksumAggregationMethod = ebstypes.ChecksumAggregationMethodChecksumAggregationLinear
	}
	return p.retry.do(ctx, func(ctx context.Context) error {
		_, err := p.EBS.CompleteSnapshot(ctx, in)
		return err
	})
}

// sealed waits until the snapshot can be used.
func (p *pusher) sealed(ctx context.Context) error {
	for begun := time.Now(); ; {
		s, err := p.describe(ctx, p.state.Snapshot)
		switch {
		case err != nil:
			return err
		case s == nil:
			return fmt.Errorf("%s vanished while it was completed: push again", p.state.Snapshot)
		case s.State == types.SnapshotStateCompleted:
			return nil
		case s.State == types.SnapshotStateError:
			return fmt.Errorf("%s could not be completed: %s", p.state.Snapshot, aws.ToString(s.StateMessage))
		}
		// In proportion to what was waited already: near for a server in the
		// same room, polite for a service that takes minutes.
		timer := time.NewTimer(min(max(time.Since(begun)/10, 20*time.Millisecond), 5*time.Second))
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
	}
}

func (p *pusher) register(ctx context.Context) error {
	in := &ec2.RegisterImageInput{
		Name: &p.o.Name, Architecture: types.ArchitectureValuesX8664, VirtualizationType: aws.String("hvm"),
		BootMode: types.BootModeValuesUefi, TpmSupport: types.TpmSupportValuesV20, EnaSupport: aws.Bool(true),
		RootDeviceName: aws.String("/dev/sda1"),
		BlockDeviceMappings: []types.BlockDeviceMapping{{
			DeviceName: aws.String("/dev/sda1"),
			Ebs: &types.EbsBlockDevice{
				SnapshotId: &p.state.Snapshot, VolumeSize: &p.result.VolumeGiB, VolumeType: types.VolumeTypeGp3,
				DeleteOnTermination: aws.Bool(true),
			},
		}},
	}
	if p.o.Description != "" {
		in.Description = &p.o.Description
	}
	if t := p.tags(); len(t) > 0 {
		spec := types.TagSpecification{ResourceType: types.ResourceTypeImage}
		for _, k := range slices.Sorted(maps.Keys(t)) {
			spec.Tags = append(spec.Tags, types.Tag{Key: aws.String(k), Value: aws.String(t[k])})
		}
		in.TagSpecifications = []types.TagSpecification{spec}
	}
	err := p.retry.do(ctx, func(ctx context.Context) error {
		out, err := p.EC2.RegisterImage(ctx, in)
		if err == nil {
			p.state.AMI = aws.ToString(out.ImageId)
		}
		return err
	})
	if code(err) == "InvalidAMIName.Duplicate" {
		// An earlier try may have succeeded without its answer arriving.
		if ours, e := p.nameTaken(ctx); e != nil {
			return e
		} else if ours {
			err = nil
		}
	}
	if err != nil {
		return err
	}
	return p.state.save()
}

// send uploads one block.
func (p *pusher) send(ctx context.Context, i int, block []byte, sum string) error {
	return p.retry.do(ctx, func(ctx context.Context) error {
		_, err := p.EBS.PutSnapshotBlock(ctx, &ebs.PutSnapshotBlockInput{
			SnapshotId: &p.state.Snapshot, BlockIndex: aws.Int32(int32(i)), BlockData: bytes.NewReader(block),
			DataLength: aws.Int32(BlockSize), Checksum: &sum, ChecksumAlgorithm: ebstypes.ChecksumAlgorithmChecksumAlgorithmSha256,
		})
		return err
	})
}

// RootMapping finds the volume a machine image boots from; nil when it has
// none.
func RootMapping(i *types.Image) *types.BlockDeviceMapping {
	var found *types.BlockDeviceMapping
	for n := range i.BlockDeviceMappings {
		m := &i.BlockDeviceMappings[n]
		if m.Ebs == nil || m.Ebs.SnapshotId == nil {
			continue
		}
		if found == nil || aws.ToString(m.DeviceName) == aws.ToString(i.RootDeviceName) {
			found = m
		}
	}
	return found
}
