package gate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"slipway/fault"
)

// Format is a format of files with disks in them.
type Format string

const (
	Raw   Format = "raw"
	QCOW2 Format = "qcow2"
	VMDK  Format = "vmdk"
	VHD   Format = "vhd"
	VHDX  Format = "vhdx"
	OVA   Format = "ova"
	Gzip  Format = "gzip"
	Zstd  Format = "zstd"
	XZ    Format = "xz"
)

// MaxBytes is the largest disk that there is: the largest volume of EBS.
const MaxBytes = 64 << 40

// Options say what is known or wanted beforehand. The zero value is good.
type Options struct {
	Declared Format // what somebody said the file is; another one is refused
	MaxBytes int64  // the largest disk to take; 0: MaxBytes
	Member   string // the disk to take out of an OVA with several; "": the only one
}

// Layer is one container around the disk, the outermost first.
type Layer struct {
	Format    Format `json:"format"`
	Subformat string `json:"subformat,omitempty"`
	Member    string `json:"member,omitempty"` // its name in the archive around it
	Offset    int64  `json:"offset"`           // where it begins in the layer around it, when that is an OVA
	Length    int64  `json:"length"`           // its bytes; -1: not known before it is unpacked
}

// Disk is a file that passed the gate.
type Disk struct {
	Format      Format   `json:"format"` // of the innermost layer
	Subformat   string   `json:"subformat,omitempty"`
	VirtualSize int64    `json:"virtual_size"` // bytes; -1: not known before it is unpacked
	Allocated   int64    `json:"allocated"`    // bytes that may hold data; an estimate unless Exact
	Exact       bool     `json:"exact"`
	Chain       []Layer  `json:"chain"`
	Warnings    []string `json:"warnings,omitempty"`

	o       Options
	whole   *input // the file as it was given
	image   *image // nil: the disk must be unpacked first
	archive *archive
}

// Open decides what a file is, checks every count in it against its size and
// refuses what may not come in. It reads the structures of the file, not its
// data. A refusal is a *fault.Error whose code is one of Codes; any other error
// comes from r.
func Open(r io.ReaderAt, size int64, o Options) (*Disk, error) {
	d := newDisk(&input{r: r, size: size}, o)
	if err := d.open(d.whole, ""); err != nil {
		return nil, err
	}
	return d, nil
}

func newDisk(f *input, o Options) *Disk {
	if o.MaxBytes <= 0 || o.MaxBytes > MaxBytes {
		o.MaxBytes = MaxBytes
	}
	return &Disk{o: o, whole: f, VirtualSize: -1}
}

// maxLayers is compression, an archive and a disk.
const maxLayers = 3

// open looks at one layer; member is its name in the archive around it.
func (d *Disk) open(f *input, member string) error {
	if f.size == 0 {
		return refuse("EMPTY_FILE", "The file is empty.")
	}
	if len(d.Chain) >= maxLayers {
		return refuse("NESTED_TOO_DEEP", "The file holds containers inside of containers.")
	}
	format, err := recognise(f)
	if err != nil {
		return err
	}
	if want := d.o.Declared; want != "" && len(d.Chain) == 0 && want != format {
		return refuse("FORMAT_MISMATCH", "The file was declared as %s and is %s.", want, format)
	}
	length := f.size
	if length == unbounded {
		length = -1
	}
	d.Format, d.Subformat = format, ""
	d.Chain = append(d.Chain, Layer{Format: format, Member: member, Length: length})
	d.VirtualSize, d.Allocated, d.Exact, d.image = -1, 0, false, nil
	err = d.openers()[format](f)
	if at := len(d.Chain) - 1; d.Chain[at].Format == format {
		d.Chain[at].Subformat = d.Subformat
	}
	if err != nil || d.image == nil {
		return err
	}
	return d.count()
}

func (d *Disk) openers() map[Format]func(*input) error {
	return map[Format]func(*input) error{
		Raw: d.openRaw, QCOW2: d.openQCOW2, VMDK: d.openVMDK, VHD: d.openVHD, VHDX: d.openVHDX, OVA: d.openOVA,
		Gzip: d.openGzip, Zstd: d.openZstd, XZ: d.openXZ,
	}
}

// setSize records the size of the disk, when it may be that large.
func (d *Disk) setSize(bytes int64) error {
	if bytes > d.o.MaxBytes || bytes < 0 {
		return refuse("TOO_LARGE", "The %s holds a disk of %s; the limit is %s.", d.Format, binaryBytes(uint64(bytes)), binaryBytes(uint64(d.o.MaxBytes)))
	}
	if bytes == 0 {
		return refuse("EMPTY_FILE", "The %s holds a disk of no bytes.", d.Format)
	}
	d.VirtualSize = bytes
	if bytes%512 != 0 {
		d.warn("The disk's size, %d bytes, is no whole number of sectors.", bytes)
	}
	return nil
}

