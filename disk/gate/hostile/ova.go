package hostile

import (
	"archive/tar"
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"strings"
)

type entry struct {
	name string
	data []byte
	edit func(*tar.Header)
}

const ovfText = `<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
  <References><File ovf:id="file1" ovf:href="%s"/></References>
  <DiskSection><Info>Disks</Info><Disk ovf:diskId="d1" ovf:fileRef="file1" ovf:capacity="153600"/></DiskSection>
</Envelope>
`

func ovfFor(href string) []byte { return fmt.Appendf(nil, ovfText, href) }

func mf(entries ...entry) entry {
	var b bytes.Buffer
	for i, e := range entries {
		if i%2 == 0 {
			fmt.Fprintf(&b, "SHA256(%s)= %x\n", e.name, sha256.Sum256(e.data))
		} else {
			fmt.Fprintf(&b, "SHA1(%s)= %x\r\n", e.name, sha1.Sum(e.data))
		}
	}
	return entry{name: "box.mf", data: b.Bytes()}
}

func pack(entries ...entry) image {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Mode: 0o644, Size: int64(len(e.data)), Format: tar.FormatUSTAR, Typeflag: tar.TypeReg}
		if e.edit != nil {
			e.edit(h)
		}
		if err := w.WriteHeader(h); err != nil {
			panic(fmt.Sprintf("hostile: %s: %v", e.name, err))
		}
		if h.Size > 0 {
			w.Write(e.data)
		}
	}
	w.Flush()
	b.Write(make([]byte, 1024))
	return b.Bytes()
}

// resum makes the checksum of the header at off right again.
func resum(m *image, off int) {
	m.text(off+148, "        ")
	var sum int
	for _, b := range (*m)[off : off+512] {
		sum += int(b)
	}
	m.text(off+148, fmt.Sprintf("%06o\x00 ", sum))
}

