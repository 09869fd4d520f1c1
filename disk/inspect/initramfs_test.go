package inspect

import (
	"bytes"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"slipway/disk/facts"
	"slipway/disk/fixture"
	"slipway/disk/rules"
)

// files is a Linux file system in memory.
type files map[string]string

func (f files) readFile(name string) ([]byte, error) { return f.readLarge(name, maxText) }
func (f files) readLarge(name string, _ int64) ([]byte, error) {
	if b, ok := f[name]; ok {
		return []byte(b), nil
	}
	return nil, fs.ErrNotExist
}
func (f files) readDir(string) ([]string, error) { return nil, fs.ErrNotExist }
func (f files) exists(name string) bool          { return f[name] != "" }

func packed(t testing.TB, how string, data []byte) []byte {
	t.Helper()
	b, err := fixture.Compress(how, data)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Every way in which distributions put an initramfs together, and what is not
// one.
func TestInitramfs(t *testing.T) {
	const v = "6.8.0-60-generic"
	module := func(names ...string) []byte {
		for i, n := range names {
			names[i] = "usr/lib/modules/" + v + "/kernel/drivers/" + n
		}
		return fixture.Cpio(names...)
	}
	microcode, zeros := fixture.Cpio("kernel/x86/microcode/AuthenticAMD.bin"), make([]byte, 70_000)
	all := []string{"nvme", "ena", "virtio_net", "virtio_blk"}
	for name, c := range map[string]struct {
		b       []byte
		drivers []string
		problem string
	}{
		"plain":                     {b: module("block/virtio_blk.ko"), drivers: []string{"virtio_blk"}},
		"microcode, zstd":           {b: slices.Concat(microcode, packed(t, "zstd", module("nvme/host/nvme.ko.zst", "block/virtio-blk.ko.zst"))), drivers: []string{"nvme", "virtio_blk"}},
		"microcode, modules, zstd":  {b: slices.Concat(microcode, zeros, module("net/virtio_net.ko.zst"), zeros, packed(t, "zstd", fixture.Cpio("init"))), drivers: []string{"virtio_net"}},
		"gzip, zeros behind":        {b: slices.Concat(packed(t, "gzip", module("nvme/host/nvme.ko.xz")), zeros), drivers: []string{"nvme"}},
		"gzip of two archives":      {b: packed(t, "gzip", slices.Concat(module("a.ko"), module("nvme/host/nvme.ko"))), drivers: []string{"nvme"}},
		"xz":                        {b: packed(t, "xz", module("nvme/host/nvme.ko.xz", "nvme/host/nvme-core.ko.xz")), drivers: []string{"nvme"}},
		"everything":                {b: module("a/nvme.ko", "a/ena.ko", "a/virtio_net.ko", "a/virtio_blk.ko"), drivers: all},
		"everything, then rubbish":  {b: append(module("a/nvme.ko", "a/ena.ko", "a/virtio_net.ko", "a/virtio_blk.ko"), "rubbish"...), drivers: all},
		"modules of another kernel": {b: fixture.Cpio("usr/lib/modules/5.0/kernel/drivers/nvme/host/nvme.ko")},
		"nothing":                   {b: nil},
		"lz4":                       {b: append(slices.Clone(microcode), "\x02\x21\x4c\x18rest"...), problem: "compression by lz4 is not read here"},
		"compressed twice":          {b: packed(t, "gzip", packed(t, "zstd", module("a/nvme.ko"))), problem: "is not read here"},
		"rubbish":                   {b: []byte("#!/bin/sh\nexit 0\n"), problem: "damaged"},
		"cut":                       {b: module("a/nvme.ko", "a/other.ko")[:200], problem: "damaged"},
		"cut gzip":                  {b: packed(t, "gzip", bytes.Repeat(module("a/other.ko"), 90))[:120], problem: "could not be read"},
		"a name without end":        {b: []byte(strings.Replace(string(module("a/nvme.ko")), "00000000070701", "", 1)[:94] + "ffffffff00000000" + strings.Repeat("x", 200)), problem: "damaged"},
		"a bomb":                    {b: packed(t, "gzip", make([]byte, 1<<20+1)), problem: "too large"},
	} {
		t.Run(name, func(t *testing.T) {
			ks := []facts.Kernel{{Version: v, Drivers: all}}
			initramfses(ks, []bootDir{{files{"boot/initrd.img-" + v: string(c.b)}, "boot"}}, 1<<20)
			i := ks[0].Initramfs
			if i == nil {
				t.Fatal("not found")
			}
			if !slices.Equal(i.Drivers, c.drivers) || i.File != "/boot/initrd.img-"+v || (i.Problem == "") != (c.problem == "") || !strings.Contains(i.Problem, c.problem) {
				t.Errorf("%+v, want %v %q", i, c.drivers, c.problem)
			}
			want := rules.BusNVMe // what is not in there cannot be used; what is not known may be
			if slices.Contains(c.drivers, "virtio_blk") || c.problem != "" {
				want = rules.BusVirtio
			}
			if got := rules.Bus(facts.Facts{OS: facts.Linux, Linux: &facts.LinuxOS{Kernels: ks}}); got != want {
				t.Errorf("the bus is %s", got)
			}
		})
	}
}

// A file system that is mounted over /boot is asked first; of many kernels the
// last ones are looked at.
func TestInitramfsOnItsOwnPartition(t *testing.T) {
	at := func(v string) string {
		return string(fixture.Cpio("lib/modules/" + v + "/kernel/drivers/nvme/host/nvme.ko"))
	}
	ks := []facts.Kernel{{Version: "4.1"}, {Version: "4.18"}, {Version: "5.14"}}
	initramfses(ks, []bootDir{{files{"initramfs-5.14.img": at("5.14"), "initramfs-4.1.img": at("4.1")}, ""}, {files{"boot/initramfs-5.14.img": "stale", "boot/initrd-4.18": at("4.18")}, "boot"}}, maxUnpacked)
	if ks[0].Initramfs != nil || ks[1].Initramfs == nil || ks[1].Initramfs.File != "/boot/initrd-4.18" || ks[2].Initramfs.File != "/initramfs-5.14.img" || len(ks[2].Initramfs.Drivers) != 1 {
		t.Errorf("%+v %+v %+v", ks[0].Initramfs, ks[1].Initramfs, ks[2].Initramfs)
	}
}

func FuzzInitramfs(f *testing.F) {
	whole := fixture.Cpio("usr/lib/modules/6/a/nvme.ko")
	f.Add(whole)
	for _, how := range []string{"gzip", "zstd", "xz"} {
		f.Add(packed(f, how, whole))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ks := []facts.Kernel{{Version: "6"}}
		initramfses(ks, []bootDir{{files{"boot/initrd-6": string(b)}, "boot"}}, 1<<20)
		if ks[0].Initramfs == nil {
			t.Error("not found")
		}
	})
}
