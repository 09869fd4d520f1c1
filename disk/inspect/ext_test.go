package inspect

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"slipway/disk/facts"
)

// distroTree is a directory that looks like the root of a distribution, with
// files and directories of real size.
func distroTree(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	write := func(name, body string) {
		t.Helper()
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var dep strings.Builder
	for i := range 12000 { // a modules.dep of real size
		fmt.Fprintf(&dep, "kernel/drivers/some/thing/driver%05d.ko.zst: kernel/lib/helper.ko.zst\n", i)
	}
	for _, k := range []string{"6.8.0-60-generic", "6.8.0-100-generic"} {
		write("usr/lib/modules/"+k+"/modules.dep", dep.String()+"kernel/drivers/net/virtio_net.ko.zst:\nkernel/drivers/net/ethernet/amazon/ena/ena.ko.zst:\n")
		write("usr/lib/modules/"+k+"/modules.builtin", "kernel/drivers/nvme/host/nvme.ko\nkernel/drivers/block/virtio-blk.ko\n")
	}
	write("usr/lib/os-release", "ID=ubuntu\nVERSION_ID=\"24.04\"\nPRETTY_NAME=\"Ubuntu \\\"24.04\\\"\"\n")
	for i := range 400 {
		write(fmt.Sprintf("usr/bin/program-with-a-long-name-%04d", i), "")
	}
	write("usr/bin/amazon-ssm-agent", "x")
	write("usr/sbin/qemu-ga", "x")
	for from, to := range map[string]string{"etc/os-release": "../usr/lib/os-release", "lib": "usr/lib", "bin": "usr/bin"} {
		if err := os.MkdirAll(filepath.Join(root, "etc"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, filepath.Join(root, from)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// sameDistro checks that an inspection saw what distroTree wrote.
func sameDistro(t *testing.T, f facts.Facts) {
	t.Helper()
	l := f.Linux
	if f.OS != facts.Linux || l == nil {
		t.Fatalf("%+v", f)
	}
	if l.ID != "ubuntu" || l.PrettyName != `Ubuntu "24.04"` || len(l.Kernels) != 2 || fmt.Sprint(l.Agents) != "[amazon-ssm-agent qemu-ga]" {
		t.Errorf("%+v %q", l, f.Problems)
	}
	for _, d := range facts.DriverNames() {
		if !l.Driver(d) {
			t.Errorf("%s is missing: %+v %q", d, l.Kernels, f.Problems)
		}
	}
}

// The ext4 of distributions has features that the fixtures' does not: large
// directories with an index, a journal, several generations of checksums.
// mke2fs makes them; it is in every Debian.
func TestExtOfDistributions(t *testing.T) {
	tool := "/usr/sbin/mke2fs"
	if _, err := os.Stat(tool); err != nil {
		t.Fatalf("%v (Debian package e2fsprogs)", err)
	}
	root := distroTree(t)
	for _, c := range [][2]string{ // block size and features
		{"1024", "none,filetype,sparse_super,large_file"}, // ext2: no extents, no index
		{"4096", "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,sparse_super,large_file,huge_file,uninit_bg,dir_nlink,extra_isize"}, // CentOS 7
		{"4096", "none,has_journal,ext_attr,dir_index,filetype,sparse_super,large_file"},                                                               // ext3
		{"4096", "64bit,metadata_csum"},                    // Debian 12
		{"4096", "64bit,metadata_csum,metadata_csum_seed"}, // Ubuntu 24.04
		{"1024", "64bit,metadata_csum,orphan_file,flex_bg"},
		{"4096", "64bit,metadata_csum,inline_data,encrypt"}, // small files inside their inodes
		{"2048", "^has_journal,64bit,metadata_csum,large_dir"},
		{"1024", "bigalloc,64bit,metadata_csum,^resize_inode"},
	} {
		t.Run(c[0]+" "+c[1], func(t *testing.T) {
			p := filepath.Join(t.TempDir(), "ext4.raw")
			if out, err := exec.Command(tool, "-q", "-F", "-t", "ext4", "-I", "256", "-b", c[0], "-O", c[1], "-d", root, p, "100M").CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			sameDistro(t, inspect(t, p))
		})
	}
}

// Whatever is written over a file system, reading it ends and stays small.
func FuzzExt(f *testing.F) {
	root := f.TempDir()
	for name, body := range map[string]string{"etc/x": "y", "usr/lib/os-release": "ID=x\n", "usr/lib/modules/6.1/modules.dep": strings.Repeat("a/nvme.ko:\n", 900)} {
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(name)), 0o755); err != nil {
			f.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(body), 0o644); err != nil {
			f.Fatal(err)
		}
	}
	if err := os.Symlink("../usr/lib/os-release", filepath.Join(root, "etc/os-release")); err != nil {
		f.Fatal(err)
	}
	var bases [][]byte
	for _, features := range []string{"^has_journal", "^has_journal,^extent,^64bit", "^has_journal,inline_data"} {
		p := filepath.Join(f.TempDir(), "small")
		if out, err := exec.Command("/usr/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-I", "256", "-N", "64", "-b", "1024", "-O", features, "-d", root, p, "512k").CombinedOutput(); err != nil {
			f.Fatalf("%v: %s", err, out)
		}
		b, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		bases = append(bases, b)
	}
	for i := range bases {
		f.Add(byte(i), uint32(1024), []byte{})
		f.Add(byte(i), uint32(1024+24), []byte{2})
	}
	f.Fuzz(func(t *testing.T, which byte, at uint32, patch []byte) {
		b := bytes.Clone(bases[int(which)%len(bases)])
		copy(b[int(at)%len(b):], patch)
		x, err := newExt(bytes.NewReader(b))
		if err != nil {
			return
		}
		l, _, err := readLinux(x, 1)
		if err == nil && len(patch) == 0 && (l.ID != "x" || len(l.Kernels) != 1 || len(l.Kernels[0].Drivers) != 1) {
			t.Errorf("an intact file system reads as %+v", l)
		}
		if err != nil && len(patch) == 0 {
			t.Error(err)
		}
	})
}
