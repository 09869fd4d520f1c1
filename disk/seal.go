package disk

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"slipway/fault"
)

// Seal makes an upload immutable: blocks that never arrived are zeros. It
// returns when the disk is durable. progress may be nil; done and total are
// bytes of data, and the last call has done == total. When the same content is
// sealed already, that disk is returned and the upload's bytes are freed.
// Repeatable after a crash at any point and after success, until DropUpload.
// Errors: NotFound (also when the disk was removed since).
func (s *Store) Seal(ctx context.Context, id string, progress func(done, total int64)) (Sealed, error) {
	const what = "The disk could not be sealed."
	u, err := s.upload(id)
	if err != nil {
		return Sealed{}, err
	}
	u.sealing.Store(true)
	defer u.sealing.Store(false)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.gone.Load() {
		return Sealed{}, noUpload(id)
	}
	if err := ctx.Err(); err != nil {
		return Sealed{}, ioFault(err, what)
	}
	if progress == nil {
		progress = func(int64, int64) {}
	}
	r := u.record.Load()
	if r == nil {
		if r, err = s.decide(ctx, u, progress); err != nil {
			return Sealed{}, ioFault(err, what)
		}
		u.record.Store(r)
		u.close()
	}
	trash, err := s.publish(u)
	if err = errors.Join(err, os.RemoveAll(trash)); err != nil {
		return Sealed{}, ioFault(err, what)
	}
	progress(r.DataBytes, r.DataBytes)
	return r.sealed(), nil
}

// decide makes everything under staging durable and writes the record.
func (s *Store) decide(ctx context.Context, u *upload, progress func(done, total int64)) (*record, error) {
	if err := u.trim(ctx); err != nil {
		return nil, err
	}
	r := &record{SizeBytes: u.blocks * BlockSize, Present: u.present.Load()}
	if err := u.sealLeaves(ctx, r); err != nil {
		return nil, err
	}
	progress(0, r.DataBytes)
	if err := s.point("leaves-written"); err != nil {
		return nil, err
	}
	if err := u.flush(ctx, r, progress); err != nil {
		return nil, err
	}
	staging := filepath.Join(u.dir, stagingDir)
	if err := writeJSON(filepath.Join(staging, diskFile), diskMeta{digestVersion, r.SizeBytes, r.DataBytes}); err != nil {
		return nil, err
	}
	if err := s.point("data-synced"); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil { // last chance: from the record on there is no way back
		return nil, err
	}
	s.names.Lock() // a Remove of the same content sees the pin or happens before it
	defer s.names.Unlock()
	return r, writeJSON(filepath.Join(u.dir, recordFile), r)
}

// flush makes the bytes durable, in steps so that it can report and be stopped.
func (u *upload) flush(ctx context.Context, r *record, progress func(done, total int64)) error {
	const (
		step      = 64 << 20
		writeWait = 1 | 2 | 4 // SYNC_FILE_RANGE_WAIT_BEFORE, WRITE, WAIT_AFTER
	)
	var done int64
	for off := int64(0); ; {
		start, end, ok, err := nextData(u.data, off, r.SizeBytes)
		if err != nil {
			return err
		}
		if !ok {
			return u.data.Sync() // what is left: metadata, and all of it where steps are not supported
		}
		for ; start < end; start += step {
			if err := ctx.Err(); err != nil {
				return err
			}
			n := min(step, end-start)
			// An error has to be taken from here: the kernel tells it once.
			err := syscall.SyncFileRange(int(u.data.Fd()), start, n, writeWait)
			if err != nil && !errors.Is(err, syscall.ENOSYS) && !errors.Is(err, syscall.EINVAL) {
				return err
			}
			done += n
			progress(min(done, r.DataBytes), r.DataBytes)
		}
		off = end
	}
}

// trim frees what stands where no block arrived: bytes of a PutBlock that died
// before its leaf was written.
func (u *upload) trim(ctx context.Context) error {
	size := u.blocks * BlockSize
	for off := int64(0); ; {
		start, end, ok, err := nextData(u.data, off, size)
		if err != nil || !ok {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		for i := start / BlockSize; i*BlockSize < end; i++ {
			l, err := u.leaf(i)
			if err != nil {
				return err
			}
			if l != noLeaf && l != ZeroSum {
				continue
			}
			if err := punch(u.data, i*BlockSize, BlockSize); err != nil {
				return err
			}
		}
		off = max(end, off+1)
	}
}

// sealLeaves writes the sealed form of the leaves (zero blocks are zeros)
// durably and fills in digest and data bytes.
func (u *upload) sealLeaves(ctx context.Context, r *record) error {
	path := filepath.Join(u.dir, stagingDir, leavesFile)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(u.blocks * leafSize); err != nil {
		return err
	}
	sum := newDigester(r.SizeBytes)
	var run bytes.Buffer // consecutive leaves go out in one write
	var at int64
	flush := func() error {
		_, err := f.WriteAt(run.Bytes(), at*leafSize)
		run.Reset()
		return err
	}
	err = walkLeaves(ctx, u.leaves, 0, u.blocks, func(i int64, l leaf) (bool, error) {
		if l == ZeroSum {
			return true, nil
		}
		sum.add(i, l)
		r.DataBytes += BlockSize
		if n := int64(run.Len()); n > 0 && (at+n/leafSize != i || n >= 64<<10) {
			if err := flush(); err != nil {
				return false, err
			}
		}
		if run.Len() == 0 {
			at = i
		}
		run.Write(l[:])
		return true, nil
	})
	if err == nil {
		err = flush()
	}
	if err == nil {
		err = f.Chmod(0o400)
	}
	if err != nil {
		return err
	}
	r.Digest = sum.digest()
	return f.Sync()
}

// publish gives staging its final name, or takes it away when that name is
// taken; trash is for the caller to free.
func (s *Store) publish(u *upload) (trash string, err error) {
	s.names.Lock()
	defer s.names.Unlock()
	if err := s.point("decided"); err != nil {
		return "", err
	}
	d := u.record.Load().Digest
	staging, final := filepath.Join(u.dir, stagingDir), s.sealedAt(d)
	staged, err := exists(staging)
	if err != nil {
		return "", err
	}
	published, err := exists(final)
	if err != nil {
		return "", err
	}
	if published && staged {
		// Content that is there already is not stored twice, unless what is there
		// is known to be damaged: then this is its remedy. After a crash between
		// the two renames there is no published one and this one takes its place.
		if c, cerr := s.Checked(d); cerr == nil && c.Damage != "" {
			if trash, err = s.vanish(final); err != nil {
				return trash, err
			}
			if err := s.point("damaged-gone"); err != nil {
				return trash, err
			}
			published = false
		}
	}
	switch {
	case published && staged:
		trash, err = s.vanish(staging)
	case staged:
		// Not earlier: an upload that is not decided has to be opened for writing again.
		if err = os.Chmod(filepath.Join(staging, rawFile), 0o400); err != nil {
			break
		}
		if err = os.Rename(staging, final); err != nil {
			break
		}
		if err = s.point("renamed"); err != nil {
			break
		}
		err = errors.Join(syncDir(s.at(sealedDir)), syncDir(u.dir))
	case !published:
		return "", fault.New(fault.NotFound, "The sealed disk %s was removed.", d)
	default: // an earlier life may have died between the rename and its fsync
		err = syncDir(s.at(sealedDir))
	}
	if err != nil {
		return trash, err
	}
	if err := s.point("published"); err != nil {
		return trash, err
	}
	if err := os.Remove(filepath.Join(u.dir, leavesFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return trash, err
	}
	return trash, nil
}