// sizeOf bounds a size that a header states as an unsigned number of units.
func (d *Disk) sizeOf(n uint64, unit uint64) (int64, error) {
	if n > uint64(d.o.MaxBytes)/unit {
		total := n * unit
		if total/unit != n {
			total = 1<<64 - 1
		}
		return 0, refuse("TOO_LARGE", "The %s holds a disk of %s; the limit is %s.", d.Format, binaryBytes(total), binaryBytes(uint64(d.o.MaxBytes)))
	}
	return int64(n * unit), d.setSize(int64(n * unit))
}

func (d *Disk) serve(f *input, l layout) {
	d.image = &image{f: f, size: d.VirtualSize, lay: l, format: d.Format}
}

// count walks the disk's tables as far as that is cheap.
func (d *Disk) count() error {
	n, whole, err := d.image.walk(context.Background(), walkSteps)
	if err != nil {
		return err
	}
	if d.Allocated, d.Exact = n, whole; !whole {
		d.Allocated = min(d.VirtualSize, max(n, d.image.f.size))
	}
	return nil
}

func (d *Disk) warn(format string, args ...any) {
	d.Warnings = append(d.Warnings, fmt.Sprintf(format, args...))
}

// Packed tells that the outermost layer is compression: the file has to go
// through Unpack, and what comes out through Open.
func (d *Disk) Packed() bool {
	return len(d.Chain) > 0 && (d.Chain[0].Format == Gzip || d.Chain[0].Format == Zstd || d.Chain[0].Format == XZ)
}

// ReaderAt serves the bytes of the disk. Reading fails where the file is
// inconsistent; it never makes bytes up. It is safe for use by several
// goroutines.
func (d *Disk) ReaderAt() (io.ReaderAt, error) {
	if d.image == nil {
		return nil, d.notReadable()
	}
	return d.image, nil
}

func (d *Disk) notReadable() error {
	return fault.New(fault.Unsupported, "The disk is compressed by %s and cannot be read in place.", d.Chain[0].Format).
		WithCode("COMPRESSED_NEEDS_UNPACKING").WithHint("%s", remedies["COMPRESSED_NEEDS_UNPACKING"])
}

// Extents yields what may hold data from the offset on, in order and apart; all
// else is zeros. An error ends it.
func (d *Disk) Extents(from int64) iter.Seq2[Extent, error] {
	if d.image == nil {
		return func(yield func(Extent, error) bool) { yield(Extent{}, d.notReadable()) }
	}
	return d.image.extents(from)
}

// Check looks at every table of the file, where Open stops when that takes
// long, and verifies the manifest of an OVA, for which it reads the file whole.
func (d *Disk) Check(ctx context.Context) error {
	if d.archive != nil {
		if err := d.archive.verify(ctx); err != nil {
			return err
		}
	}
	if d.image == nil || d.Exact {
		return nil
	}
	n, _, err := d.image.walk(ctx, 0)
	if err == nil {
		d.Allocated, d.Exact = n, true
	}
	return err
}

// Where finds the innermost layer in the file: a part of it, which programs
// that read disk images can be pointed at. It is the whole file unless the disk
// is in an OVA.
func (d *Disk) Where() (off, n int64) {
	n = d.whole.size
	for _, l := range d.Chain {
		off, n = off+l.Offset, l.Length
	}
	return off, n
}

// String names the layers, as in "ova(disk.vmdk: vmdk streamOptimized)".
func (d *Disk) String() string {
	var b strings.Builder
	for i, l := range d.Chain {
		if i > 0 {
			b.WriteByte('(')
		}
		if l.Member != "" {
			b.WriteString(l.Member + ": ")
		}
		b.WriteString(string(l.Format))
		if l.Subformat != "" {
			b.WriteString(" " + l.Subformat)
		}
	}
	b.WriteString(strings.Repeat(")", max(0, len(d.Chain)-1)))
	return b.String()
}

// Verdict is what the first bytes of a file tell.
type Verdict struct {
	Disk
	Final bool // all was seen that Open would look at
}

// Sniff judges a file by its first bytes, before it is transferred. size is
// that of the whole file, below 0 when it is not known. A refusal is final;
// otherwise the verdict holds what is known so far.
func Sniff(first []byte, size int64, o Options) (Verdict, error) {
	if size < 0 {
		size = unbounded
	}
	d := newDisk(&input{r: prefix(first[:min(int64(len(first)), size)]), size: size}, o)
	err := d.open(d.whole, "")
	if errors.Is(err, errBeyond) {
		return Verdict{Disk: *d}, nil
	}
	if err != nil {
		return Verdict{}, err
	}
	return Verdict{Disk: *d, Final: int64(len(first)) >= size}, nil
}

func binaryBytes(n uint64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	v, i := float64(n), 0
	for ; v >= 1024 && i < len(units)-1; i++ {
		v /= 1024
	}
	return strings.Replace(fmt.Sprintf("%.1f %s", v, units[i]), ".0 ", " ", 1)
}
