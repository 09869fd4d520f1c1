package transfer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	ebstypes "github.com/aws/aws-sdk-go-v2/service/ebs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// PullOptions say what to pull and where to.
type PullOptions struct {
	AMI      string
	Out      string
	Force    bool // replace Out when it exists
	Parallel int
}

// PullResult is what a pull made.
type PullResult struct {
	AMI       string  `json:"ami"`
	Snapshot  string  `json:"snapshot"`
	Path      string  `json:"path"`
	DiskBytes int64   `json:"disk_bytes"`
	Blocks    int     `json:"blocks"`         // of 512 KiB that the snapshot holds
	GotBytes  int64   `json:"received_bytes"` // by this run
	Resumed   bool    `json:"resumed"`
	Seconds   float64 `json:"seconds"`
}

// pullState stands beside a partial file and says which blocks it holds.
type pullState struct {
	Version  int     `json:"version"`
	Snapshot string  `json:"snapshot"`
	Size     int64   `json:"size"`
	Done     *bitmap `json:"done"`
}

type puller struct {
	Clients
	o       PullOptions
	report  Reporter
	retry   *retrier
	part    *os.File
	sidecar string
	state   pullState
	mu      sync.Mutex
	result  PullResult
}

// Pull downloads the boot disk of a machine image into a sparse raw file. The
// file appears under its name when it is whole and on the disk; a pull that was
// cut short goes on when it is called again.
func Pull(ctx context.Context, c Clients, o PullOptions, report Reporter) (PullResult, error) {
	begun := time.Now()
	p := &puller{Clients: c, o: o, report: report, retry: &retrier{report: report}}
	p.result = PullResult{AMI: o.AMI, Path: o.Out}
	if info, err := os.Stat(o.Out); err == nil && (info.IsDir() || !o.Force) {
		if info.IsDir() {
			return p.result, refusal("%s is a directory: name the file to write", o.Out)
		}
		return p.result, refusal("%s exists: choose another name, or replace it with --force", o.Out)
	}
	if err := p.find(ctx); err != nil {
		return p.result, err
	}
	if err := p.open(); err != nil {
		return p.result, err
	}
	defer p.part.Close()
	if err := p.download(ctx); err != nil {
		return p.result, err
	}
	err := p.publish()
	p.result.Seconds = time.Since(begun).Seconds()
	return p.result, err
}

// find learns which snapshot to read and how large the disk is.
func (p *puller) find(ctx context.Context) error {
	var out *ec2.DescribeImagesOutput
	err := p.retry.do(ctx, func(ctx context.Context) (err error) {
		out, err = p.EC2.DescribeImages(ctx, &ec2.DescribeImagesInput{ImageIds: []string{p.o.AMI}})
		return err
	})
	if err != nil {
		return err
	}
	if len(out.Images) != 1 {
		return refusal("there is no machine image %s: list yours with slipway ami ls", p.o.AMI)
	}
	img := &out.Images[0]
	m := RootMapping(img)
	if m == nil {
		return refusal("%s has no EBS volume to pull", p.o.AMI)
	}
	if n := len(img.BlockDeviceMappings); n > 1 {
		p.report.Say("%s has %d volumes; pulling the one it boots from, %s.", p.o.AMI, n, aws.ToString(m.DeviceName))
	}
	p.state = pullState{Version: stateVersion, Snapshot: aws.ToString(m.Ebs.SnapshotId), Size: int64(aws.ToInt32(m.Ebs.VolumeSize)) * gib}
	for _, t := range img.Tags {
		if aws.ToString(t.Key) != ExactBytesTag {
			continue
		}
		n, err := strconv.ParseInt(aws.ToString(t.Value), 10, 64)
		if err != nil || n < 1 || n > p.state.Size {
			return refusal("the tag %s of %s is %q, which is no size of a disk of %d GiB: correct or remove it",
				ExactBytesTag, p.o.AMI, aws.ToString(t.Value), p.state.Size/gib)
		}
		p.state.Size = n
	}
	if p.state.Size == 0 {
		return refusal("%s does not say how large its volume is", p.o.AMI)
	}
	p.state.Done = newBitmap(blocksOf(p.state.Size))
	p.result.Snapshot, p.result.DiskBytes = p.state.Snapshot, p.state.Size
	return nil
}

// open takes the partial file: an earlier one when it is of the same disk.
func (p *puller) open() error {
	path := p.o.Out + ".part"
	p.sidecar = path + ".json"
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return refusal("%s is being written by another pull: wait for it, or end it", path)
	}
	p.part = f
	var old pullState
	if b, err := os.ReadFile(p.sidecar); err == nil && json.Unmarshal(b, &old) == nil &&
		old.Version == stateVersion && old.Snapshot == p.state.Snapshot && old.Size == p.state.Size &&
		old.Done.fits(blocksOf(p.state.Size)) && sizeOf(f) == p.state.Size {
		p.state.Done, p.result.Resumed = old.Done, true
		p.report.Say("Going on with %s: %d blocks are there already.", path, old.Done.count())
		return nil
	}
	if err := os.Remove(p.sidecar); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return errors.Join(f.Truncate(0), f.Truncate(p.state.Size))
}

func sizeOf(f *os.File) int64 {
	info, err := f.Stat()
	if err != nil {
		return -1
	}
	return info.Size()
}

// save records what the partial file holds. The data goes to the disk first:
// after a power cut the record must not promise blocks that are not there.
func (p *puller) save() error {
	b, err := json.Marshal(p.state)
	if err != nil {
		return err
	}
	if err := syscall.Fdatasync(int(p.part.Fd())); err != nil {
		return fmt.Errorf("write %s: %w", p.part.Name(), err)
	}
	return replaceFile(p.sidecar, b)
}