func ovas() []*File {
	desc, disk := entry{name: "box.ovf", data: ovfFor("disk.vmdk")}, entry{name: "disk.vmdk", data: stream()}
	var all []*File
	add := func(name, code, item string, data image) *File {
		f := &File{Name: name + ".ova", Code: code, Item: item, Data: data}
		all = append(all, f)
		return f
	}
	add("good", "", "a disk", pack(desc, mf(desc, disk), disk))
	add("good-two", "", "the second of two disks", pack(entry{name: "box.ovf", data: twoDisks()}, disk, entry{name: "b.vmdk", data: vmdk()})).Member = "b.vmdk"
	add("two-disks", "OVA_SEVERAL_DISKS", "two disks, none named", pack(entry{name: "box.ovf", data: twoDisks()}, disk, entry{name: "b.vmdk", data: vmdk()}))
	add("disk-not-there", "OVA_NO_DISK", "a disk of another name is wanted", pack(desc, disk)).Member = "../etc/passwd"
	for name, bad := range map[string]string{"dotdot": "../disk.vmdk", "absolute": "/etc/passwd", "inside": "dir/disk.vmdk", "backslash": `..\x.vmdk`, "control": "a\nb", "drive": "c:x"} {
		add("name-"+name, "OVA_MEMBER_NAME", "a member that is no plain name", pack(desc, entry{name: bad, data: []byte("x")}, disk))
	}
	kind := func(flag byte, link string) func(*tar.Header) {
		return func(h *tar.Header) { h.Typeflag, h.Linkname, h.Size = flag, link, 0 }
	}
	for name, edit := range map[string]func(*tar.Header){
		"symlink": kind(tar.TypeSymlink, "/etc/passwd"), "hardlink": kind(tar.TypeLink, "/etc/passwd"), "device": kind(tar.TypeBlock, ""),
		"char": kind(tar.TypeChar, ""), "fifo": kind(tar.TypeFifo, ""), "directory": kind(tar.TypeDir, ""),
	} {
		add("type-"+name, "OVA_MEMBER_TYPE", "a member that is no file", pack(desc, entry{name: "disk.vmdk", edit: edit}))
	}
	add("link-pax", "OVA_MEMBER_TYPE", "a link by an extended header", pack(desc, entry{name: "disk.vmdk", edit: func(h *tar.Header) {
		kind(tar.TypeSymlink, strings.Repeat("../", 60)+"etc/passwd")(h)
		h.Format = tar.FormatPAX
	}}))
	add("global-header", "OVA_MEMBER_TYPE", "a header for all members", pack(entry{edit: func(h *tar.Header) {
		*h = tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"size": "9"}, Format: tar.FormatPAX}
	}}, desc, disk))
	add("duplicate", "OVA_DUPLICATE_MEMBER", "a disk twice", pack(desc, disk, entry{name: "disk.vmdk", data: vmdk()}))
	add("duplicate-case", "OVA_DUPLICATE_MEMBER", "a disk twice, in capitals", pack(desc, disk, entry{name: "DISK.VMDK", data: vmdk()}))
	add("sparse-pax", "OVA_SPARSE_MEMBER", "8 TiB in 10 KB", paxMember(desc, "GNU.sparse.major=1", "GNU.sparse.realsize=8796093022208"))
	add("sparse-gnu", "OVA_SPARSE_MEMBER", "a sparse member of GNU tar", changed(pack(desc, disk), func(m *image) {
		off := 512 + (len(desc.data)+511)/512*512
		m.put(off+156, 'S')
		resum(m, off)
	}))
	add("pax-bomb", "OVA_EXTENDED_HEADER", "an extended header of 1 MiB", paxMember(desc, "comment="+strings.Repeat("x", 1<<20)))
	add("pax-lies", "OVA_EXTENDED_HEADER", "an extended header with a wrong length", changed(paxMember(desc, "comment=hello"), func(m *image) {
		off := 512 + (len(desc.data)+511)/512*512
		m.text(off+512, "99999999999")
	}))
	add("pax-size", "OVA_TRUNCATED", "a member of 4 EiB", paxMember(desc, "size=4000000000000000000"))
	add("cut", "OVA_TRUNCATED", "cut short", pack(desc, disk)[:4096])
	add("checksum", "OVA_TAR", "a damaged header", changed(pack(desc, disk), func(m *image) { m.put(100, 'x') }))
	add("size-negative", "OVA_TAR", "a member of negative size", changed(pack(desc, disk), func(m *image) {
		m.put(124, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
		resum(m, 0)
	}))
	many := []entry{desc}
	for i := range 100 {
		many = append(many, entry{name: fmt.Sprintf("f%d", i)})
	}
	add("many", "OVA_TOO_MANY_MEMBERS", "100 members", pack(many...))
	add("no-ovf", "OVA_NO_DESCRIPTOR", "a tar archive", pack(disk))
	add("two-ovf", "OVA_SEVERAL_DESCRIPTORS", "two descriptions", pack(desc, entry{name: "other.ovf", data: desc.data}, disk))
	xmls(add, disk)
	manifests(add, desc, disk)
	add("flat-inside", "VMDK_TEXT_DESCRIPTOR", "a flat VMDK inside", pack(desc, entry{name: "disk.vmdk", data: fmt.Appendf(nil, vmdkText, "monolithicFlat", `RW 8 FLAT "/etc/passwd" 0`)}))
	add("backing-inside", "QCOW2_BACKING_FILE", "a qcow2 with a backing file inside", pack(desc, entry{name: "disk.vmdk", data: backing("/etc/passwd")}))
	add("ova-inside", "NESTED_TOO_DEEP", "an OVA inside", pack(desc, entry{name: "disk.vmdk", data: pack(desc, disk)}))
	add("gzip-inside", "NESTED_TOO_DEEP", "a compressed disk inside", pack(desc, entry{name: "disk.vmdk", data: gz(vmdk())}))
	return all
}

func twoDisks() []byte {
	return []byte(`<Envelope><References><File id="a" href="disk.vmdk"/><File id="b" href="b.vmdk"/></References>` +
		`<DiskSection><Disk diskId="1" fileRef="a"/><Disk diskId="2" fileRef="b"/><Disk diskId="3" capacity="8"/></DiskSection></Envelope>`)
}

// paxMember is an OVA whose disk has the records before it.
func paxMember(desc entry, records ...string) image {
	var b []byte
	for _, r := range records {
		n := len(r) + 2
		for n != len(r)+2+len(fmt.Sprint(n)) {
			n = len(r) + 2 + len(fmt.Sprint(n))
		}
		b = fmt.Appendf(b, "%d %s\n", n, r)
	}
	m := pack(desc)
	m = m[:len(m)-1024]
	at := len(m)
	m = append(m, pack(entry{name: "PaxHeader", data: b}, entry{name: "disk.vmdk", data: stream()})...)
	m.put(at+156, 'x')
	resum(&m, at)
	return m
}

