package tool

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"slipway/guest"
)

const (
	folderPage = 40 << 10 // bytes of a list in one report, about
	partPrefix = ".slipway-"
	partSuffix = ".part"
	partLife   = 30 * time.Minute // a part that nothing was added to for so long is thrown away
	maxSame    = 1000             // files of one name but for a number
)

// arrival is a transfer that has ended, and what its file is called.
type arrival struct{ id, name string }

// maxWhole is how many of them are remembered.
const maxWhole = 64

// inFolder runs f in the transfer folder with the user's rights.
func (s *seat) inFolder(f func(dir *os.Root) error) error {
	return s.as(func() error {
		dir, err := s.openFolder()
		if err == nil {
			err = f(dir)
			_ = dir.Close()
		}
		switch {
		case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EFBIG) || errors.Is(err, diskQuota):
			return &problem{kind: guest.ProblemSize, text: "there is no room for the file"}
		case errors.Is(err, fs.ErrPermission):
			return &problem{kind: guest.ProblemDenied, text: "the user may not do that in the folder"}
		}
		return err
	})
}

// files lists the folder: plain files that have a name with which they could have
// come, and nothing behind links.
func (o *Orderly) files(s *seat, in guest.Asked) (guest.Report, error) {
	out := &guest.Folder{}
	err := s.inFolder(func(dir *os.Root) error {
		d, err := dir.Open(".")
		if err != nil {
			return err
		}
		defer d.Close()
		names, err := d.Readdirnames(-1)
		if err != nil {
			return err
		}
		slices.Sort(names)
		size := 0
		for _, name := range names {
			st, err := dir.Lstat(name)
			if err != nil {
				continue // gone meanwhile
			}
			o.dropOld(dir, name, st)
			if name <= in.ID || !guest.FileName(name) || !st.Mode().IsRegular() {
				continue
			}
			f := guest.File{Name: name, Size: st.Size(), Modified: st.ModTime().UTC().Truncate(time.Second)}
			b, err := json.Marshal(f)
			if err != nil {
				return err
			}
			if size += len(b); size > folderPage {
				out.More = true
				break
			}
			out.Files = append(out.Files, f)
		}
		return nil
	})
	return guest.Report{Folder: out}, err
}

// dropOld removes what is left of a transfer that nobody goes on with.
func (o *Orderly) dropOld(dir *os.Root, name string, st fs.FileInfo) {
	if strings.HasPrefix(name, partPrefix) && strings.HasSuffix(name, partSuffix) && o.Now().Sub(st.ModTime()) > partLife {
		_ = dir.Remove(name) // another try comes with the next list
	}
}

// partOf is where a file is while it comes.
func partOf(p guest.FilePiece) (string, error) {
	if !guest.FileName(p.Name) || !fileName.MatchString(p.ID) {
		return "", &problem{kind: guest.ProblemName, text: "a file may not be called so"}
	}
	return partPrefix + p.ID + partSuffix, nil
}

// write takes one piece. What came before is kept, so that a transfer that was
// interrupted can go on; a piece that was taken already is not taken again.
func (o *Orderly) write(s *seat, p guest.FilePiece) (r guest.Report, err error) {
	part, err := partOf(p)
	switch {
	case err != nil:
		return r, err
	case p.Size < 0 || p.Size > guest.MaxFile:
		return r, &problem{kind: guest.ProblemSize, text: "the file is too large"}
	case len(p.Data) > guest.MaxPiece || p.Offset < 0:
		return r, errors.New("that is no piece of a file")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	// The word that it was whole may have been lost.
	for _, a := range o.whole {
		if a.id == p.ID {
			return guest.Report{Have: p.Size, Whole: true, Folder: &guest.Folder{Name: a.name}}, nil
		}
	}
	err = s.inFolder(func(dir *os.Root) error {
		f, err := dir.OpenFile(part, os.O_CREATE|os.O_RDWR|noFollow, 0o600)
		if err != nil {
			return err
		}
		have, err := f.Seek(0, io.SeekEnd)
		if err == nil && p.Offset == have && have+int64(len(p.Data)) <= p.Size {
			var n int
			n, err = f.Write(p.Data)
			have += int64(n)
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		if r.Have = have; have < p.Size {
			return nil
		}
		if have > p.Size {
			return errors.Join(errors.New("more came of the file than it has"), dir.Remove(part))
		}
		name, err := place(dir, part, p.Name)
		if err == nil {
			o.whole = append(o.whole, arrival{p.ID, name})[max(0, len(o.whole)+1-maxWhole):]
		}
		r.Whole, r.Folder = err == nil, &guest.Folder{Name: name}
		return err
	})
	return r, err
}

// place gives a whole file its name, or one with a number where that is taken.
func place(dir *os.Root, part, name string) (string, error) {
	ext := path.Ext(name)
	stem := strings.TrimSuffix(name, ext)
	for n := range maxSame {
		as := name
		if n > 0 {
			as = fmt.Sprintf("%s (%d)%s", stem, n, ext)
		}
		if !guest.FileName(as) {
			break
		}
		// A link, since renaming would overwrite.
		err := dir.Link(part, as)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		return as, dir.Remove(part)
	}
	return "", &problem{kind: guest.ProblemName, text: "there are too many files of that name"}
}

// read gives one piece of a plain file.
func (o *Orderly) read(s *seat, p guest.FilePiece) (r guest.Report, err error) {
	if !guest.FileName(p.Name) || p.Offset < 0 {
		return r, &problem{kind: guest.ProblemName, text: "a file may not be called so"}
	}
	err = s.inFolder(func(dir *os.Root) error {
		gone := &problem{kind: guest.ProblemMissing, text: "there is no such file"}
		before, err := dir.Lstat(p.Name)
		if err != nil || !before.Mode().IsRegular() {
			return gone
		}
		f, err := dir.OpenFile(p.Name, os.O_RDONLY|noFollow, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		// Something else may stand there by now.
		st, err := f.Stat()
		if err != nil || !os.SameFile(before, st) {
			return gone
		}
		out := &guest.Folder{Name: p.Name, Size: st.Size(), Stamp: fmt.Sprintf("%x-%x", st.ModTime().UnixNano(), st.Size())}
		buf := make([]byte, guest.MaxPiece)
		n, err := f.ReadAt(buf, p.Offset)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		out.Data = buf[:n]
		r.Folder = out
		return nil
	})
	return r, err
}

// cancel removes what came of a file.
func (o *Orderly) cancel(s *seat, p guest.FilePiece) (r guest.Report, err error) {
	part, err := partOf(p)
	if err != nil {
		return r, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return r, s.inFolder(func(dir *os.Root) error {
		if err := dir.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}
