package gate

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"regexp"
	"slices"
	"strings"
)

// archive is an OVA whose members are known.
type archive struct {
	f       *input
	members []member
	sums    []manifestLine
}

func (a *archive) member(name string) *member {
	i := slices.IndexFunc(a.members, func(m member) bool { return m.name == name })
	if i < 0 {
		return nil
	}
	return &a.members[i]
}

// only finds the one member with the ending; nil when there is none.
func (a *archive) only(ending string) (found *member, many bool) {
	for i := range a.members {
		if strings.HasSuffix(strings.ToLower(a.members[i].name), ending) {
			many = found != nil
			found = &a.members[i]
		}
	}
	return found, many
}

func (d *Disk) openOVA(f *input) error {
	t := &tarReader{f: f}
	walked := t.walk()
	if walked != nil && !errors.Is(walked, errBeyond) {
		return walked
	}
	a := &archive{f: f, members: t.members}
	desc, many := a.only(".ovf")
	if many {
		return refuse("OVA_SEVERAL_DESCRIPTORS", "The OVA holds more than one .ovf file.")
	}
	if desc == nil {
		if walked != nil {
			return walked
		}
		return refuse("OVA_NO_DESCRIPTOR", "The tar archive holds no .ovf file: it is no OVA.")
	}
	if desc.n > maxOVF {
		return refuse("OVA_XML", "The OVA's description has %d bytes; %d are allowed.", desc.n, maxOVF)
	}
	b, err := f.at(desc.off, desc.n)
	if err != nil {
		return err
	}
	o, err := parseOVF(b)
	if err != nil {
		return err
	}
	disks, err := o.choose()
	if err != nil {
		return err
	}
	if walked != nil {
		if err := d.firstDisk(a, disks); err != nil {
			return err
		}
		return walked // the rest was not seen yet
	}
	if err := a.manifest(b, desc.name); err != nil {
		return err
	}
	for _, f := range o.files {
		if a.member(f.href) == nil {
			return refuse("OVA_HREF", "The OVA's description points at %s, which is not in it.", quote(f.href))
		}
	}
	disk, err := d.pick(disks)
	if err != nil {
		return err
	}
	d.archive = a
	return d.openMember(a, disk)
}

// firstDisk judges a disk whose beginning is known already.
func (d *Disk) firstDisk(a *archive, disks []ovfDisk) error {
	disk, err := d.pick(disks)
	if err != nil {
		return err
	}
	if a.member(disk.file) == nil {
		return nil // not seen yet
	}
	return d.openMember(a, disk)
}

// choose lists the disks that have a file, with the file's name in place of its
// id, and refuses references that lead anywhere else.
func (o *ovf) choose() ([]ovfDisk, error) {
	var out []ovfDisk
	for _, f := range o.files {
		if f.href == "" || strings.ContainsAny(f.href, "/\\:") || f.href == ".." {
			return nil, refuse("OVA_HREF", "The OVA's description points outside of it: %s.", quote(f.href))
		}
	}
	for _, disk := range o.disks {
		if disk.parent != "" {
			return nil, refuse("OVA_PARENT_DISK", "The OVA's disk %s has a parent.", quote(disk.id))
		}
		if disk.file == "" {
			continue // an empty disk
		}
		i := slices.IndexFunc(o.files, func(f ovfFile) bool { return f.id == disk.file })
		if i < 0 {
			return nil, refuse("OVA_HREF", "The OVA's disk %s is in the file %s, which its description does not list.", quote(disk.id), quote(disk.file))
		}
		f := o.files[i]
		if f.compression != "" && f.compression != "identity" || f.chunked {
			return nil, refuse("OVA_COMPRESSED_DISK", "The OVA's disk %s is compressed or in pieces.", quote(f.href))
		}
		disk.file = f.href
		out = append(out, disk)
	}
	if len(out) == 0 {
		return nil, refuse("OVA_NO_DISK", "The OVA's description lists no disk with data.")
	}
	return out, nil
}

