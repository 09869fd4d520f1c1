package disk

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"slipway/fault"
)

// Held is a sealed disk whose bytes stay readable until Release, also when the
// disk is removed meanwhile.
type Held struct {
	Sealed
	raw, leaves *os.File
}

// Hold opens a sealed disk. It needs no owner of the directory: another process
// may be running on it. Errors: NotFound; Internal with Code "disk-damaged".
func Hold(dir string, d Digest) (*Held, error) {
	s := &Store{dir: dir}
	st, err := s.Stat(d)
	if err != nil {
		return nil, err
	}
	h := &Held{Sealed: st}
	var blocks, rawBlocks int64
	if h.leaves, blocks, err = s.openSealed(d, leavesFile); err == nil {
		if h.raw, rawBlocks, err = s.openSealed(d, rawFile); err == nil && (blocks != rawBlocks || blocks*BlockSize != st.SizeBytes) {
			err = damaged(d, 0, errors.New("a file of the disk has the wrong size"))
		}
	}
	if err != nil {
		h.Release()
		return nil, lost(d, err)
	}
	return h, nil
}

// SealedIn lists the sealed disks below dir, as Store.Sealed does, whoever owns
// it.
func SealedIn(dir string) ([]Digest, error) { return (&Store{dir: dir}).Sealed() }

// Release lets the disk go; safe twice.
func (h *Held) Release() {
	for _, f := range []*os.File{h.raw, h.leaves} {
		if f != nil {
			f.Close()
		}
	}
}

// Give makes the disk one of the store in dir, which nobody may own: by hard
// links where the file system allows it, else by a sparse copy. What it made is
// compared with the digest when it was copied. Repeatable.
func (h *Held) Give(ctx context.Context, dir string) (linked bool, err error) {
	const what = "The sealed disk could not be copied."
	s := &Store{dir: dir}
	final := s.sealedAt(h.Digest)
	if there, err := exists(final); err != nil || there {
		return false, ioFault(err, what)
	}
	tmp := filepath.Join(dir, tmpDir, hex.EncodeToString(h.Digest[:]))
	if err := errors.Join(os.RemoveAll(tmp), os.MkdirAll(tmp, 0o700), os.MkdirAll(filepath.Join(dir, sealedDir), 0o700)); err != nil {
		return false, ioFault(err, what)
	}
	defer os.RemoveAll(tmp) // gone after the rename
	linked = true
	for name, f := range map[string]*os.File{rawFile: h.raw, leavesFile: h.leaves} {
		// By the name of the open file: the disk's own may be gone by now.
		if os.Link(f.Name(), filepath.Join(tmp, name)) != nil || !same(f, filepath.Join(tmp, name)) {
			linked = false
			if err := copySparse(ctx, f, filepath.Join(tmp, name)); err != nil {
				return false, ioFault(err, what)
			}
		}
	}
	err = writeJSON(filepath.Join(tmp, diskFile), diskMeta{digestVersion, h.SizeBytes, h.DataBytes})
	if err == nil {
		err = os.Rename(tmp, final)
	}
	if err == nil {
		err = syncDir(filepath.Dir(final))
	}
	return linked, ioFault(err, what)
}

func same(f *os.File, path string) bool {
	a, errA := f.Stat()
	b, errB := os.Stat(path)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

// copySparse copies the allocated stretches of a file.
func copySparse(ctx context.Context, from *os.File, path string) error {
	st, err := from.Stat()
	if err != nil {
		return err
	}
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	to, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o400)
	if err != nil {
		return err
	}
	defer to.Close()
	if err := to.Truncate(st.Size()); err != nil {
		return err
	}
	for off := int64(0); ; {
		start, end, ok, err := nextData(from, off, st.Size())
		if err != nil {
			return err
		}
		if !ok {
			return to.Sync()
		}
		for ; start < end; start += 16 << 20 {
			if err := ctx.Err(); err != nil {
				return err
			}
			n := min(16<<20, end-start)
			if _, err := io.Copy(io.NewOffsetWriter(to, start), io.NewSectionReader(from, start, n)); err != nil {
				return err
			}
		}
		off = end
	}
}

// A stream is a sealed disk as one run of bytes: this head, the size and the
// number of blocks with data (big-endian), then for each of them its index and
// its bytes.
const streamHead = "slipdisk stream 1\n"

const streamRecord = 8 + BlockSize

// StreamBytes is the length of the stream that Stream writes.
func (h *Held) StreamBytes() int64 {
	return int64(len(streamHead)) + 16 + h.DataBytes/BlockSize*streamRecord
}

