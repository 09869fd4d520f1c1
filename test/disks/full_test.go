package disks

import (
	"bytes"
	"compress/gzip"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"slipway/test/rig"
)

// A server whose whole data directory, database and all, lies on a file system
// that an import fills to the last byte: the task says so, everything that it
// wrote is gone, and the server works on. (That every place where an import
// writes ends so is tested in work/, with no rights.)
func TestImportFillsTheServersDisk(t *testing.T) {
	small := t.TempDir()
	if err := syscall.Mount("slipway-test", small, "tmpfs", 0, "size=160m"); err != nil {
		t.Skipf("SKIPPED, nothing was proved: no file system can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(small, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	dir := t.TempDir()
	rig.Bin(t)                // which lies elsewhere
	t.Setenv("TMPDIR", small) // where the rig makes data directories
	s := rig.Start(t, "--compute", "fake", "--import-dir", dir)
	a := operator(s)

	// Noise that repeats is much to write and little to read.
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	noise := make([]byte, 16<<10)
	r := rand.NewChaCha8([32]byte{1})
	if _, err := r.Read(noise); err != nil {
		t.Fatal(err)
	}
	copy(noise, make([]byte, 512))
	for range 256 << 20 / len(noise) {
		if _, err := z.Write(noise); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "large.raw.gz"), packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	before := freeBytes(t, small)
	out, err := a.ec2.ImportImage(t.Context(), &ec2.ImportImageInput{DiskContainers: []types.ImageDiskContainer{{Url: aws.String("file:///large.raw.gz")}}})
	if err != nil {
		t.Fatal(err)
	}
	task := importTask(t, a, *out.ImportTaskId)
	if m := aws.ToString(task.StatusMessage); aws.ToString(task.Status) != "deleted" || !strings.HasPrefix(m, "ServerError: ") || !strings.Contains(m, "The server's disk is full.") {
		t.Errorf("%s: %s", aws.ToString(task.Status), m)
	}
	nothingLeft(t, s)
	if after := freeBytes(t, small); before-after > 4<<20 { // the database's log has grown
		t.Errorf("%d bytes were free and %d are", before, after)
	}
	a.snapshot(t, 1, map[int32]byte{0: 1, 3: 2})
}

func freeBytes(t *testing.T, dir string) int64 {
	t.Helper()
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	return int64(st.Bavail) * st.Bsize
}