func (d *Disk) pick(disks []ovfDisk) (ovfDisk, error) {
	if d.o.Member == "" {
		if len(disks) > 1 {
			return ovfDisk{}, refuse("OVA_SEVERAL_DISKS", "The OVA holds %d disks, the first of them %s.", len(disks), quote(disks[0].file))
		}
		return disks[0], nil
	}
	for _, disk := range disks {
		if disk.file == d.o.Member {
			return disk, nil
		}
	}
	return ovfDisk{}, refuse("OVA_NO_DISK", "The OVA holds no disk named %s.", quote(d.o.Member))
}

// openMember puts the disk through the gate again, as a file of its own.
func (d *Disk) openMember(a *archive, disk ovfDisk) error {
	m := a.member(disk.file)
	in := a.f.section(m.off, m.n)
	if kind, err := recognise(in); err == nil && kind != Raw && kind != VMDK && kind != VHD && kind != VHDX && kind != QCOW2 {
		return refuse("NESTED_TOO_DEEP", "The OVA's disk %s is %s.", quote(m.name), kind)
	}
	layer := len(d.Chain)
	err := d.open(in, m.name)
	if len(d.Chain) > layer {
		d.Chain[layer].Offset = m.off
	}
	if err != nil {
		return err
	}
	if disk.capacity >= 0 && disk.capacity != d.VirtualSize {
		d.warn("The OVA's description gives the disk %d bytes; it has %d.", disk.capacity, d.VirtualSize)
	}
	return nil
}

type manifestLine struct {
	m   *member
	sum []byte
	new func() hash.Hash
}

var (
	manifestRE = regexp.MustCompile(`^(SHA1|SHA256|SHA512)\s*\(([^()]{1,255})\)\s*=\s*([0-9A-Fa-f]+)$`)
	digests    = map[string]func() hash.Hash{"SHA1": sha1.New, "SHA256": sha256.New, "SHA512": sha512.New}
)

// manifest reads the .mf file and verifies the description at once; verify does
// the rest.
func (a *archive) manifest(desc []byte, name string) error {
	m, many := a.only(".mf")
	if m == nil {
		return nil
	}
	if many || m.n > 64<<10 {
		return refuse("OVA_MANIFEST", "The OVA holds several manifests or one of %d bytes.", m.n)
	}
	b, err := a.f.at(m.off, m.n)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		p := manifestRE.FindStringSubmatch(line)
		if p == nil {
			return refuse("OVA_MANIFEST", "The OVA's manifest has a line that is not known: %s.", quote(line))
		}
		l := manifestLine{m: a.member(p[2]), new: digests[p[1]]}
		if l.sum, err = hex.DecodeString(p[3]); err != nil || len(l.sum) != l.new().Size() || l.m == nil || seen[p[2]] {
			return refuse("OVA_MANIFEST", "The OVA's manifest lists %s, which is not in it or there twice, or a digest of the wrong length.", quote(p[2]))
		}
		seen[p[2]] = true
		if p[2] == name {
			h := l.new()
			h.Write(desc)
			if string(h.Sum(nil)) != string(l.sum) {
				return refuse("OVA_DIGEST", "The OVA's manifest has another digest for %s.", quote(name))
			}
			continue
		}
		a.sums = append(a.sums, l)
	}
	return nil
}

// verify reads every member that the manifest lists.
func (a *archive) verify(ctx context.Context) error {
	buf := make([]byte, 1<<20)
	for _, l := range a.sums {
		h := l.new()
		r := io.NewSectionReader(a.f.r, l.m.off, l.m.n)
		for {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			n, err := r.Read(buf)
			h.Write(buf[:n])
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
		}
		if string(h.Sum(nil)) != string(l.sum) {
			return refuse("OVA_DIGEST", "The OVA's manifest has another digest for %s.", quote(l.m.name))
		}
	}
	return nil
}
