package disk

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
	"unsafe"

	"slipway/fault"
)

// Verify reads a whole sealed disk and compares it with its digest. progress
// may be nil and counts bytes of data. Errors: NotFound; Internal with Code
// "disk-damaged".
func (s *Store) Verify(ctx context.Context, d Digest, progress func(done, total int64)) error {
	_, err := s.verify(ctx, d, 0, func(_, done, total int64) error {
		if progress != nil {
			progress(done, total)
		}
		return nil
	})
	return err
}

// Check is what the last verification of a sealed disk found.
type Check struct {
	At     time.Time `json:"at"`               // zero: there was none
	Damage string    `json:"damage,omitempty"` // what is wrong with it; "" when nothing is
}

const (
	checkFile = "checked.json"
	placeFile = "checking.json" // how far a verification is that was stopped
	placeStep = 64 << 20        // bytes of data between two notes of it
)

// Checked tells what the last Check found. Errors: NotFound.
func (s *Store) Checked(d Digest) (Check, error) {
	var c Check
	err := readJSON(s.sealedAt(d, checkFile), &c)
	if errors.Is(err, fs.ErrNotExist) {
		_, err = s.Stat(d)
	}
	return c, ioFault(err, "The last verification of a sealed disk could not be read.")
}

// Checking says how Check goes about it.
type Checking struct {
	Now    func() time.Time
	Resume bool // go on where a Check that was stopped was, and remember the place
	// Step may pace the reading or stop it with an error: it is called after each
	// block with the bytes of data read so far and in all. It may be nil.
	Step func(done, total int64) error
}

// Check verifies a sealed disk and remembers what was found, beside the disk.
// A damaged disk is no error here. A disk that is known to be damaged is
// replaced by the next seal of its content.
// Errors: NotFound; what Step returned.
func (s *Store) Check(ctx context.Context, d Digest, o Checking) (Check, error) {
	p := s.placeOf(d, o.Resume)
	from, before, noted := p.Next, p.Done, int64(0)
	read, err := s.verify(ctx, d, from, func(next, done, total int64) error {
		if o.Resume && done-noted >= placeStep {
			noted = done
			_ = writeJSON(s.sealedAt(d, placeFile), place{next, before + done}) // without it more is read again
		}
		if o.Step == nil {
			return nil
		}
		return o.Step(before+done, total)
	})
	c := Check{}
	var f *fault.Error
	if errors.As(err, &f) && f.Code == codeDamaged {
		c.Damage, err = f.Public, nil
	}
	if err != nil {
		return Check{}, err
	}
	c.At = o.Now().UTC()
	s.names.Lock() // nobody takes the disk away or replaces it meanwhile
	defer s.names.Unlock()
	have, err := os.Stat(s.sealedAt(d, rawFile))
	if err != nil && c.Damage == "" || read != nil && err == nil && !os.SameFile(read, have) {
		return Check{}, noDisk(d) // it was removed, or another one has its name by now
	}
	if there, _ := exists(s.sealedAt(d)); !there {
		return Check{}, noDisk(d)
	}
	err = errors.Join(writeJSON(s.sealedAt(d, checkFile), c), os.RemoveAll(s.sealedAt(d, placeFile)))
	return c, ioFault(err, "The verification of a sealed disk could not be recorded.")
}

// place is where a verification was stopped.
type place struct {
	Next int64 `json:"next"` // block
	Done int64 `json:"done"` // bytes of data before it
}

func (s *Store) placeOf(d Digest, resume bool) (p place) {
	if resume && readJSON(s.sealedAt(d, placeFile), &p) != nil || p.Next < 0 || p.Done < 0 {
		return place{}
	}
	return p
}

// Begun tells whether a Check of a disk was stopped and can go on.
func (s *Store) Begun(d Digest) bool { return s.placeOf(d, true).Next > 0 }

