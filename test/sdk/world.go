package sdk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	ebstypes "github.com/aws/aws-sdk-go-v2/service/ebs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"slipway/test/rig"
)

const (
	trust      = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"appstream.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	otherTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	importable = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ec2:ModifyImageAttribute","ec2:DescribeImages"],"Resource":"*"}]}`
	exportable = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ec2:CopyImage","ec2:DescribeImages","ec2:CreateTags"],"Resource":"*"}]}`

	block = 512 << 10
	limit = 2 * time.Minute // for anything that goes on behind a request
)

// world is a server with one good role, one good AMI, and clients.
type world struct {
	t    *testing.T
	ctx  context.Context
	srv  *rig.Server
	wire *recorder
	cfg  aws.Config

	app *appstream.Client
	ec2 *ec2.Client
	ebs *ebs.Client
	iam *iam.Client
	sts *sts.Client

	disk     string // file of the disk that was pushed
	snapshot string
	ami      string
	role     string
}

func newWorld(t *testing.T, disk string, srv *rig.Server) *world {
	w := &world{t: t, ctx: t.Context(), srv: srv, disk: disk, wire: &recorder{sent: map[Protocol]int{}}}
	w.cfg = aws.Config{
		Region: srv.Client.Region, BaseEndpoint: aws.String(srv.Endpoint), HTTPClient: &http.Client{Transport: w.wire},
		Credentials: credentials.NewStaticCredentialsProvider(srv.Client.AccessKeyID, srv.Client.SecretAccessKey, ""),
	}
	w.app, w.ec2, w.ebs = appstream.NewFromConfig(w.cfg), ec2.NewFromConfig(w.cfg), ebs.NewFromConfig(w.cfg)
	w.iam, w.sts = iam.NewFromConfig(w.cfg), sts.NewFromConfig(w.cfg)
	w.role = w.newRole("mover", trust, importable, exportable)
	w.snapshot = w.push(disk)
	w.ami = w.register("good", nil)
	return w
}

// at is the same world for a part of the test.
func (w *world) at(t *testing.T) *world {
	c := *w
	c.t, c.ctx = t, t.Context()
	return &c
}

// ok ends the test on an error.
func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) until(what string, yes func() (bool, error)) {
	w.t.Helper()
	rig.Until(w.t, limit, what, yes)
}

// recorder sends requests on and counts in which protocol AppStream was asked.
type recorder struct {
	mu   sync.Mutex
	sent map[Protocol]int
}

func (r *recorder) RoundTrip(q *http.Request) (*http.Response, error) {
	for _, p := range []Protocol{JSON, CBOR} {
		if q.Header.Get(string(p)) != "" {
			r.mu.Lock()
			r.sent[p]++
			r.mu.Unlock()
		}
	}
	return http.DefaultTransport.RoundTrip(q)
}

// count is how often AppStream was asked.
func (r *recorder) count() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range r.sent {
		n += k
	}
	return n
}

func (w *world) newRole(name, trust string, policies ...string) (arn string) {
	w.t.Helper()
	out, err := w.iam.CreateRole(w.ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
	w.ok(err)
	for i, p := range policies {
		_, err := w.iam.PutRolePolicy(w.ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String(fmt.Sprintf("p%d", i)), PolicyDocument: &p})
		w.ok(err)
	}
	return *out.Role.Arn
}

