package disks

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"slipway/api/admin/adminapi"
	"slipway/test/rig"
)

// status runs a command and gives its exit status.
func status(t *testing.T, s *rig.Server, args ...string) (int, string) {
	t.Helper()
	out, errs, err := s.CLI(args...)
	var e *exec.ExitError
	if errors.As(err, &e) {
		return e.ExitCode(), out + errs
	} else if err != nil {
		t.Fatal(err)
	}
	return 0, out + errs
}

// rawOf is the file of a sealed disk.
func rawOf(s *rig.Server, digest string) string {
	return filepath.Join(s.DataDir, "disks/sealed", strings.TrimPrefix(digest, "sd1-"), "raw")
}

// flip damages one byte of a sealed disk.
func flip(t *testing.T, s *rig.Server, digest string, at int64) {
	t.Helper()
	path := rawOf(s, digest)
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}

// An operator's way through damage: found, shown, marked, healed by the same
// content; while the server runs and without it.
func TestFsck(t *testing.T) {
	s := rig.Start(t, "--compute=fake", "--scrub-rate=0")
	me := operator(s)
	snap := me.snapshot(t, 1, map[int32]byte{3: 1})
	digest := disksOf(t, s.Must("disk", "ls", "--json"))[0].Digest
	expect := func(want int, word string, args ...string) string {
		t.Helper()
		code, out := status(t, s, args...)
		if code != want || !strings.Contains(out, word) {
			t.Errorf("slipway %s: exit %d, want %d with %q\n%s", strings.Join(args, " "), code, want, word, out)
		}
		return out
	}
	expect(0, "unverified", "disk", "ls")
	expect(0, "Nothing is wrong.", "fsck", "--data-dir", s.DataDir)
	expect(0, "is whole", "disk", "verify", digest)
	expect(0, " ok ", "disk", "ls")
	expect(1, "no sealed disk", "disk", "verify", "sd1-"+strings.Repeat("0", 64))
	expect(0, "1.0 GiB", "disk", "usage")
	flip(t, s, digest, 3*blockSize+77)
	expect(1, "Block 3 of sealed disk", "disk", "verify", digest)
	expect(0, "damaged", "disk", "ls")
	expect(1, "disk-damaged", "fsck", "--data-dir", s.DataDir)
	s.Stop()
	expect(1, "disk-damaged", "fsck", "--data-dir", s.DataDir)
	if out := expect(1, "", "fsck", "--repair", "--json", "--data-dir", s.DataDir); !strings.Contains(out, `"repaired": true`) {
		t.Error(out)
	}
	s.Again("127.0.0.1:0")
	me = operator(s)
	out, err := me.ec2.DescribeSnapshots(t.Context(), &ec2.DescribeSnapshotsInput{SnapshotIds: []string{snap}})
	if err != nil || out.Snapshots[0].State != "error" || !strings.Contains(*out.Snapshots[0].StateMessage, "Block 3") {
		t.Errorf("%+v %v", out, err)
	}
	me.snapshot(t, 1, map[int32]byte{3: 1})
	expect(0, "Nothing is wrong.", "fsck", "--data-dir", s.DataDir)
	var m adminapi.Disks
	if err := json.Unmarshal([]byte(s.Must("disk", "ls", "--json")), &m); err != nil || m.Disks[0].State != "ok" {
		t.Errorf("%+v %v", m, err)
	}
	expect(2, "holds no server's data", "fsck", "--data-dir", t.TempDir())
}
