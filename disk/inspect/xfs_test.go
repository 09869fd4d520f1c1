package inspect

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// prototype describes a directory to mkfs.xfs, which fills a file system from
// it without mounting anything.
func prototype(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("/\n0 0\nd--755 0 0\n")
	var walk func(dir string)
	walk = func(dir string) {
		es, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range es {
			p := filepath.Join(dir, e.Name())
			switch {
			case e.Type()&fs.ModeSymlink != 0:
				to, err := os.Readlink(p)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&b, "%s l--777 0 0 %s\n", e.Name(), to)
			case e.IsDir():
				fmt.Fprintf(&b, "%s d--755 0 0\n", e.Name())
				walk(p)
			default:
				fmt.Fprintf(&b, "%s ---644 0 0 %s\n", e.Name(), p)
			}
		}
		b.WriteString("$\n")
	}
	walk(dir)
	p := filepath.Join(t.TempDir(), "prototype")
	if err := os.WriteFile(p, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func makeXFS(t testing.TB, proto string, args ...string) string {
	t.Helper()
	tool := "/usr/sbin/mkfs.xfs"
	if _, err := os.Stat(tool); err != nil {
		t.Fatalf("%v (Debian package xfsprogs)", err)
	}
	p := filepath.Join(t.TempDir(), "xfs.raw")
	if err := os.WriteFile(p, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(p, 512<<20); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(tool, append(args, "-q", "-p", proto, p)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return p
}

// The versions and geometries that distributions have used.
func TestXFSOfDistributions(t *testing.T) {
	proto := prototype(t, distroTree(t))
	for _, args := range []string{
		"-m crc=1,reflink=1,bigtime=1",              // Debian 12, RHEL 9
		"-m crc=1,reflink=1,bigtime=0,inobtcount=0", // RHEL 8
		"-m crc=1,reflink=0,finobt=1",               // RHEL 7, Amazon Linux 2
		"-m crc=0,finobt=0 -n ftype=0",              // before RHEL 7.2
		"-m crc=0,finobt=0 -n ftype=1",
		"-m crc=1 -n size=8192",
		"-m crc=1,reflink=1 -b size=1024 -i size=512 -n size=4096",
		"-m crc=0,finobt=0 -b size=1024 -i size=256",
	} {
		t.Run(args, func(t *testing.T) {
			sameDistro(t, inspect(t, makeXFS(t, proto, strings.Fields(args)...)))
		})
	}
}

// Whatever is written over a file system, reading it ends and stays small.
func FuzzXFS(f *testing.F) {
	root := f.TempDir()
	for name, body := range map[string]string{"usr/lib/os-release": "ID=x\n", "usr/lib/modules/6.1/modules.dep": strings.Repeat("a/nvme.ko:\n", 900)} {
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(name)), 0o755); err != nil {
			f.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(body), 0o644); err != nil {
			f.Fatal(err)
		}
	}
	img, err := os.Open(makeXFS(f, prototype(f, root)))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { img.Close() })
	var places []int64 // where anything stands, in steps of a sector; not the journal
	for _, x := range extents(f, img) {
		for at := x[0]; at < min(x[1], x[0]+256<<10); at += 512 {
			places = append(places, at)
		}
	}
	f.Add(uint32(0), []byte{})
	f.Add(uint32(124), []byte{9})
	f.Fuzz(func(t *testing.T, at uint32, patch []byte) {
		x, err := newXFS(patched{img, map[int64][]byte{places[int(at>>9)%len(places)] + int64(at&511): patch}})
		if err != nil {
			return
		}
		l, _, err := readLinux(x, 1)
		if len(patch) == 0 && (err != nil || l.ID != "x" || len(l.Kernels) != 1 || len(l.Kernels[0].Drivers) != 1) {
			t.Errorf("an intact file system reads as %+v, %v", l, err)
		}
	})
}