func xmls(add func(name, code, item string, data image) *File, disk entry) {
	doc := func(name, code, item, text string) {
		add(name, code, item, pack(entry{name: "box.ovf", data: []byte(text)}, disk))
	}
	good := string(ovfFor("disk.vmdk"))
	doc("xxe", "OVA_DOCTYPE", "an external entity", `<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><Envelope>&a;</Envelope>`)
	laughs := `<!DOCTYPE x [<!ENTITY a "ha">`
	for i := range 20 {
		laughs += fmt.Sprintf(`<!ENTITY %c "%s">`, 'b'+i, strings.Repeat(fmt.Sprintf("&%c;", 'a'+i), 10))
	}
	doc("laughs", "OVA_DOCTYPE", "a billion laughs", laughs+"]><Envelope>&u;</Envelope>")
	doc("dtd", "OVA_DOCTYPE", "a document type elsewhere", `<!DOCTYPE Envelope SYSTEM "http://192.0.2.1/x.dtd"><Envelope/>`)
	doc("malformed", "OVA_XML", "no XML", "<Envelope><References")
	doc("unclosed", "OVA_XML", "half an XML", good[:len(good)-20])
	doc("deep", "OVA_XML", "a million levels", strings.Repeat("<a>", 300_000))
	doc("entity", "OVA_XML", "an entity that is not declared", "<Envelope>&passwd;</Envelope>")
	doc("charset", "OVA_XML", "UTF-7", `<?xml version="1.0" encoding="utf-7"?><Envelope/>`)
	doc("large", "OVA_XML", "3 MB", "<Envelope>"+strings.Repeat(" ", 3<<20)+"</Envelope>")
	doc("no-disk", "OVA_NO_DISK", "no disk", "<Envelope/>")
	doc("parent", "OVA_PARENT_DISK", "a disk with a parent", strings.Replace(good, `ovf:capacity="153600"`, `ovf:parentRef="other"`, 1))
	doc("compressed", "OVA_COMPRESSED_DISK", "a compressed disk", strings.Replace(good, `ovf:id="file1"`, `ovf:id="file1" ovf:compression="gzip"`, 1))
	doc("pieces", "OVA_COMPRESSED_DISK", "a disk in pieces", strings.Replace(good, `ovf:id="file1"`, `ovf:id="file1" ovf:chunkSize="100"`, 1))
	doc("file-ref", "OVA_HREF", "a disk in no file", strings.Replace(good, `fileRef="file1"`, `fileRef="file2"`, 1))
	for name, href := range map[string]string{"absolute": "/etc/passwd", "http": "http://192.0.2.1/disk.vmdk", "dotdot": "../disk.vmdk", "missing": "other.vmdk", "file-url": "file:///etc/passwd", "empty": ""} {
		doc("href-"+name, "OVA_HREF", "a reference out of the archive", string(ovfFor(href)))
	}
}

func manifests(add func(name, code, item string, data image) *File, desc, disk entry) {
	with := func(m entry) image { return pack(desc, m, disk) }
	text := func(s string) entry { return entry{name: "box.mf", data: []byte(s)} }
	add("manifest-ovf", "OVA_DIGEST", "a wrong digest of the description", with(mf(entry{name: "box.ovf", data: []byte("other")})))
	add("manifest-disk", "OVA_DIGEST", "a wrong digest of the disk", with(mf(desc, entry{name: "disk.vmdk", data: []byte("other")}))).When = Check
	add("manifest-stranger", "OVA_MANIFEST", "a digest of /etc/passwd", with(mf(entry{name: "/etc/passwd"})))
	add("manifest-twice", "OVA_MANIFEST", "two digests", with(mf(desc, desc)))
	add("manifest-short", "OVA_MANIFEST", "a digest of one byte", with(text("SHA256(disk.vmdk)= 00\n")))
	add("manifest-odd", "OVA_MANIFEST", "another algorithm", with(text("CRC(disk.vmdk)= 00\n")))
	add("manifests", "OVA_MANIFEST", "two manifests", pack(desc, mf(desc), entry{name: "b.mf", data: mf(desc).data}, disk))
}