// verify compares a sealed disk with its digest, the blocks from from on, and
// tells which file was read.
func (s *Store) verify(ctx context.Context, d Digest, from int64, step func(next, done, total int64) error) (read os.FileInfo, err error) {
	const what = "The sealed disk could not be verified."
	st, err := s.Stat(d)
	if err != nil {
		return nil, err
	}
	lf, blocks, err := s.openSealed(d, leavesFile)
	if err != nil {
		return nil, lost(d, err)
	}
	defer lf.Close()
	raw, rawBlocks, err := s.openSealed(d, rawFile)
	if err != nil {
		return nil, lost(d, err)
	}
	defer raw.Close()
	if read, err = raw.Stat(); err != nil {
		return nil, ioFault(err, what)
	}
	if blocks*BlockSize != st.SizeBytes || rawBlocks != blocks {
		return read, damaged(d, 0, errors.New("a file of the disk has the wrong size"))
	}
	if err := checkLeaves(ctx, lf, st); err != nil {
		return read, ioFault(err, what)
	}
	v := &verifier{ctx: ctx, d: d, raw: raw, buf: aligned(BlockSize), next: from}
	v.pastCache(s.sealedAt(d, rawFile))
	defer v.close()
	var done int64
	err = walkLeaves(ctx, lf, from, blocks, func(i int64, l leaf) (bool, error) {
		if err := v.holes(v.next, i); err != nil {
			return false, err
		}
		if err := v.read(v.buf, i*BlockSize); err != nil || sumOf(v.buf) != l {
			return false, damaged(d, i, err)
		}
		v.next, done = i+1, done+BlockSize
		return true, step(i+1, done, st.DataBytes)
	})
	if err == nil {
		err = v.holes(v.next, blocks)
	}
	return read, ioFault(err, what)
}

// lost: a disk whose description is there and whose files are not is damaged.
func lost(d Digest, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return damaged(d, 0, err)
	}
	return err
}

// checkLeaves compares the leaves with the digest.
func checkLeaves(ctx context.Context, lf *os.File, st Sealed) error {
	sum, data := newDigester(st.SizeBytes), int64(0)
	err := walkLeaves(ctx, lf, 0, st.SizeBytes/BlockSize, func(i int64, l leaf) (bool, error) {
		sum.add(i, l)
		data += BlockSize
		return true, nil
	})
	if err == nil && (sum.digest() != st.Digest || data != st.DataBytes) {
		err = damaged(st.Digest, 0, errors.New("the leaves are not those of the digest"))
	}
	return err
}

// verifier reads the bytes of a sealed disk.
type verifier struct {
	ctx    context.Context
	d      Digest
	raw    *os.File
	direct *os.File // the same past the page cache; nil where that does not work
	buf    []byte
	next   int64
}

// aligned is a buffer that O_DIRECT takes.
func aligned(n int) []byte {
	const page = 4096
	b := make([]byte, n+page)
	off := (page - int(uintptr(unsafe.Pointer(&b[0]))%page)) % page
	return b[off : off+n]
}

// pastCache reads around the page cache where the file system lets us: what the
// disk holds is to be verified, not what is in memory, and what machines have
// in memory is to stay there.
func (v *verifier) pastCache(path string) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECT, 0)
	if err != nil {
		return
	}
	if _, err := f.ReadAt(v.buf[:4096], 0); err != nil {
		f.Close()
		return
	}
	a, errA := f.Stat()
	b, errB := v.raw.Stat()
	if errA != nil || errB != nil || !os.SameFile(a, b) {
		f.Close()
		return
	}
	v.direct = f
}

func (v *verifier) close() {
	if v.direct != nil {
		v.direct.Close()
	}
}

func (v *verifier) read(b []byte, off int64) error {
	if v.direct != nil {
		_, err := v.direct.ReadAt(b, off)
		if !errors.Is(err, syscall.EINVAL) { // alignment: the stretch of a hole may have any
			return err
		}
	}
	_, err := v.raw.ReadAt(b, off)
	return err
}

// holes checks that blocks [from, to) are zeros, reading allocated bytes only.
func (v *verifier) holes(from, to int64) error {
	for off := from * BlockSize; off < to*BlockSize; {
		start, end, ok, err := nextData(v.raw, off, to*BlockSize)
		if err != nil || !ok || start >= to*BlockSize {
			return err
		}
		for end = min(end, to*BlockSize); start < end; {
			if err := v.ctx.Err(); err != nil {
				return err
			}
			n := min(end-start, BlockSize)
			if err := v.read(v.buf[:n], start); err != nil || !isZero(v.buf[:n]) {
				return damaged(v.d, start/BlockSize, err)
			}
			start += n
		}
		off = end
	}
	return nil
}
