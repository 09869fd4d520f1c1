package disk

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"slipway/fault"
)

const (
	overlayFile = "overlay.json"
	qcow2File   = "disk.qcow2"
)

type overlayMeta struct {
	Digest    Digest `json:"digest"` // of the base
	SizeBytes int64  `json:"sizeBytes"`
}

// CreateOverlay makes an empty qcow2 file that a guest writes into while the
// sealed disk base stays as it is. sizeBytes is what the guest sees: 0 for the
// size of base, otherwise not less than it and a multiple of 512. The file
// names no backing file; give the base with -blockdev. Over the zero digest, which
// is no disk, it is an empty disk of sizeBytes. Repeatable: what was
// written stays. The base cannot be removed while the overlay exists.
// Errors: BadValue; NotFound (base); Exists when the id has another base or size.
func (s *Store) CreateOverlay(ctx context.Context, id string, base Digest, sizeBytes int64) (path string, err error) {
	const what = "The overlay could not be made."
	if err := checkID(id); err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", ioFault(err, what)
	}
	s.names.Lock()
	defer s.names.Unlock()
	var st Sealed
	if !base.IsZero() {
		if st, err = s.Stat(base); err != nil {
			return "", err
		}
	}
	if sizeBytes == 0 {
		sizeBytes = st.SizeBytes
	}
	if sizeBytes <= 0 || sizeBytes < st.SizeBytes || sizeBytes%512 != 0 || sizeBytes > MaxBlocks*BlockSize {
		return "", fault.New(fault.BadValue, "A disk over one of %d bytes cannot have %d bytes.", st.SizeBytes, sizeBytes)
	}
	dir, want := s.at(overlaysDir, id), overlayMeta{base, sizeBytes}
	path = filepath.Join(dir, qcow2File)
	var have overlayMeta
	switch err := readJSON(filepath.Join(dir, overlayFile), &have); {
	case err == nil && have == want:
		return path, nil
	case err == nil:
		return "", fault.New(fault.Exists, "The overlay %s exists with another base or size.", id)
	case !errors.Is(err, fs.ErrNotExist):
		return "", ioFault(err, what)
	}
	tmp, err := s.newTmp()
	if err != nil {
		return "", ioFault(err, what)
	}
	defer os.RemoveAll(tmp) // gone after the rename
	err = writeQCOW2(filepath.Join(tmp, qcow2File), sizeBytes)
	if err == nil {
		err = writeJSON(filepath.Join(tmp, overlayFile), want)
	}
	if err == nil {
		err = os.Rename(tmp, dir)
	}
	if err == nil {
		err = syncDir(s.at(overlaysDir))
	}
	return path, ioFault(err, what)
}

// Overlay finds an overlay that exists. Errors: NotFound.
func (s *Store) Overlay(id string) (path string, base Digest, sizeBytes int64, err error) {
	if err := checkID(id); err != nil {
		return "", base, 0, err
	}
	var m overlayMeta
	err = readJSON(s.at(overlaysDir, id, overlayFile), &m)
	if errors.Is(err, fs.ErrNotExist) {
		err = fault.New(fault.NotFound, "There is no overlay %s.", id)
	}
	return s.at(overlaysDir, id, qcow2File), m.Digest, m.SizeBytes, ioFault(err, "The overlay could not be read.")
}

// RemoveOverlay deletes an overlay and what was written into it. Repeatable:
// nil when it is not there.
func (s *Store) RemoveOverlay(ctx context.Context, id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return ioFault(err, "The overlay could not be removed.")
	}
	return ioFault(s.discard(s.at(overlaysDir, id)), "The overlay could not be removed.")
}

const (
	clusterBits = 16
	clusterSize = 1 << clusterBits
	l2Entries   = clusterSize / 8
)

// writeQCOW2 makes an empty qcow2 version 3 image without backing file, as
// specified in QEMU's docs/interop/qcow2: header, refcount table, one refcount
// block, L1 table, each in clusters of its own. QEMU grows it from there.
func writeQCOW2(path string, sizeBytes int64) error {
	l1Size := (sizeBytes + clusterSize*l2Entries - 1) / (clusterSize * l2Entries)
	l1Clusters := (l1Size*8 + clusterSize - 1) / clusterSize
	used := 3 + l1Clusters
	buf := make([]byte, 3*clusterSize) // the L1 table is a hole: nothing is mapped yet
	be := binary.BigEndian
	copy(buf, "QFI\xfb")
	be.PutUint32(buf[4:], 3)
	be.PutUint32(buf[20:], clusterBits)
	be.PutUint64(buf[24:], uint64(sizeBytes))
	be.PutUint32(buf[36:], uint32(l1Size))
	be.PutUint64(buf[40:], 3*clusterSize) // L1 table
	be.PutUint64(buf[48:], 1*clusterSize) // refcount table
	be.PutUint32(buf[56:], 1)             // its clusters
	be.PutUint32(buf[96:], 4)             // 16-bit refcounts
	be.PutUint32(buf[100:], 104)          // header length; eight zeros after it end the extensions
	be.PutUint64(buf[clusterSize:], 2*clusterSize)
	for i := int64(0); i < used; i++ {
		be.PutUint16(buf[2*clusterSize+2*i:], 1)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(buf)
	if err == nil {
		err = f.Truncate(used * clusterSize)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
