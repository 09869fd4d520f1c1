package gate

import (
	"fmt"
)

// Incompatible features of qcow2 (docs/interop/qcow2.txt of QEMU).
const (
	qcowDirty = 1 << iota
	qcowCorrupt
	qcowDataFile
	qcowCompressionType
	qcowExtendedL2
)

// qcow2 is a checked header and the layout it describes.
type qcow2 struct {
	f       *input
	tab     tables
	size    int64
	bits    uint // of a cluster
	cluster int64
	l1At    int64
	l1Len   int64 // entries
	refAt   int64 // of the refcount table
	refLen  int64
	version uint32
	zstd    bool
}

func (d *Disk) openQCOW2(f *input) error {
	h, err := f.at(0, 72)
	if err != nil {
		return orRefuse(err, "QCOW2_HEADER", "The qcow2 file has %d bytes, fewer than its header.", f.size)
	}
	q := &qcow2{f: f, version: be.Uint32(h[4:])}
	q.tab.f = f
	switch q.version {
	case 2, 3:
		d.Subformat = fmt.Sprintf("v%d", q.version)
	default:
		return refuse("QCOW2_VERSION", "The qcow2 file is of version %d; 2 and 3 are known.", q.version)
	}
	q.bits = uint(be.Uint32(h[20:]))
	if q.bits < 9 || q.bits > 21 {
		return refuse("QCOW2_CLUSTER_SIZE", "The qcow2 file has clusters of 2^%d bytes; 2^9 to 2^21 are allowed.", q.bits)
	}
	q.cluster = 1 << q.bits
	if err := q.backing(h); err != nil {
		return err
	}
	if n := be.Uint32(h[60:]); n != 0 {
		return refuse("QCOW2_SNAPSHOTS", "The qcow2 file holds %d internal snapshots.", n)
	}
	headerLen := int64(72)
	if q.version == 3 {
		if headerLen, err = d.qcow2V3(q); err != nil {
			return err
		}
	}
	if m := be.Uint32(h[32:]); m != 0 {
		return refuse("QCOW2_ENCRYPTED", "The qcow2 file is encrypted (method %d).", m)
	}
	if err := q.extensions(headerLen); err != nil {
		return err
	}
	if q.size, err = d.sizeOf(be.Uint64(h[24:]), 1); err != nil {
		return err
	}
	if err := q.bounds(h); err != nil {
		return err
	}
	d.serve(f, q)
	return nil
}

// backing refuses a file that names another one.
func (q *qcow2) backing(h []byte) error {
	off, n := be.Uint64(h[8:]), be.Uint32(h[16:])
	if off == 0 && n == 0 {
		return nil
	}
	name := []byte("?")
	if off < 1<<62 && n <= 1023 {
		if b, err := q.f.at(int64(off), int64(n)); err == nil {
			name = b
		}
	}
	return refuse("QCOW2_BACKING_FILE", "The qcow2 file names a backing file, %s.", quote(name))
}

// qcow2V3 reads what version 3 added and gives the header's length.
func (d *Disk) qcow2V3(q *qcow2) (int64, error) {
	h, err := q.f.at(0, 112)
	if err != nil {
		return 0, orRefuse(err, "QCOW2_HEADER", "The qcow2 file has %d bytes, fewer than its header.", q.f.size)
	}
	n := int64(be.Uint32(h[100:]))
	if n < 104 || n%8 != 0 || n > q.cluster {
		return 0, refuse("QCOW2_HEADER", "The qcow2 file states a header of %d bytes.", n)
	}
	incompatible := be.Uint64(h[72:])
	switch {
	case incompatible&qcowDataFile != 0:
		return 0, refuse("QCOW2_DATA_FILE", "The qcow2 file keeps its data in another file.")
	case incompatible&qcowCorrupt != 0:
		return 0, refuse("QCOW2_CORRUPT", "The qcow2 file is marked as corrupt.")
	case incompatible&qcowExtendedL2 != 0:
		return 0, refuse("QCOW2_EXTENDED_L2", "The qcow2 file has extended L2 entries (subclusters).")
	case incompatible>>5 != 0:
		return 0, refuse("QCOW2_UNKNOWN_FEATURE", "The qcow2 file needs features that are not known (bits %#x).", incompatible>>5<<5)
	case incompatible&qcowDirty != 0:
		d.warn("The qcow2 file was not closed cleanly; its reference counts may be stale. Its data is read all the same.")
	}
	if order := be.Uint32(h[96:]); order > 6 {
		return 0, refuse("QCOW2_REFCOUNT_TABLE", "The qcow2 file has reference counts of 2^%d bits.", order)
	}
	kind := byte(0)
	if n > 104 {
		kind = h[104]
	}
	if kind > 1 || kind != 0 && incompatible&qcowCompressionType == 0 || kind == 0 && incompatible&qcowCompressionType != 0 {
		return 0, refuse("QCOW2_COMPRESSION", "The qcow2 file is compressed by method %d, which is not known or not announced.", kind)
	}
	if q.zstd = kind == 1; q.zstd {
		d.Subformat += " zstd"
	}
	return n, nil
}

