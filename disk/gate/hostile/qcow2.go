package hostile

import (
	"bytes"
	"compress/flate"

	"github.com/klauspost/compress/zstd"
)

// Where the parts of the good qcow2 image are.
const (
	qCluster = 64 << 10
	qRefs    = 1 * qCluster
	qRefBlk  = 2 * qCluster
	qL1      = 3 * qCluster
	qL2      = 4 * qCluster
	qData    = 5 * qCluster
	qPacked  = 6 * qCluster
	qSize    = 3*qCluster + 512
)

// qcow2 is a disk of three clusters and a sector: data, zeros, compressed data,
// data.
func qcow2() image { return qcow2With(false) }

func qcow2With(zstdClusters bool) image {
	var m image
	m.text(0, "QFI\xfb")
	m.be32(4, 3)
	m.be32(20, 16)
	m.be64(24, qSize)
	m.be32(36, 1)
	m.be64(40, qL1)
	m.be64(48, qRefs)
	m.be32(56, 1)
	m.be32(96, 4)
	m.be32(100, 112)
	m.be64(qRefs, qRefBlk)
	for i := range 8 {
		m.put(qRefBlk+2*i, 0, 1)
	}
	m.be64(qL1, 1<<63|qL2)
	m.be64(qL2, 1<<63|qData)
	content := append(noise(1000, 5), make([]byte, qCluster-1000)...)
	var p bytes.Buffer
	if zstdClusters {
		m.be64(72, 1<<3)
		m.put(104, 1)
		w, _ := zstd.NewWriter(&p, zstd.WithEncoderConcurrency(1))
		w.Write(content)
		w.Close()
	} else {
		w, _ := flate.NewWriter(&p, 6)
		w.Write(content)
		w.Close()
	}
	m.put(qPacked, p.Bytes()...)
	sectors := (p.Len() - 1) / 512
	m.be64(qL2+16, 1<<62|uint64(sectors)<<54|qPacked)
	m.be64(qL2+24, 1<<63|(qPacked+qCluster))
	m.put(qData, noise(qCluster, 2)...)
	m.put(qPacked+qCluster, noise(512, 3)...)
	return m
}

// tiny is a disk of four clusters of 512 bytes, in a file that is quick to look
// through.
func tiny() image {
	var m image
	m.text(0, "QFI\xfb")
	for i, v := range map[int]uint32{4: 3, 20: 9, 36: 1, 56: 1, 96: 4, 100: 104} {
		m.be32(i, v)
	}
	m.be64(24, 4*512)
	m.be64(40, 3*512)
	m.be64(48, 512)
	m.be64(512, 2*512)
	for i := range 7 {
		m.put(2*512+2*i, 0, 1)
	}
	m.be64(3*512, 1<<63|4*512)
	m.be64(4*512, 1<<63|5*512)
	m.be64(4*512+16, 1<<63|6*512)
	m.put(5*512, noise(1024, 8)...)
	return m
}

func backing(name string) image {
	return changed(qcow2(), func(m *image) {
		m.text(0x400, name)
		m.be64(8, 0x400)
		m.be32(16, uint32(len(name)))
	})
}

