package disks

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"slipway/api/admin/adminapi"
	"slipway/test/rig"
)

// tenant makes an account and its root's clients.
func tenant(t *testing.T, s *rig.Server) *account {
	t.Helper()
	var n adminapi.NewAccount
	if err := json.Unmarshal([]byte(s.Must("account", "create", "--json")), &n); err != nil {
		t.Fatal(err)
	}
	return clients(s, n.Account.ID, n.Key.ID, n.Key.Secret)
}

// cli runs a command as the root of this account.
func (a *account) cli(t *testing.T, s *rig.Server, args ...string) (string, error) {
	cmd := exec.Command(rig.Bin(t), args...)
	cmd.Env = append(rig.Environ(), "AWS_ENDPOINT_URL="+s.Endpoint, "AWS_REGION="+s.Client.Region, "AWS_ACCESS_KEY_ID="+a.key, "AWS_SECRET_ACCESS_KEY="+a.secret)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func disksOf(t *testing.T, text string) (out []adminapi.Disk) {
	t.Helper()
	var l adminapi.Disks
	if err := json.Unmarshal([]byte(text), &l); err != nil {
		t.Fatal(err, text)
	}
	return l.Disks
}

// Whoever knows a digest knows nothing else: another account gets a disk by
// having sent all of its bytes, or by being given access to a snapshot, and by
// nothing else. What it sends is stored once and nobody is told.
func TestNobodyGetsADiskByItsDigest(t *testing.T) {
	s := rig.Start(t, "--compute=fake", "--scrub-rate=0")
	me, you := operator(s), tenant(t, s)
	fill := map[int32]byte{0: 1, 9: 2, 2047: 3}
	mine := me.snapshot(t, 1, fill)
	all := disksOf(t, s.Must("disk", "ls", "--json"))
	if len(all) != 1 {
		t.Fatal(all)
	}
	digest := all[0].Digest

	you.refused(t, s, mine, digest)

	// Some of the bytes are not enough, whatever is claimed about the rest.
	part := you.start(t, 1)
	if err := you.put(t.Context(), part, 0, blockOf(1)); err != nil {
		t.Fatal(err)
	}
	wrong := blockOf(7)
	_, err := you.ebs.PutSnapshotBlock(t.Context(), &ebs.PutSnapshotBlockInput{SnapshotId: &part, BlockIndex: aws.Int32(9), BlockData: strings.NewReader(string(wrong)),
		DataLength: aws.Int32(blockSize), Checksum: sum64(blockOf(2)), ChecksumAlgorithm: "SHA256"})
	if err == nil {
		t.Error("the checksum of a block was taken for the block")
	}
	if err := you.complete(t, part, 3, nil); err == nil {
		t.Error("three blocks were claimed and one was sent")
	}
	if err := you.complete(t, part, 1, nil); err != nil {
		t.Fatal(err)
	}
	for _, d := range disksOf(t, must(you.cli(t, s, "disk", "ls", "--json"))) {
		if d.Digest == digest || len(d.Users) != 1 || d.Users[0].Name != part {
			t.Errorf("a third of the bytes gave %+v", d)
		}
	}

	// All of the bytes are, and the disk is stored once.
	yours := you.snapshot(t, 1, fill)
	if all := disksOf(t, s.Must("disk", "ls", "--json")); len(all) != 2 {
		t.Errorf("%d disks are stored, want 2", len(all))
	}
	list := disksOf(t, must(you.cli(t, s, "disk", "ls", "--json")))
	if text := fmt.Sprint(list); len(list) != 2 || strings.Contains(text, mine) || strings.Contains(text, me.id) {
		t.Errorf("told of others: %s", text)
	}
	var u adminapi.Usage
	if err := json.Unmarshal([]byte(must(you.cli(t, s, "disk", "usage", "--json"))), &u); err != nil || len(u.Accounts) != 1 ||
		u.Accounts[0].Account != you.id || u.Accounts[0].DataBytes != 4*blockSize || u.Accounts[0].ShareBytes != nil || u.Accounts[0].OwnBytes != nil {
		t.Errorf("%+v %v", u, err)
	}

	// One account's copy goes, the other's stays.
	if _, err := me.ec2.DeleteSnapshot(t.Context(), &ec2.DeleteSnapshotInput{SnapshotId: &mine}); err != nil {
		t.Fatal(err)
	}
	if n := len(you.changes(t, nil, yours)); n != 3 {
		t.Errorf("%d blocks are left", n)
	}
}

// refused tries every way to another account's snapshot that takes an id or a
// digest.
func (a *account) refused(t *testing.T, s *rig.Server, snap, digest string) {
	t.Helper()
	ctx, own := t.Context(), a.start(t, 1)
	for what, try := range map[string]func(id string) error{
		"ListSnapshotBlocks": func(id string) error {
			_, err := a.ebs.ListSnapshotBlocks(ctx, &ebs.ListSnapshotBlocksInput{SnapshotId: &id})
			return err
		},
		"ListChangedBlocks, first": func(id string) error {
			_, err := a.ebs.ListChangedBlocks(ctx, &ebs.ListChangedBlocksInput{FirstSnapshotId: &id, SecondSnapshotId: &own})
			return err
		},
		"ListChangedBlocks, second": func(id string) error {
			_, err := a.ebs.ListChangedBlocks(ctx, &ebs.ListChangedBlocksInput{SecondSnapshotId: &id})
			return err
		},
		"GetSnapshotBlock": func(id string) error {
			// A block token can be guessed: it grants nothing.
			_, err := a.ebs.GetSnapshotBlock(ctx, &ebs.GetSnapshotBlockInput{SnapshotId: &id, BlockIndex: aws.Int32(0), BlockToken: sum64([]byte(id))})
			return err
		},
		"PutSnapshotBlock": func(id string) error { return a.put(ctx, id, 0, blockOf(9)) },
		"CompleteSnapshot": func(id string) error {
			_, err := a.ebs.CompleteSnapshot(ctx, &ebs.CompleteSnapshotInput{SnapshotId: &id, ChangedBlocksCount: aws.Int32(3)})
			return err
		},
		"StartSnapshot, parent": func(id string) error {
			_, err := a.ebs.StartSnapshot(ctx, &ebs.StartSnapshotInput{VolumeSize: aws.Int64(1), ParentSnapshotId: &id})
			return err
		},
		"CopySnapshot": func(id string) error {
			_, err := a.ec2.CopySnapshot(ctx, &ec2.CopySnapshotInput{SourceSnapshotId: &id, SourceRegion: &s.Client.Region})
			return err
		},
		"RegisterImage": func(id string) error {
			_, err := a.ec2.RegisterImage(ctx, &ec2.RegisterImageInput{Name: aws.String("stolen"), RootDeviceName: aws.String("/dev/sda1"), Architecture: "x86_64",
				BlockDeviceMappings: []ec2types.BlockDeviceMapping{{DeviceName: aws.String("/dev/sda1"), Ebs: &ec2types.EbsBlockDevice{SnapshotId: &id}}}})
			return err
		},
		"ModifySnapshotAttribute": func(id string) error {
			_, err := a.ec2.ModifySnapshotAttribute(ctx, &ec2.ModifySnapshotAttributeInput{SnapshotId: &id, Attribute: "createVolumePermission", OperationType: "add", UserIds: []string{a.id}})
			return err
		},
		"DeleteSnapshot": func(id string) error {
			_, err := a.ec2.DeleteSnapshot(ctx, &ec2.DeleteSnapshotInput{SnapshotId: &id})
			return err
		},
	} {
		for _, id := range []string{snap, digest} {
			if err := try(id); err == nil {
				t.Errorf("%s of %s was let through", what, id)
			}
		}
	}
	for _, args := range [][]string{{"disk", "verify", digest}, {"fsck"}, {"ami", "push", digest, "--name", "stolen"}} {
		if out, err := a.cli(t, s, args...); err == nil || strings.Contains(out, snap) {
			t.Errorf("slipway %v: %s %v", args, out, err)
		}
	}
	if out, err := a.cli(t, s, "disk", "ls", "--json"); err != nil || len(disksOf(t, out)) != 0 {
		t.Errorf("disk ls: %s %v", out, err)
	}
	if out, err := a.cli(t, s, "ami", "ls", "--json"); err != nil || strings.Contains(out, "ami-") {
		t.Errorf("ami ls: %s %v", out, err)
	}
}

func must(out string, err error) string {
	if err != nil {
		var e *exec.ExitError
		errors.As(err, &e)
		fmt.Fprintln(os.Stderr, out)
		panic(err)
	}
	return out
}