// extensions walks the header extensions, which end with the first cluster.
func (q *qcow2) extensions(at int64) error {
	end := min(q.cluster, q.f.size)
	for at+8 <= end {
		h, err := q.f.at(at, 8)
		if err != nil {
			return err
		}
		kind, n := be.Uint32(h), int64(be.Uint32(h[4:]))
		if kind == 0 {
			return nil
		}
		if n > end-at-8 {
			return refuse("QCOW2_EXTENSION", "A header extension of the qcow2 file (%#x) has %d bytes and leaves the first cluster.", kind, n)
		}
		switch kind {
		case 0xE2792ACA:
			b, err := q.f.at(at+8, n)
			if err != nil {
				return err
			}
			return refuse("QCOW2_BACKING_FILE", "The qcow2 file names the format of a backing file, %s.", quote(b))
		case 0x44415441:
			b, err := q.f.at(at+8, n)
			if err != nil {
				return err
			}
			return refuse("QCOW2_DATA_FILE", "The qcow2 file names a data file, %s.", quote(b))
		case 0x0537BE77:
			return refuse("QCOW2_ENCRYPTED", "The qcow2 file is encrypted (LUKS).")
		}
		at += 8 + (n+7)/8*8
	}
	return nil
}

// bounds checks the tables of the header against the file.
func (q *qcow2) bounds(h []byte) error {
	perTable := q.cluster / 8
	clusters := (q.size + q.cluster - 1) >> q.bits
	need := (clusters + perTable - 1) / perTable
	at, n := be.Uint64(h[40:]), int64(be.Uint32(h[36:]))
	if n < need {
		return refuse("QCOW2_L1_TABLE", "The qcow2 file's L1 table has %d entries; a disk of its size needs %d.", n, need)
	}
	if at == 0 || at%uint64(q.cluster) != 0 || at >= 1<<56 || !q.f.holds(int64(at), 8*n) {
		return refuse("QCOW2_L1_TABLE", "The qcow2 file's L1 table of %d entries at %d does not lie in the file of %d bytes.", n, at, q.f.size)
	}
	q.l1At, q.l1Len = int64(at), n
	at, n = be.Uint64(h[48:]), int64(be.Uint32(h[56:]))
	if at == 0 || at%uint64(q.cluster) != 0 || at >= 1<<56 || n == 0 || n > q.f.size>>q.bits || !q.f.holds(int64(at), n<<q.bits) {
		return refuse("QCOW2_REFCOUNT_TABLE", "The qcow2 file's refcount table of %d clusters at %d does not lie in the file of %d bytes.", n, at, q.f.size)
	}
	q.refAt, q.refLen = int64(at), n<<q.bits
	if q.l1At < q.refAt+q.refLen && q.refAt < q.l1At+8*q.l1Len {
		return refuse("QCOW2_REFCOUNT_TABLE", "The qcow2 file's refcount table lies over its L1 table.")
	}
	return nil
}

// taken tells whether n bytes at off touch the header or a table of it.
func (q *qcow2) taken(off, n int64) bool {
	over := func(at, len int64) bool { return off < at+len && at < off+n }
	return over(0, q.cluster) || over(q.l1At, 8*q.l1Len) || over(q.refAt, q.refLen)
}

