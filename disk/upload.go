package disk

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"slipway/fault"
)

const (
	uploadFile = "upload.json"
	recordFile = "sealed.json"
	stagingDir = "disk" // becomes sealed/<hex> by a rename
)

// UploadInfo is how far an upload is.
type UploadInfo struct {
	Blocks  int64  // the size of the disk in blocks
	Present int64  // how many distinct blocks have arrived, all-zero ones included
	Sealed  Digest // set once a seal was decided

	// Touched is when the last block arrived, or when the upload was made; zero
	// once a seal was decided.
	Touched time.Time
}

type uploadMeta struct {
	Version int    `json:"version"`
	Blocks  int64  `json:"blocks"`
	Boot    string `json:"boot"` // during which the leaves were written
}

// record is written when a seal is decided; from then on the upload is frozen.
type record struct {
	Digest    Digest `json:"digest"`
	SizeBytes int64  `json:"sizeBytes"`
	DataBytes int64  `json:"dataBytes"`
	Present   int64  `json:"present"`
}

func (r *record) sealed() Sealed {
	return Sealed{Digest: r.Digest, SizeBytes: r.SizeBytes, DataBytes: r.DataBytes}
}

// upload is an open upload. Its files stay open until it is sealed or dropped.
// What Upload tells can be read without mu, so that asking never waits for a
// seal that waits for the disk.
type upload struct {
	mu      sync.RWMutex // PutBlock shares it; load, Seal and Drop own it
	dir     string
	data    *os.File
	leaves  *os.File
	blocks  int64 // fixed once loaded
	loaded  atomic.Bool
	gone    atomic.Bool
	sealing atomic.Bool
	present atomic.Int64
	record  atomic.Pointer[record]

	stripes [64]sync.Mutex // one writer per block: the three writes of put belong together
}

// CreateUpload makes an empty upload of a disk of this many blocks. The id is
// the caller's: [a-z0-9-], at most 128. Repeatable with the same size. Nothing
// is reserved: a disk is sparse, so only what cannot exist here is refused.
// Errors: BadValue; Exists when the id has another size; Unavailable when the
// file system cannot hold such a file or is full already.
func (s *Store) CreateUpload(ctx context.Context, id string, blocks int64) error {
	const what = "The upload could not be started."
	if err := checkID(id); err != nil {
		return err
	}
	if blocks < 1 || blocks > MaxBlocks {
		return fault.New(fault.BadValue, "A disk has between 1 and %d blocks of 512 KiB; %d were asked for.", int64(MaxBlocks), blocks)
	}
	if err := ctx.Err(); err != nil {
		return ioFault(err, what)
	}
	if there, err := exists(s.at(uploadsDir, id)); err != nil {
		return ioFault(err, what)
	} else if there {
		return s.sameUpload(id, blocks)
	}
	// More cannot be said before the blocks are known: a disk is sparse.
	if err := room(s.dir, s.spare); err != nil {
		return ioFault(err, what)
	}
	tmp, err := s.newTmp()
	if err != nil {
		return ioFault(err, what)
	}
	defer os.RemoveAll(tmp) // gone after the rename
	if err := s.fillUpload(tmp, blocks); err != nil {
		return ioFault(err, what)
	}
	s.names.Lock()
	err = os.Rename(tmp, s.at(uploadsDir, id))
	s.names.Unlock()
	if errors.Is(err, fs.ErrExist) { // somebody was faster
		return s.sameUpload(id, blocks)
	}
	if err != nil {
		return ioFault(err, what)
	}
	return ioFault(syncDir(s.at(uploadsDir)), what)
}

func (s *Store) fillUpload(dir string, blocks int64) error {
	if err := os.Mkdir(filepath.Join(dir, stagingDir), 0o700); err != nil {
		return err
	}
	for name, size := range map[string]int64{
		filepath.Join(stagingDir, rawFile): blocks * BlockSize, leavesFile: blocks * leafSize} {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
		if err != nil {
			return err
		}
		err = f.Truncate(size)
		if err == nil {
			err = f.Sync()
		}
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return err
		}
	}
	if err := syncDir(filepath.Join(dir, stagingDir)); err != nil {
		return err
	}
	return writeJSON(filepath.Join(dir, uploadFile), uploadMeta{1, blocks, s.boot})
}

func (s *Store) sameUpload(id string, blocks int64) error {
	in, err := s.Upload(id)
	if err == nil && in.Blocks != blocks {
		err = fault.New(fault.Exists, "The upload %s exists with %d blocks instead of %d.", id, in.Blocks, blocks)
	}
	return err
}

