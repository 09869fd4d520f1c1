package inspect

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"slipway/disk/facts"
	"slipway/disk/gate"
)

// This file reads the archives that Linux unpacks before it has a root file
// system (the kernel's Documentation/driver-api/early-userspace/buffer-format):
// cpio archives one after the other, with zeros between them, plain ones first
// and the last one mostly compressed. Of their members only the names are read.

// What may be spent on them: the rest of an inspection takes milliseconds.
const (
	maxInitramfs = 192 << 20 // bytes of one file
	maxUnpacked  = 384 << 20 // bytes that come out of all of them
	maxLooked    = 2         // kernels, the last ones
	maxName      = 4096      // PATH_MAX
)

// bootDir is where files for the boot loader may lie: /boot of the root file
// system, or the root of another one that is mounted there.
type bootDir struct {
	linuxFS
	dir string
}

// initramfses finds the archive of each kernel and what drivers it has; left is
// how many bytes may be unpacked.
func initramfses(ks []facts.Kernel, dirs []bootDir, left int64) {
	for i := max(0, len(ks)-maxLooked); i < len(ks); i++ {
		k := &ks[i]
		for _, d := range dirs {
			if k.Initramfs = findInitramfs(k.Version, d, &left); k.Initramfs != nil {
				break
			}
		}
	}
}

func findInitramfs(version string, d bootDir, left *int64) *facts.Initramfs {
	// Debian and Ubuntu; Fedora and all that came of it; SUSE.
	for _, name := range []string{"initrd.img-" + version, "initramfs-" + version + ".img", "initrd-" + version} {
		b, err := d.readLarge(path.Join(d.dir, name), maxInitramfs)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		out := &facts.Initramfs{File: "/" + path.Join(d.dir, name)}
		found := map[string]bool{}
		if err == nil {
			a := &archive{version: version, left: left, found: found}
			err = a.scan(bufio.NewReaderSize(bytes.NewReader(b), 64<<10), 0)
		}
		if err != nil && !errors.Is(err, errAll) {
			out.Problem = "It could not be read: " + clean(err.Error()) + "."
			return out
		}
		for _, n := range facts.DriverNames() {
			if found[n] {
				out.Drivers = append(out.Drivers, n)
			}
		}
		return out
	}
	return nil
}

var (
	errAll  = errors.New("every driver was found") // ends a scan early
	errCpio = errors.New("its cpio archive is damaged")
)

// archive is one initramfs while it is read.
type archive struct {
	version string
	left    *int64 // bytes that may still be unpacked
	found   map[string]bool
}

// kinds are how the last archive may be compressed (the kernel's
// lib/decompress.c); "" is one that is not read here.
var kinds = []struct {
	magic, word string
	kind        gate.Format
}{
	{"\x1f\x8b", "gzip", gate.Gzip}, {"\x28\xb5\x2f\xfd", "zstd", gate.Zstd}, {"\xfd7zXZ\x00", "xz", gate.XZ},
	{"BZh", "bzip2", ""}, {"\x02\x21\x4c\x18", "lz4", ""}, {"\x5d\x00\x00", "lzma", ""}, {"\x89LZO", "lzo", ""},
}

// scan reads archives to the end of r; deep is how many compressions r is in.
func (a *archive) scan(r *bufio.Reader, deep int) error {
	for {
		if err := skipZeros(r); err != nil {
			return endOf(err)
		}
		head, err := r.Peek(6)
		if err != nil {
			return endOf(err) // less than a header is rubbish at the end
		}
		if m := string(head); m == "070701" || m == "070702" {
			if err := a.members(r); err != nil {
				return err
			}
			continue
		}
		for _, k := range kinds {
			if !bytes.HasPrefix(head, []byte(k.magic)) {
				continue
			}
			if k.kind == "" || deep > 0 {
				return fmt.Errorf("compression by %s is not read here", k.word)
			}
			return a.unpack(r, k.kind)
		}
		return errCpio
	}
}

func (a *archive) unpack(r *bufio.Reader, kind gate.Format) error {
	in, err := gate.Stream(r, kind)
	if err != nil {
		return err
	}
	defer in.Close()
	if z, ok := in.(interface{ Multistream(bool) }); ok {
		z.Multistream(false) // zeros may follow it
	}
	return a.scan(bufio.NewReaderSize(&sparing{in, a.left}, 64<<10), 1)
}

// sparing reads until its budget is spent.
type sparing struct {
	r    io.Reader
	left *int64
}

func (s *sparing) Read(b []byte) (int, error) {
	if *s.left <= 0 {
		return 0, errors.New("it is too large")
	}
	n, err := s.r.Read(b[:min(int64(len(b)), *s.left)])
	*s.left -= int64(n)
	return n, err
}

// members reads one archive in the format newc (cpio(5)).
func (a *archive) members(r *bufio.Reader) error {
	head := make([]byte, 110)
	for {
		if _, err := io.ReadFull(r, head); err != nil {
			return cut(err)
		}
		size, err1 := strconv.ParseUint(string(head[54:62]), 16, 32)
		length, err2 := strconv.ParseUint(string(head[94:102]), 16, 32)
		if m := string(head[:6]); err1 != nil || err2 != nil || m != "070701" && m != "070702" || length == 0 || length > maxName {
			return errCpio
		}
		name := make([]byte, length+(4-(110+length)%4)%4)
		if _, err := io.ReadFull(r, name); err != nil {
			return cut(err)
		}
		if text := string(name[:length-1]); text == "TRAILER!!!" {
			return nil
		} else if a.note(text) {
			return errAll
		}
		if _, err := io.CopyN(io.Discard, r, int64(size+(4-size%4)%4)); err != nil {
			return cut(err)
		}
	}
}

// note remembers a module of the kernel; true when nothing is left to find.
func (a *archive) note(name string) bool {
	module, _, ok := strings.Cut(path.Base(name), ".ko")
	if !ok || !strings.Contains(name, "modules/"+a.version+"/") {
		return false
	}
	module = strings.ReplaceAll(module, "-", "_")
	if slices.Contains(facts.DriverNames(), module) {
		a.found[module] = true
	}
	return len(a.found) == len(facts.DriverNames())
}

// skipZeros goes to the next byte that is not zero.
func skipZeros(r *bufio.Reader) error {
	for {
		if _, err := r.Peek(1); err != nil {
			return err
		}
		b, _ := r.Peek(r.Buffered())
		n := len(b) - len(bytes.TrimLeft(b, "\x00"))
		if _, err := r.Discard(n); err != nil || n < len(b) {
			return err
		}
	}
}

func endOf(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// cut is the error of an archive that ends inside of itself.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errCpio
	}
	return err
}
