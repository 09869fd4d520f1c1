package gate

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"slipway/disk/gate/hostile"
)

// memoryDisk takes what is unpacked.
type memoryDisk struct{ b []byte }

func (m *memoryDisk) WriteAt(b []byte, off int64) (int, error) {
	if need := int(off) + len(b); need > len(m.b) {
		m.b = append(m.b, make([]byte, need-len(m.b))...)
	}
	return copy(m.b[off:], b), nil
}

func unpacked(t *testing.T, b []byte) []byte {
	t.Helper()
	d, err := Open(memory(b), int64(len(b)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.ReaderAt(); Code(err) != "COMPRESSED_NEEDS_UNPACKING" {
		t.Errorf("reading what is compressed: %v", err)
	}
	var out memoryDisk
	n, err := d.Unpack(t.Context(), &out)
	if err != nil {
		t.Fatal(err)
	}
	return append(out.b, make([]byte, n-int64(len(out.b)))...)
}

// What comes out of Unpack is what went in, for what the tools of the formats
// themselves make.
func TestUnpack(t *testing.T) {
	content := sparseBytes(1<<20 + 400_000)
	for _, cmd := range []string{"gzip -1", "gzip -9", "xz -T1", "xz -T2 --block-size=512KiB", "xz -0 --check=sha256", "xz --check=none", "xz --check=crc32",
		"zstd -3 -q", "zstd -9 -q --long=27", "zstd -1 -q --no-check", "zstd -3 -q --stream-size=1448576"} {
		args := strings.Fields(cmd)
		if _, err := exec.LookPath(args[0]); err != nil {
			t.Logf("%s is not installed", args[0])
			continue
		}
		c := exec.Command(args[0], append(args[1:], "-c")...)
		c.Stdin = bytes.NewReader(content)
		b, err := c.Output()
		if err != nil {
			t.Fatalf("%s: %v", cmd, err)
		}
		if !bytes.Equal(unpacked(t, b), content) {
			t.Errorf("%s: other bytes", cmd)
		}
		// Two streams behind one another are one file; and padded, for xz.
		twice := append(bytes.Clone(b), b...)
		if args[0] == "xz" {
			twice = append(append(bytes.Clone(b), 0, 0, 0, 0), b...)
		}
		if !bytes.Equal(unpacked(t, twice), append(bytes.Clone(content), content...)) {
			t.Errorf("%s, twice: other bytes", cmd)
		}
	}
	for _, f := range hostile.Good() {
		if strings.HasPrefix(f.Name, "good.qcow2.") {
			b := unpacked(t, f.Data)
			d, err := Open(memory(b), int64(len(b)), Options{})
			if err != nil || fmt.Sprint(d) != "qcow2 v3" {
				t.Errorf("%s: %v %v", f.Name, d, err)
			}
		}
	}
}