// Upload tells how far an upload is. The figures survive a kill; after a power
// loss, blocks whose bytes were lost count as not present. Errors: NotFound.
func (s *Store) Upload(id string) (UploadInfo, error) {
	u, err := s.upload(id)
	if err != nil {
		return UploadInfo{}, err
	}
	if u.gone.Load() {
		return UploadInfo{}, noUpload(id)
	}
	in := UploadInfo{Blocks: u.blocks, Present: u.present.Load()}
	if r := u.record.Load(); r != nil {
		in.Sealed = r.Digest
		return in, nil
	}
	st, err := os.Stat(filepath.Join(u.dir, leavesFile))
	switch {
	case err == nil:
		in.Touched = st.ModTime()
	case !errors.Is(err, fs.ErrNotExist): // sealed or dropped since
		return UploadInfo{}, ioFault(err, "The upload could not be read.")
	}
	return in, nil
}

func noUpload(id string) error { return fault.New(fault.NotFound, "There is no upload %s.", id) }

// upload finds an upload and reads its state from disk at first use.
func (s *Store) upload(id string) (*upload, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	s.mu.Lock()
	u := s.uploads[id]
	if u == nil {
		if there, err := exists(s.at(uploadsDir, id)); err != nil || !there {
			s.mu.Unlock()
			if err == nil {
				err = noUpload(id)
			}
			return nil, ioFault(err, "The upload could not be opened.")
		}
		u = &upload{dir: s.at(uploadsDir, id)}
		s.uploads[id] = u
	}
	s.mu.Unlock()
	if u.loaded.Load() || u.gone.Load() {
		return u, nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.loaded.Load() || u.gone.Load() {
		return u, nil
	}
	if err := u.load(s.boot); errors.Is(err, fs.ErrNotExist) {
		return nil, noUpload(id) // dropped since we looked
	} else if err != nil {
		return nil, ioFault(err, "The upload could not be opened.")
	}
	return u, nil
}

// load reads the state of an upload; the caller owns u.mu.
func (u *upload) load(boot string) (err error) {
	var m uploadMeta
	if err := readJSON(filepath.Join(u.dir, uploadFile), &m); err != nil {
		return err
	}
	u.blocks = m.Blocks
	var r record
	err = readJSON(filepath.Join(u.dir, recordFile), &r)
	if err == nil {
		u.record.Store(&r)
		u.present.Store(r.Present)
		u.loaded.Store(true)
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	defer func() {
		if err != nil {
			u.close()
		}
	}()
	if u.leaves, err = os.OpenFile(filepath.Join(u.dir, leavesFile), os.O_RDWR, 0); err != nil {
		return err
	}
	if u.data, err = os.OpenFile(filepath.Join(u.dir, stagingDir, rawFile), os.O_RDWR, 0); err != nil {
		return err
	}
	n, err := u.count(m.Boot != boot)
	if err != nil {
		return err
	}
	if m.Boot != boot { // everything was checked again: say so, durably
		if err = errors.Join(u.data.Sync(), u.leaves.Sync()); err != nil {
			return err
		}
		m.Boot = boot
		if err = writeJSON(filepath.Join(u.dir, uploadFile), m); err != nil {
			return err
		}
	}
	u.present.Store(n)
	u.loaded.Store(true)
	return nil
}

// count counts the present blocks. After a restart of the host a leaf may have
// reached the disk when its block did not, so recheck hashes each block again
// and forgets those that differ.
func (u *upload) count(recheck bool) (n int64, err error) {
	buf := make([]byte, BlockSize)
	err = walkLeaves(context.Background(), u.leaves, 0, u.blocks, func(i int64, l leaf) (bool, error) {
		n++
		if !recheck {
			return true, nil
		}
		if _, err := u.data.ReadAt(buf, i*BlockSize); err != nil {
			return false, err
		}
		if sumOf(buf) == l {
			return true, nil
		}
		n--
		return true, u.setLeaf(i, noLeaf)
	})
	return n, err
}

func (u *upload) close() {
	for _, f := range []**os.File{&u.data, &u.leaves} {
		if *f != nil {
			(*f).Close()
			*f = nil
		}
	}
}

func sumOf(block []byte) leaf {
	if isZero(block) {
		return ZeroSum
	}
	return sha256.Sum256(block)
}

func (u *upload) leaf(i int64) (l leaf, err error) {
	_, err = u.leaves.ReadAt(l[:], i*leafSize)
	return l, err
}

func (u *upload) setLeaf(i int64, l leaf) error {
	_, err := u.leaves.WriteAt(l[:], i*leafSize)
	return err
}

// PutBlock stores block index of an upload; data is exactly BlockSize bytes
// and sum their SHA-256, which is verified here, once. Any order, concurrent,
// repeatable; the last write of an index wins. A block of zeros takes no space.
// The bytes survive a kill of the process when PutBlock returns, and a power
// loss when Seal returns.
// Errors: NotFound; BadValue (length, index; Code "checksum-mismatch" when sum
// is not that of data); WrongState once a seal was decided.
func (s *Store) PutBlock(ctx context.Context, id string, index int64, data []byte, sum [32]byte) error {
	const what = "The block could not be stored."
	if err := ctx.Err(); err != nil {
		return ioFault(err, what)
	}
	if len(data) != BlockSize {
		return fault.New(fault.BadValue, "A block has %d bytes; %d were sent.", BlockSize, len(data))
	}
	if index < 0 {
		return fault.New(fault.BadValue, "The block index %d is negative.", index)
	}
	u, err := s.upload(id)
	if err != nil {
		return err
	}
	if sumOf(data) != sum {
		return fault.New(fault.BadValue, "The checksum does not match the data of block %d.", index).
			WithHint("Send the block again.").WithCode("checksum-mismatch")
	}
	if u.sealing.Load() { // or this call would wait for the seal and be refused then
		return fault.New(fault.WrongState, "The upload %s is being completed and takes no more blocks.", id)
	}
	u.mu.RLock()
	defer u.mu.RUnlock()
	switch {
	case u.gone.Load():
		return noUpload(id)
	case u.record.Load() != nil:
		return fault.New(fault.WrongState, "The upload %s is complete and takes no more blocks.", id)
	case index >= u.blocks:
		return fault.New(fault.BadValue, "The block index %d is outside of a disk of %d blocks.", index, u.blocks)
	}
	st := &u.stripes[index%int64(len(u.stripes))]
	st.Lock()
	defer st.Unlock()
	return ioFault(u.put(s, index, data, sum), what)
}

// put writes a verified block; the caller holds its stripe. A leaf never
// stands for bytes that are not there: an old one is cleared first. A block that
// could not be written is not there at all, and takes no space.
func (u *upload) put(s *Store, index int64, data []byte, sum leaf) error {
	old, err := u.leaf(index)
	if err != nil {
		return err
	}
	if old == sum {
		return nil
	}
	if old != noLeaf {
		if err := u.setLeaf(index, noLeaf); err != nil {
			return err
		}
		u.present.Add(-1)
	}
	if err := s.point("put-cleared"); err != nil {
		return err
	}
	if err := u.write(s, index, data, sum); err != nil {
		// What got to the disk of a block that is not there only takes space, and
		// space may be what is missing.
		if dead := s.point("put-failed"); dead != nil {
			return dead
		}
		return errors.Join(err, punch(u.data, index*BlockSize, BlockSize))
	}
	u.present.Add(1)
	return nil
}

// write puts the bytes of a block, then its leaf.
func (u *upload) write(s *Store, index int64, data []byte, sum leaf) (err error) {
	if sum == ZeroSum {
		err = punch(u.data, index*BlockSize, BlockSize)
	} else if err = room(s.dir, s.spare); err == nil {
		_, err = u.data.WriteAt(data, index*BlockSize)
	}
	if err != nil {
		return err
	}
	if err := s.point("put-written"); err != nil {
		return err
	}
	return u.setLeaf(index, sum)
}

// DropUpload forgets an upload and frees its bytes; a disk it was sealed into
// stays. Repeatable: nil when it is not there.
func (s *Store) DropUpload(ctx context.Context, id string) error {
	const what = "The upload could not be dropped."
	if err := checkID(id); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return ioFault(err, what)
	}
	s.mu.Lock()
	u := s.uploads[id]
	s.mu.Unlock()
	if u != nil {
		u.mu.Lock() // waits for blocks on their way and for a seal
		defer u.mu.Unlock()
		u.gone.Store(true)
		u.close()
	}
	err := s.discard(s.at(uploadsDir, id))
	s.mu.Lock()
	if s.uploads[id] == u {
		delete(s.uploads, id)
	}
	s.mu.Unlock()
	return ioFault(err, what)
}
