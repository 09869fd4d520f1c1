package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path"
	"strings"

	"slipway/disk"
	"slipway/fault"
)

// tarSink makes a backup that is one file. Disks are in it as streams of their
// blocks with data (disk.Held.Stream): a tar of sparse files would be as long
// as the disks are large.
type tarSink struct {
	path     string
	database string
	f        *os.File
	w        *tar.Writer
}

const streamSuffix = ".stream"

func newTar(path, database string) (*tarSink, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	return &tarSink{path: path, database: database, f: f, w: tar.NewWriter(f)}, err
}

func (s *tarSink) head(name string, size int64) error {
	return s.w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: size, Format: tar.FormatPAX})
}

func (s *tarSink) json(name string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		err = s.head(name, int64(len(b)))
	}
	if err == nil {
		_, err = s.w.Write(b)
	}
	return err
}

func (s *tarSink) file(_ context.Context, name, from string) (string, error) {
	in, err := os.Open(from)
	if err != nil {
		return "", err
	}
	defer in.Close()
	st, err := in.Stat()
	if err != nil {
		return "", err
	}
	if err := s.head(name, st.Size()); err != nil {
		return "", err
	}
	sum := sha256.New()
	_, err = io.CopyN(io.MultiWriter(s.w, sum), in, st.Size())
	return hex.EncodeToString(sum.Sum(nil)), err
}

func (s *tarSink) disk(ctx context.Context, h *disk.Held) error {
	if err := s.head(path.Join(disksDir, h.Digest.String()+streamSuffix), h.StreamBytes()); err != nil {
		return err
	}
	err := h.Stream(ctx, s.w)
	if damaged(err) {
		// The entry must have the length it was said to have: what is there of it
		// is not the disk of that digest, and the manifest does not name it.
		err = errors.Join(err, s.fill())
	}
	return err
}

// fill ends an entry that was cut short.
func (s *tarSink) fill() error {
	zeros := make([]byte, 1<<20)
	for {
		if _, err := s.w.Write(zeros); errors.Is(err, tar.ErrWriteTooLong) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func (s *tarSink) close() error { return errors.Join(s.w.Close(), s.f.Sync(), s.f.Close()) }

// check reads the file and compares everything with what it should be.
func (s *tarSink) check(ctx context.Context, m *Manifest) error {
	read, err := readTar(ctx, s.path, s.database, nil)
	if err != nil {
		return err
	}
	if len(read.Disks) != len(m.Disks) || len(read.Files) != len(m.Files) {
		return fault.New(fault.Internal, "The backup that was written has other contents than it should.")
	}
	return nil
}

// taker receives what is in a tar.
type taker interface {
	file(name string, r io.Reader) error
	disk(ctx context.Context, d disk.Digest, r io.Reader) error
}

// readTar reads a backup to its end and compares everything with its manifest.
// to, when not nil, is given the contents as they are met; they are to be
// believed when there was no error.
func readTar(ctx context.Context, from, database string, to taker) (*Manifest, error) {
	f, err := os.Open(from)
	if err != nil {
		return nil, failed(err)
	}
	defer f.Close()
	t := &tarReader{ctx: ctx, r: tar.NewReader(f), to: to, database: database, files: map[string]string{}, disks: map[disk.Digest]disk.Digest{}}
	for {
		h, err := t.r.Next()
		if err == nil {
			err = t.entry(h)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, tar.ErrHeader) {
			return nil, fault.New(fault.BadValue, "%s is no whole backup of Slipway.", from).WithHint("A backup that was cut short cannot be restored: use another.")
		} else if err != nil {
			return nil, failed(err)
		}
		if t.manifest != nil {
			return t.manifest, t.compare()
		}
	}
}

type tarReader struct {
	ctx      context.Context
	r        *tar.Reader
	to       taker
	database string
	begun    bool
	files    map[string]string
	disks    map[disk.Digest]disk.Digest // by the name they have, what they are
	manifest *Manifest
}

// maxJSON bounds the two JSON entries.
const maxJSON = 64 << 20

func (t *tarReader) entry(h *tar.Header) error {
	name := h.Name
	if h.Typeflag != tar.TypeReg || !local(name) {
		return foreign(name)
	}
	if !t.begun {
		var head Head
		if err := t.json(name, headFile, &head); err != nil {
			return err
		}
		t.begun = true
		return head.newer()
	}
	if name == manifestFile {
		m := new(Manifest)
		err := t.json(name, manifestFile, m)
		t.manifest = m
		return err
	}
	if word, ok := strings.CutSuffix(name, streamSuffix); ok && path.Dir(name) == disksDir {
		d, err := disk.ParseDigest(path.Base(word))
		if err != nil {
			return err
		}
		return t.disk(d)
	}
	if name != t.database && !fileIn(name) {
		return foreign(name)
	}
	sum := sha256.New()
	var err error
	if t.to != nil {
		err = t.to.file(name, io.TeeReader(t.r, sum))
	} else {
		_, err = io.Copy(sum, t.r)
	}
	t.files[name] = hex.EncodeToString(sum.Sum(nil))
	return err
}

func foreign(name string) error {
	return fault.New(fault.BadValue, "The backup has an entry %.200q that no backup has.", name)
}

// fileIn tells whether a backup may have a file of this name besides the
// database: nothing else is written.
func fileIn(name string) bool {
	root, _, _ := strings.Cut(name, "/")
	return local(name) && (root == "tls" || root == "audit" || root == "evidence")
}

func local(name string) bool {
	return name != "" && path.Clean(name) == name && !path.IsAbs(name) && name != ".." && !strings.HasPrefix(name, "../")
}

func (t *tarReader) json(name, want string, v any) error {
	if name != want {
		return fault.New(fault.BadValue, "This is no backup of Slipway: it does not begin with %s.", want)
	}
	b, err := io.ReadAll(io.LimitReader(t.r, maxJSON))
	if err != nil {
		return err
	}
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(v); err != nil {
		return fault.Wrap(fault.BadValue, err, "%s in the backup is damaged.", name)
	}
	return nil
}

// disk reads a disk; one whose content is another is an error only if the
// manifest names it.
func (t *tarReader) disk(d disk.Digest) error {
	if t.to == nil {
		st, err := disk.ReadStream(t.ctx, t.r, nil)
		if err != nil && !fault.Is(err, fault.BadValue) {
			return err
		}
		t.disks[d] = st.Digest
		return nil
	}
	err := t.to.disk(t.ctx, d, t.r)
	if err != nil && !fault.Is(err, fault.BadValue) {
		return err
	}
	if err == nil {
		t.disks[d] = d
	}
	return nil
}

func (t *tarReader) compare() error {
	m := t.manifest
	for name, want := range m.Files {
		if t.files[name] != want {
			return fault.New(fault.BadValue, "%s in the backup is damaged or missing.", name).WithHint("Use another backup.")
		}
	}
	for _, d := range m.Disks {
		if t.disks[d] != d {
			return fault.New(fault.BadValue, "The sealed disk %s in the backup is damaged or missing.", d).WithHint("Use another backup.")
		}
	}
	for name := range t.files {
		if _, ok := m.Files[name]; !ok {
			return fault.New(fault.BadValue, "The backup has a file %.200q that its manifest does not name.", name)
		}
	}
	return nil
}