// block is one block of the snapshot to fetch.
type block struct {
	index int
	token string
}

func (p *puller) download(ctx context.Context) error {
	count, err := p.countBlocks(ctx)
	if err != nil {
		return err
	}
	p.result.Blocks = count
	p.report.Start("download", int64(p.state.Done.count())*BlockSize, int64(count)*BlockSize)
	defer p.report.End()
	var listing error
	todo := func(give func(block) bool) {
		_, listing = p.list(ctx, 0, func(b ebstypes.Block) bool {
			i := int(aws.ToInt32(b.BlockIndex))
			return i >= 0 && i < blocksOf(p.result.DiskBytes) && p.state.Done.has(i) || give(block{i, aws.ToString(b.BlockToken)})
		})
	}
	buffers := sync.Pool{New: func() any { b := make([]byte, BlockSize); return &b }}
	err = inParallel(ctx, p.o.Parallel, todo, p.save, func(ctx context.Context, b block) error {
		buf := buffers.Get().(*[]byte)
		defer buffers.Put(buf)
		if err := p.fetch(ctx, b, *buf); err != nil {
			return err
		}
		return p.write(b.index, *buf)
	})
	return errors.Join(err, listing)
}

// write puts a block into the partial file.
func (p *puller) write(i int, data []byte) error {
	at := int64(i) * BlockSize
	inside := min(max(p.state.Size-at, 0), BlockSize)
	if !bytes.Equal(data[inside:], zeros[inside:]) {
		return refusal("%s has data beyond %d bytes, where its tag %s says that the disk ends: remove the tag and pull again",
			p.state.Snapshot, p.state.Size, ExactBytesTag)
	}
	if i < 0 || inside == 0 {
		return nil
	}
	// What was never written is a hole already; a resumed file may hold
	// anything.
	if p.result.Resumed || !bytes.Equal(data, zeros[:]) {
		if _, err := p.part.WriteAt(data[:inside], at); err != nil {
			return err
		}
	}
	p.state.Done.set(i)
	p.mu.Lock()
	p.result.GotBytes += BlockSize
	p.mu.Unlock()
	p.report.Add(BlockSize)
	return nil
}

// fetch gets one block and verifies it.
func (p *puller) fetch(ctx context.Context, b block, buf []byte) error {
	get := func(ctx context.Context) (*ebs.GetSnapshotBlockOutput, error) {
		return p.EBS.GetSnapshotBlock(ctx, &ebs.GetSnapshotBlockInput{
			SnapshotId: &p.state.Snapshot, BlockIndex: aws.Int32(int32(b.index)), BlockToken: &b.token,
		})
	}
	return p.retry.do(ctx, func(ctx context.Context) error {
		out, err := get(ctx)
		if code(err) == "ValidationException" {
			// Tokens expire, and may not outlive a server's restart.
			if b.token, err = p.renew(ctx, b.index); err == nil {
				out, err = get(ctx)
			}
		}
		if err != nil {
			return err
		}
		defer out.BlockData.Close()
		if n := aws.ToInt32(out.DataLength); n != BlockSize {
			return fmt.Errorf("block %d came with %d bytes instead of %d", b.index, n, BlockSize)
		}
		if _, err := io.ReadFull(out.BlockData, buf); err != nil {
			return fmt.Errorf("%w: block %d broke off: %w", errAgain, b.index, err)
		}
		if got := checksum(buf); got != aws.ToString(out.Checksum) {
			return fmt.Errorf("%w: block %d has checksum %s instead of %s", errAgain, b.index, got, aws.ToString(out.Checksum))
		}
		return nil
	})
}

// renew gets a fresh token for one block.
func (p *puller) renew(ctx context.Context, index int) (token string, err error) {
	_, err = p.list(ctx, index, func(b ebstypes.Block) bool {
		if int(aws.ToInt32(b.BlockIndex)) == index {
			token = aws.ToString(b.BlockToken)
		}
		return false
	})
	if err == nil && token == "" {
		err = fmt.Errorf("block %d of %s is gone", index, p.state.Snapshot)
	}
	return token, err
}

// list gives the blocks of the snapshot in order from one on; it stops when
// give says false, and counts what it gave.
func (p *puller) list(ctx context.Context, from int, give func(ebstypes.Block) bool) (n int, err error) {
	in := &ebs.ListSnapshotBlocksInput{SnapshotId: &p.state.Snapshot, StartingBlockIndex: aws.Int32(int32(from)), MaxResults: aws.Int32(10000)}
	for {
		var out *ebs.ListSnapshotBlocksOutput
		err := p.retry.do(ctx, func(ctx context.Context) (err error) {
			out, err = p.EBS.ListSnapshotBlocks(ctx, in)
			return err
		})
		if err != nil {
			return n, err
		}
		for _, b := range out.Blocks {
			n++
			if !give(b) {
				return n, nil
			}
		}
		if aws.ToString(out.NextToken) == "" {
			return n, nil
		}
		in.NextToken = out.NextToken
	}
}

// countBlocks makes progress a fraction: the service does not say how many
// blocks there are.
func (p *puller) countBlocks(ctx context.Context) (int, error) {
	return p.list(ctx, 0, func(ebstypes.Block) bool { return true })
}

// publish makes the finished file durable and gives it its name.
func (p *puller) publish() error {
	if err := p.part.Sync(); err != nil {
		return fmt.Errorf("write %s: %w", p.part.Name(), err)
	}
	if err := os.Rename(p.part.Name(), p.o.Out); err != nil {
		return err
	}
	if err := os.Remove(p.sidecar); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	dir, err := os.Open(filepath.Dir(p.o.Out))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