// push uploads a disk through the EBS direct APIs and waits with EC2's own
// waiter until the snapshot is complete.
func (w *world) push(disk string) (snapshot string) {
	w.t.Helper()
	f, err := os.Open(disk)
	w.ok(err)
	defer f.Close()
	st, err := f.Stat()
	w.ok(err)
	s, err := w.ebs.StartSnapshot(w.ctx, &ebs.StartSnapshotInput{
		VolumeSize: aws.Int64(st.Size() >> 30), Description: aws.String("pushed by the Go SDK"),
		Tags: []ebstypes.Tag{{Key: aws.String("from"), Value: aws.String("sdk")}},
	})
	w.ok(err)
	if *s.BlockSize != block || *s.VolumeSize != st.Size()>>30 || s.Status != ebstypes.StatusPending || near(s.StartTime) != nil {
		w.t.Errorf("new snapshot: %d blocks of %d, %s, %v", *s.VolumeSize, *s.BlockSize, s.Status, s.StartTime)
	}
	sent, buf := int32(0), make([]byte, block)
	for i := int32(0); ; i++ {
		if _, err := io.ReadFull(f, buf); err == io.EOF {
			break
		} else if err != nil {
			w.ok(err)
		}
		if bytes.Count(buf, []byte{0}) == len(buf) {
			continue
		}
		sum := sha256.Sum256(buf)
		checksum := base64.StdEncoding.EncodeToString(sum[:])
		out, err := w.ebs.PutSnapshotBlock(w.ctx, &ebs.PutSnapshotBlockInput{
			SnapshotId: s.SnapshotId, BlockIndex: aws.Int32(i), BlockData: bytes.NewReader(buf), DataLength: aws.Int32(block),
			Checksum: &checksum, ChecksumAlgorithm: ebstypes.ChecksumAlgorithmChecksumAlgorithmSha256,
		})
		w.ok(err)
		if aws.ToString(out.Checksum) != checksum {
			w.t.Errorf("block %d: checksum %v", i, out.Checksum)
		}
		sent++
	}
	_, err = w.ebs.CompleteSnapshot(w.ctx, &ebs.CompleteSnapshotInput{SnapshotId: s.SnapshotId, ChangedBlocksCount: &sent})
	w.ok(err)
	wait := ec2.NewSnapshotCompletedWaiter(w.ec2, func(o *ec2.SnapshotCompletedWaiterOptions) {
		o.MinDelay, o.MaxDelay = 20*time.Millisecond, 100*time.Millisecond
	})
	w.ok(wait.Wait(w.ctx, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{*s.SnapshotId}}, limit))
	return *s.SnapshotId
}

// digest reads a snapshot's blocks, pages and all, and sums the whole volume.
func (w *world) digest(snapshot string) string {
	w.t.Helper()
	sum, next, zero := sha256.New(), int32(0), make([]byte, block)
	size := int64(0)
	pages := ebs.NewListSnapshotBlocksPaginator(w.ebs, &ebs.ListSnapshotBlocksInput{SnapshotId: &snapshot, MaxResults: aws.Int32(100)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(w.ctx)
		w.ok(err)
		size = *page.VolumeSize << 30
		for _, b := range page.Blocks {
			for ; next < *b.BlockIndex; next++ {
				sum.Write(zero)
			}
			out, err := w.ebs.GetSnapshotBlock(w.ctx, &ebs.GetSnapshotBlockInput{SnapshotId: &snapshot, BlockIndex: b.BlockIndex, BlockToken: b.BlockToken})
			w.ok(err)
			data, err := io.ReadAll(out.BlockData)
			w.ok(err)
			w.ok(out.BlockData.Close())
			is := sha256.Sum256(data)
			if base64.StdEncoding.EncodeToString(is[:]) != *out.Checksum {
				w.t.Errorf("block %d is not what its checksum says", next)
			}
			sum.Write(data)
			next++
		}
	}
	for ; int64(next)*block < size; next++ {
		sum.Write(zero)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// fileDigest sums a file.
func (w *world) fileDigest(path string) string {
	w.t.Helper()
	f, err := os.Open(path)
	w.ok(err)
	defer f.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	w.ok(err)
	return hex.EncodeToString(sum.Sum(nil))
}

// register makes an AMI of the pushed disk that can be imported, unless change
// spoils it.
func (w *world) register(name string, change func(*ec2.RegisterImageInput)) (id string) {
	w.t.Helper()
	in := &ec2.RegisterImageInput{
		Name: &name, Architecture: ec2types.ArchitectureValuesX8664, VirtualizationType: aws.String("hvm"), RootDeviceName: aws.String("/dev/sda1"),
		BootMode: ec2types.BootModeValuesUefi, TpmSupport: ec2types.TpmSupportValuesV20, EnaSupport: aws.Bool(true),
		BlockDeviceMappings: []ec2types.BlockDeviceMapping{{DeviceName: aws.String("/dev/sda1"), Ebs: &ec2types.EbsBlockDevice{
			SnapshotId: &w.snapshot, VolumeType: ec2types.VolumeTypeGp3,
		}}},
	}
	if change != nil {
		change(in)
	}
	out, err := w.ec2.RegisterImage(w.ctx, in)
	w.ok(err)
	return *out.ImageId
}

// near refuses a time that is not about now: one of the year 1970 or 55,000 is
// how wrong units look.
func near(at *time.Time) error {
	if at == nil {
		return fmt.Errorf("the time is missing")
	}
	if d := time.Since(*at); d < -time.Minute || d > 10*time.Minute {
		return fmt.Errorf("the time is %s, which is %s ago", at, d)
	}
	return nil
}
