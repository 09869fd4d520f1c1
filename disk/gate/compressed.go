package gate

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"slipway/fault"
)

// Bounds of what may come out of a compressed file. Zeros cost no room, so they
// are bounded by the size of a disk and by a ratio that real disks never reach;
// everything else by a ratio that no disk reaches either.
const (
	maxZeroRatio = 200_000
	maxDataRatio = 2000
	freeBytes    = 128 << 20 // no ratio is asked for below
	maxPeek      = 1 << 20   // looked at before anything is unpacked whole
)

func (d *Disk) openGzip(f *input) error { return d.openPacked(f, Gzip) }
func (d *Disk) openZstd(f *input) error { return d.openPacked(f, Zstd) }
func (d *Disk) openXZ(f *input) error   { return d.openPacked(f, XZ) }

// openPacked unpacks the beginning and judges that; the rest follows when the
// file was unpacked whole and comes again.
func (d *Disk) openPacked(f *input, kind Format) error {
	if len(d.Chain) > 1 {
		return refuse("COMPRESSED_NESTED", "The file is compressed twice.")
	}
	r, size, err := unpacker(f, kind)
	if err != nil {
		return err
	}
	defer r.Close()
	if size > d.o.MaxBytes {
		return refuse("TOO_LARGE", "The file unpacks to %s; the limit is %s.", binaryBytes(uint64(size)), binaryBytes(uint64(d.o.MaxBytes)))
	}
	first := make([]byte, maxPeek)
	n, err := io.ReadFull(r, first)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		if n < sector || !errors.Is(err, errBeyond) {
			return packedErr(kind, err)
		}
	}
	ended := err == io.ErrUnexpectedEOF || err == io.EOF
	if ended {
		if err := trueEnd(r); err != nil {
			return packedErr(kind, err)
		}
	}
	in := &input{r: prefix(first[:n]), size: unbounded}
	if ended {
		in.size = int64(n)
	} // else not by size: it is that of the first frame, and there may be others
	if inner, err := recognise(in); err == nil && (inner == Gzip || inner == Zstd || inner == XZ) {
		return refuse("COMPRESSED_NESTED", "The file is compressed twice, by %s and %s.", kind, inner)
	}
	err = d.open(in, "")
	d.image, d.archive, d.Allocated, d.Exact = nil, nil, 0, false // in no place to be read
	if errors.Is(err, errBeyond) {
		return nil
	}
	return err
}

func packedErr(kind Format, err error) error {
	var f *fault.Error
	switch {
	case err == nil || errors.As(err, &f) || errors.Is(err, errBeyond):
		return err
	case errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return refuse("ZSTD_WINDOW", "The file needs more than %s of memory to be unpacked.", binaryBytes(maxZstdWindow))
	case errors.Is(err, zstd.ErrUnknownDictionary):
		return refuse("ZSTD_DICTIONARY", "The file was compressed with a dictionary.")
	}
	code := map[Format]string{Gzip: "GZIP_DAMAGED", Zstd: "ZSTD_DAMAGED", XZ: "XZ_DAMAGED"}[kind]
	e := refuse(code, "The file's %s data is damaged or ends too early.", kind).(*fault.Error)
	e.Err = err
	return e
}

// unpacker reads what a compressed file holds; size is 0 when the file does not
// say how much that is.
func unpacker(f *input, kind Format) (r io.ReadCloser, size int64, err error) {
	in := bufio.NewReaderSize(&reading{f: f}, 64<<10)
	if kind != Zstd {
		r, err := Stream(in, kind)
		return r, 0, packedErr(kind, err)
	}
	head, err := in.Peek(int(min(f.size, zstd.HeaderMaxSize)))
	if err != nil {
		return nil, 0, err
	}
	var h zstd.Header
	if err := h.Decode(head); err != nil {
		return nil, 0, packedErr(kind, err)
	}
	if h.WindowSize > maxZstdWindow {
		return nil, 0, packedErr(kind, zstd.ErrWindowSizeExceeded)
	}
	if h.DictionaryID != 0 {
		return nil, 0, packedErr(kind, zstd.ErrUnknownDictionary)
	}
	if h.HasFCS && h.FrameContentSize < 1<<62 { // of the first frame, which may not be the only one
		size = int64(h.FrameContentSize)
	} else if h.HasFCS {
		size = unbounded
	}
	r, err = Stream(in, kind)
	return r, size, err
}

// Stream reads what a stream compressed by gzip, zstd or xz holds, with no more
// memory than the gate allows. What comes out is not bounded.
func Stream(in *bufio.Reader, kind Format) (io.ReadCloser, error) {
	switch kind {
	case Gzip:
		return gzip.NewReader(in)
	case XZ:
		return newXZ(in)
	}
	dec, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(maxZstdWindow), zstd.WithDecoderMaxWindow(maxZstdWindow))
	if err != nil {
		return nil, err
	}
	return dec.IOReadCloser(), nil
}

// reading reads a file from its beginning. Where only a beginning is known, it
// ends with errBeyond.
type reading struct {
	f  *input
	at int64
}

func (r *reading) Read(b []byte) (int, error) {
	n := min(int64(len(b)), r.f.size-r.at)
	if p, ok := r.f.r.(prefix); ok && r.f.size > int64(len(p)) {
		if n = min(n, int64(len(p))-r.at); n <= 0 {
			return 0, errBeyond
		}
	}
	if n <= 0 {
		return 0, io.EOF
	}
	if err := r.f.fill(b[:n], r.at); err != nil {
		return 0, err
	}
	r.at += n
	return int(n), nil
}

// unpackChunk is how much is looked at for zeros at once.
const unpackChunk = 64 << 10

// Unpack writes what a compressed file holds, but for its zeros, and gives the
// size, which the caller has to give w. It stops at the bounds of the gate. What
// came out has to go through Open.
func (d *Disk) Unpack(ctx context.Context, w io.WriterAt) (int64, error) {
	if !d.Packed() {
		return 0, errors.New("disk/gate: the file is not compressed")
	}
	kind := d.Chain[0].Format
	r, _, err := unpacker(d.whole, kind)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	buf := make([]byte, unpackChunk)
	var size, data int64
	for {
		if ctx.Err() != nil {
			return size, context.Cause(ctx)
		}
		n, err := io.ReadFull(r, buf)
		if n > 0 && !allZero(buf[:n]) {
			if _, err := w.WriteAt(buf[:n], size); err != nil {
				return size, fmt.Errorf("unpack: %w", err)
			}
			data += int64(n)
		}
		size += int64(n)
		if e := d.bomb(size, data); e != nil {
			return size, e
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			if e := trueEnd(r); e != nil {
				return size, packedErr(kind, e)
			}
			return size, nil
		}
		if err != nil {
			return size, packedErr(kind, err)
		}
	}
}

// trueEnd tells a clean end from io.ErrUnexpectedEOF, which io.ReadFull gives
// for both.
func trueEnd(r io.Reader) error {
	n, err := r.Read(make([]byte, 1))
	if err == io.EOF && n == 0 {
		return nil
	}
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func (d *Disk) bomb(size, data int64) error {
	if size > d.o.MaxBytes {
		return refuse("TOO_LARGE", "The file unpacks to more than %s, the limit.", binaryBytes(uint64(d.o.MaxBytes)))
	}
	packed := max(1, d.whole.size)
	if size > freeBytes && size/packed > maxZeroRatio || data > freeBytes && data/packed > maxDataRatio {
		return refuse("COMPRESSION_BOMB", "The file of %s unpacks to more than %s.", binaryBytes(uint64(packed)), binaryBytes(uint64(size)))
	}
	return nil
}
