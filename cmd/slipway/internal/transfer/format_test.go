package transfer

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"

	"slipway/disk/gate/hostile"
)

// pushed reads a disk back from the fake.
func (b *bench) pushed(r PushResult) []byte {
	out := make([]byte, r.DiskBytes)
	for i, data := range b.snaps[r.Snapshot].blocks {
		copy(out[int64(i)*BlockSize:], data)
	}
	return out
}

// Every format arrives as the bytes of its disk, with no program but this one.
func TestPushTakesEveryFormat(t *testing.T) {
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Fatal("qemu-img is missing: run make test, which installs it")
	}
	b := newBench(t)
	const size = 12*BlockSize + 1024
	raw := b.disk(t, size, 0, 3, 4, 12)
	want, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	convert := func(name string, args ...string) string {
		path := filepath.Join(b.dir, name)
		if out, err := exec.Command("qemu-img", append(append([]string{"convert", "-f", "raw"}, args...), raw, path)...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
		return path
	}
	write := func(name string, data []byte) string {
		path := filepath.Join(b.dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	stream := convert("stream.vmdk", "-O", "vmdk", "-o", "subformat=streamOptimized")
	vmdk, err := os.ReadFile(stream)
	if err != nil {
		t.Fatal(err)
	}
	var packed, ova bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(vmdk)
	z.Close()
	w := tar.NewWriter(&ova)
	for _, m := range []struct{ name, data string }{
		{"box.ovf", `<Envelope><References><File id="f" href="disk.vmdk"/></References><DiskSection><Disk diskId="d" fileRef="f"/></DiskSection></Envelope>`},
		{"disk.vmdk", string(vmdk)},
	} {
		w.WriteHeader(&tar.Header{Name: m.name, Size: int64(len(m.data)), Mode: 0o600})
		w.Write([]byte(m.data))
	}
	w.Close()
	for _, path := range []string{
		convert("disk.qcow2", "-O", "qcow2"), convert("packed.qcow2", "-O", "qcow2", "-c", "-o", "compression_type=zstd"),
		convert("disk.vmdk", "-O", "vmdk"), stream, convert("disk.vhd", "-O", "vpc", "-o", "force_size=on"),
		convert("fixed.vhd", "-O", "vpc", "-o", "subformat=fixed,force_size=on"), convert("disk.vhdx", "-O", "vhdx"),
		write("disk.ova", ova.Bytes()), write("disk.vmdk.gz", packed.Bytes()),
	} {
		r, err := b.push(t.Context(), path, filepath.Base(path))
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if !bytes.Equal(b.pushed(r), want) || r.DiskBytes != size || r.Blocks != 4 {
			t.Errorf("%s: %+v: other bytes", path, r)
		}
		if again, err := b.push(t.Context(), path, filepath.Base(path)); err != nil || !again.Existed {
			t.Errorf("%s, again: %+v, %v", path, again, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(b.dir, "state", "unpacked-*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

// A compressed disk, too, goes on where it was: its blocks are the same every
// time it is unpacked.
func TestPushResumesWhatIsCompressed(t *testing.T) {
	b := newBench(t)
	want, err := os.ReadFile(b.disk(t, 10*BlockSize, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(b.dir, "disk.raw.gz")
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(want)
	z.Close()
	if err := os.WriteFile(path, packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	var puts atomic.Int64
	b.fault = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == "PUT" && puts.Add(1) > 5 {
			ebsError(w, 400, "ValidationException", "no more today")
			return true
		}
		return false
	}
	if _, err := b.push(t.Context(), path, "cut"); err == nil {
		t.Fatal("a cut push succeeded")
	}
	b.fault = nil
	r, err := b.push(t.Context(), path, "cut")
	if err != nil || !r.Resumed || r.SentBytes > 8*BlockSize || !bytes.Equal(b.pushed(r), want) {
		t.Fatalf("%+v %v", r, err)
	}
}

// Nothing hostile gets as far as a snapshot, and each refusal names the file,
// what is wrong with it and what to do.
func TestPushRefusesTheHostileCorpus(t *testing.T) {
	b := newBench(t)
	n := 0
	for _, f := range hostile.Files() {
		if f.Code == "" || f.When == hostile.Read || f.MaxBytes != 0 || f.Declared != "" || f.Member != "" || f.Size > 64<<20 {
			continue
		}
		path := filepath.Join(b.dir, "hostile")
		if err := f.WriteTo(path); err != nil {
			t.Fatal(err)
		}
		_, err := b.push(t.Context(), path, "hostile")
		var d *diskError
		if !errors.As(err, &d) {
			t.Errorf("%s: %v", f.Name, err)
		}
		n++
	}
	if len(b.snaps) != 0 || n < 200 {
		t.Errorf("%d files, %d snapshots", n, len(b.snaps))
	}
	t.Log(fmt.Sprint(n, " files refused before a snapshot was begun"))
}