// Stream writes the disk as a stream. Each block is compared with its leaf on
// the way. Errors: Internal with Code "disk-damaged"; those of w.
func (h *Held) Stream(ctx context.Context, w io.Writer) error {
	const what = "The sealed disk could not be written."
	if err := checkLeaves(ctx, h.leaves, h.Sealed); err != nil {
		return ioFault(err, what)
	}
	head := binary.BigEndian.AppendUint64([]byte(streamHead), uint64(h.SizeBytes))
	if _, err := w.Write(binary.BigEndian.AppendUint64(head, uint64(h.DataBytes/BlockSize))); err != nil {
		return ioFault(err, what)
	}
	rec := make([]byte, streamRecord)
	err := walkLeaves(ctx, h.leaves, 0, h.SizeBytes/BlockSize, func(i int64, l leaf) (bool, error) {
		binary.BigEndian.PutUint64(rec, uint64(i))
		if _, err := h.raw.ReadAt(rec[8:], i*BlockSize); err != nil || sumOf(rec[8:]) != l {
			return false, damaged(h.Digest, i, err)
		}
		_, err := w.Write(rec)
		return true, err
	})
	return ioFault(err, what)
}

// ReadStream reads a stream and computes the digest of what is in it. each, when
// not nil, is given every block; it is valid until each returns. Errors:
// BadValue when it is no stream; those of r and each.
func ReadStream(ctx context.Context, r io.Reader, each func(index int64, block []byte, sum [32]byte) error) (Sealed, error) {
	head := make([]byte, len(streamHead)+16)
	if _, err := io.ReadFull(r, head); err != nil || string(head[:len(streamHead)]) != streamHead {
		return Sealed{}, fault.Wrap(fault.BadValue, err, "This is not the stream of a sealed disk.")
	}
	size, count := binary.BigEndian.Uint64(head[len(streamHead):]), binary.BigEndian.Uint64(head[len(streamHead)+8:])
	if size == 0 || size%BlockSize != 0 || size > MaxBlocks*BlockSize || count > size/BlockSize {
		return Sealed{}, fault.New(fault.BadValue, "The stream of a sealed disk is damaged.")
	}
	st, sum, last := Sealed{SizeBytes: int64(size)}, newDigester(int64(size)), int64(-1)
	br, rec := bufio.NewReaderSize(r, 64<<10), make([]byte, streamRecord)
	for range count {
		if err := ctx.Err(); err != nil {
			return Sealed{}, err
		}
		if _, err := io.ReadFull(br, rec); err != nil {
			return Sealed{}, fault.Wrap(fault.BadValue, err, "The stream of a sealed disk is cut short.")
		}
		i := int64(binary.BigEndian.Uint64(rec))
		if i <= last || i >= st.SizeBytes/BlockSize {
			return Sealed{}, fault.New(fault.BadValue, "The stream of a sealed disk is damaged.")
		}
		l := sumOf(rec[8:])
		if each != nil {
			if err := each(i, rec[8:], l); err != nil {
				return Sealed{}, err
			}
		}
		sum.add(i, l)
		st.DataBytes += BlockSize
		last = i
	}
	st.Digest = sum.digest()
	return st, nil
}

// Take makes a sealed disk of a stream. Errors: as ReadStream; BadValue with
// Code "disk-damaged" when its content is not that of want.
func (s *Store) Take(ctx context.Context, want Digest, r io.Reader) error {
	id := fmt.Sprintf("take-%x", want[:12])
	if err := s.DropUpload(ctx, id); err != nil {
		return err
	}
	var blocks int64
	head := make([]byte, len(streamHead)+16)
	br := bufio.NewReader(r)
	if b, err := br.Peek(len(head)); err == nil {
		blocks = int64(binary.BigEndian.Uint64(b[len(streamHead):]) / BlockSize)
	}
	if err := s.CreateUpload(ctx, id, blocks); err != nil {
		return err
	}
	st, err := ReadStream(ctx, br, func(i int64, block []byte, sum [32]byte) error { return s.PutBlock(ctx, id, i, block, sum) })
	if err == nil && st.Digest != want {
		err = fault.New(fault.BadValue, "The content of sealed disk %s is not that of its digest.", want).WithCode(codeDamaged)
	}
	if err == nil {
		_, err = s.Seal(ctx, id, nil)
	}
	return errors.Join(err, s.DropUpload(context.WithoutCancel(ctx), id))
}