const (
	qcowCopied     = 1 << 63
	qcowCompressed = 1 << 62
	qcowZero       = 1
	qcowOffset     = 0x00fffffffffffe00
)

func (q *qcow2) find(off int64) (stretch, error) {
	perTable := q.cluster / 8
	cluster := off >> q.bits
	l1 := cluster / perTable
	b, err := q.tab.entry(q.l1At+8*l1, 8)
	if err != nil {
		return stretch{}, err
	}
	e := be.Uint64(b)
	table := int64(e & qcowOffset)
	if e&^(qcowCopied|qcowOffset) != 0 || table%q.cluster != 0 || table != 0 && (!q.f.holds(table, q.cluster) || q.taken(table, q.cluster)) {
		return stretch{}, refuse("QCOW2_L2_TABLE", "Entry %d of the qcow2 file's L1 table, %#x, points at no L2 table in the file of %d bytes.", l1, e, q.f.size)
	}
	if table == 0 {
		run, err := q.tab.zeros(q.l1At+8*l1, 8, q.l1Len-l1)
		return stretch{n: (l1+run)*perTable<<q.bits - off}, err
	}
	if b, err = q.tab.entry(table+8*(cluster%perTable), 8); err != nil {
		return stretch{}, err
	}
	e = be.Uint64(b)
	n := (cluster+1)<<q.bits - off
	if e&qcowCompressed != 0 {
		return q.compressed(e, cluster, n)
	}
	data := int64(e & qcowOffset)
	zero := e&qcowZero != 0
	need := min(q.cluster, q.size-cluster<<q.bits) // of the last cluster, a file may end early
	switch {
	case e&^(qcowCopied|qcowOffset|qcowZero) != 0, zero && q.version == 2, data%q.cluster != 0:
		return stretch{}, refuse("QCOW2_CLUSTER", "The qcow2 file's entry for cluster %d, %#x, sets bits that have no meaning.", cluster, e)
	case e == 0:
		run, err := q.tab.zeros(table+8*(cluster%perTable), 8, perTable-cluster%perTable)
		return stretch{n: n + (run-1)<<q.bits}, err
	case zero || data == 0:
		return stretch{n: n, hides: zero}, nil
	case q.taken(data, q.cluster) || data == table:
		return stretch{}, refuse("QCOW2_CLUSTER", "The qcow2 file's cluster %d lies over the file's own tables, at %d.", cluster, data)
	case !q.f.holds(data, need):
		return stretch{}, refuse("QCOW2_TRUNCATED", "The qcow2 file's cluster %d should lie at %d; the file has %d bytes.", cluster, data, q.f.size)
	}
	return stretch{n: n, kind: plain, at: data + off&(q.cluster-1), host: data, hostN: q.cluster}, nil
}

func (q *qcow2) compressed(e uint64, cluster, n int64) (stretch, error) {
	x := 62 - (q.bits - 8)
	at := int64(e & (1<<x - 1))
	sectors := int64(e >> x & (1<<(62-x) - 1))
	length := (sectors+1)*512 - at%512
	if e&qcowCopied != 0 || at < q.cluster || at >= q.f.size || q.taken(at, 1) {
		return stretch{}, refuse("QCOW2_COMPRESSED_CLUSTER", "The qcow2 file's compressed cluster %d should lie at %d; the file has %d bytes.", cluster, at, q.f.size)
	}
	length = min(length, q.f.size-at) // counted in sectors: the last one may not be whole
	unpack := func() ([]byte, error) {
		in, err := q.f.at(at, length)
		if err != nil {
			return nil, err
		}
		out := make([]byte, q.cluster)
		if q.zstd {
			err = zstdInto(out, in)
		} else {
			err = deflateInto(out, in)
		}
		if err != nil {
			return nil, refuse("QCOW2_COMPRESSED_CLUSTER", "The qcow2 file's compressed cluster %d is damaged.", cluster)
		}
		return out, nil
	}
	return stretch{n: n, kind: packed, at: at, host: at, hostN: 1, unit: cluster << q.bits, unpack: unpack}, nil
}