func qcow2s() []*File {
	var all []*File
	add := func(name, code, item string, f func(*image)) *File {
		x := &File{Name: name + ".qcow2", Code: code, Item: item, Data: changed(qcow2(), f)}
		all = append(all, x)
		return x
	}
	all = append(all, &File{Name: "good.qcow2", Item: "a disk", Data: qcow2()}, &File{Name: "good-tiny.qcow2", Item: "a small disk", Data: tiny()}, &File{Name: "good-zstd.qcow2", Item: "a disk", Data: qcow2With(true)})
	for name, target := range map[string]string{
		"absolute": "/etc/passwd", "relative": "../../../../etc/passwd", "nbd": "nbd://192.0.2.1:10809/x", "http": "http://192.0.2.1/latest/meta-data/",
		"json": `json:{"driver":"raw","file":{"driver":"file","filename":"/etc/passwd"}}`, "itself": "backing-itself.qcow2", "ssh": "ssh://192.0.2.1/x",
	} {
		all = append(all, &File{Name: "backing-" + name + ".qcow2", Code: "QCOW2_BACKING_FILE", Item: "names a backing file", Data: backing(target)})
	}
	ext := func(kind uint32, s string) func(*image) {
		return func(m *image) { m.be32(112, kind); m.be32(116, uint32(len(s))); m.text(120, s) }
	}
	add("backing-format", "QCOW2_BACKING_FILE", "names the format of a backing file only", ext(0xE2792ACA, "raw"))
	add("backing-offset-only", "QCOW2_BACKING_FILE", "a backing file of no length", func(m *image) { m.be64(8, 0x400) })
	add("backing-size-only", "QCOW2_BACKING_FILE", "a backing file at 0", func(m *image) { m.be32(16, 11) })
	add("backing-v2", "QCOW2_BACKING_FILE", "names a backing file, version 2", func(m *image) { *m = backing("/etc/passwd"); m.be32(4, 2); m.put(72, make([]byte, 40)...) })
	add("data-file-bit", "QCOW2_DATA_FILE", "keeps its data elsewhere", func(m *image) { m.be64(72, 1<<2) })
	add("data-file-name", "QCOW2_DATA_FILE", "names a data file without the bit", ext(0x44415441, "/etc/passwd"))
	add("data-file-both", "QCOW2_DATA_FILE", "names a data file", func(m *image) { m.be64(72, 1<<2); ext(0x44415441, "/etc/passwd")(m) })
	add("data-file-json", "QCOW2_DATA_FILE", "names a data file by json:", ext(0x44415441, `json:{"file.filename":"/etc/passwd"}`))
	add("aes", "QCOW2_ENCRYPTED", "encrypted, old way", func(m *image) { m.be32(32, 1) })
	add("luks-no-header", "QCOW2_ENCRYPTED", "encrypted without the key's extension (crashes qemu-img 7.2)", func(m *image) { m.be32(32, 2) })
	add("luks-extension", "QCOW2_ENCRYPTED", "an encryption extension", ext(0x0537BE77, "0123456789abcdef"))
	add("snapshots", "QCOW2_SNAPSHOTS", "65,536 internal snapshots", func(m *image) { m.be32(60, 65536); m.be64(64, qData) })
	add("corrupt", "QCOW2_CORRUPT", "marked as corrupt", func(m *image) { m.be64(72, 2) })
	add("extended-l2", "QCOW2_EXTENDED_L2", "subclusters", func(m *image) { m.be64(72, 1<<4) })
	add("future", "QCOW2_UNKNOWN_FEATURE", "an unknown feature", func(m *image) { m.be64(72, 1<<40) })
	add("version-1", "QCOW2_VERSION", "version 1", func(m *image) { m.be32(4, 1) })
	add("version-9", "QCOW2_VERSION", "version 9", func(m *image) { m.be32(4, 9) })
	add("short", "QCOW2_HEADER", "half a header", func(m *image) { *m = (*m)[:50] })
	add("header-length", "QCOW2_HEADER", "a header of 4 GiB", func(m *image) { m.be32(100, 0xfffffff8) })
	add("extension-length", "QCOW2_EXTENSION", "an extension of 4 GiB", func(m *image) { m.be32(112, 0x12345678); m.be32(116, 0xffffffff) })
	add("cluster-bits-63", "QCOW2_CLUSTER_SIZE", "clusters of 2^63", func(m *image) { m.be32(20, 63) })
	add("cluster-bits-0", "QCOW2_CLUSTER_SIZE", "clusters of 1 byte", func(m *image) { m.be32(20, 0) })
	add("size-8e", "TOO_LARGE", "8 EiB", func(m *image) { m.be64(24, 1<<63) })
	add("size-1p", "TOO_LARGE", "1 PiB", func(m *image) { m.be64(24, 1<<50) })
	add("size-0", "EMPTY_FILE", "a disk of nothing", func(m *image) { m.be64(24, 0) })
	add("l1-2g", "QCOW2_L1_TABLE", "2^31 L1 entries", func(m *image) { m.be32(36, 1<<31) })
	add("l1-few", "QCOW2_L1_TABLE", "too few L1 entries", func(m *image) { m.be64(24, 1<<40) })
	add("l1-outside", "QCOW2_L1_TABLE", "the L1 table far outside", func(m *image) { m.be64(40, 1<<55) })
	add("l1-wraps", "QCOW2_L1_TABLE", "the L1 table at 2^64", func(m *image) { m.be64(40, 0xffffffffffff0000) })
	add("refcount-2g", "QCOW2_REFCOUNT_TABLE", "2^31 refcount clusters", func(m *image) { m.be32(56, 1<<31) })
	add("refcount-order", "QCOW2_REFCOUNT_TABLE", "refcounts of 2^63 bits", func(m *image) { m.be32(96, 63) })
	add("refcount-over-l1", "QCOW2_REFCOUNT_TABLE", "one table over another", func(m *image) { m.be64(48, qL1) })
	add("compression-7", "QCOW2_COMPRESSION", "an unknown compression", func(m *image) { m.be64(72, 1<<3); m.put(104, 7) })
	add("l2-outside", "QCOW2_L2_TABLE", "an L2 table outside", func(m *image) { m.be64(qL1, 1<<63|1<<40) })
	add("l2-odd", "QCOW2_L2_TABLE", "an L2 table at an odd place", func(m *image) { m.be64(qL1, 1<<63|qL2+512) })
	add("l2-is-l1", "QCOW2_L2_TABLE", "the L1 table as an L2 table", func(m *image) { m.be64(qL1, 1<<63|qL1) })
	add("l2-self", "QCOW2_CLUSTER", "an L2 table that points at itself", func(m *image) { m.be64(qL2, 1<<63|qL2) })
	add("data-is-header", "QCOW2_CLUSTER", "data over the L1 table", func(m *image) { m.be64(qL2, 1<<63|qL1) })
	add("data-twice", "QCOW2_CLUSTER", "two clusters in one place", func(m *image) { m.be64(qL2+8, 1<<63|qData) })
	add("data-outside", "QCOW2_TRUNCATED", "data outside of the file", func(m *image) { m.be64(qL2, 1<<63|1<<40) })
	add("cut", "QCOW2_TRUNCATED", "a file cut short", func(m *image) { *m = (*m)[:len(*m)-256] })
	add("reserved", "QCOW2_CLUSTER", "reserved bits", func(m *image) { m.be64(qL2, 1<<63|1<<57|qData) })
	add("packed-outside", "QCOW2_COMPRESSED_CLUSTER", "compressed data outside", func(m *image) { m.be64(qL2+16, 1<<62|1<<53) })
	add("packed-garbage", "QCOW2_COMPRESSED_CLUSTER", "compressed data that is none", func(m *image) { m.put(qPacked, 0xff, 0xff, 0xff, 0xff) }).When = Read
	all = append(all, &File{Name: "packed-garbage-zstd.qcow2", Code: "QCOW2_COMPRESSED_CLUSTER", Item: "compressed data that is none", When: Read,
		Data: changed(qcow2With(true), func(m *image) { m.put(qPacked, 1, 2, 3, 4) })})
	return all
}
