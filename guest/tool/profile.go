package tool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"slipway/guest"
)

// A profile is what a user has set up: on Linux the home, on Windows the folder
// below Users. The default one is what new users begin with. Where a system keeps
// them is in profile_linux.go and profile_windows.go:
//
//	findProfile(user string) (*profile, error)        a refusal when there is none
//	(*profile).makeDefault(tell func(string)) error   new users begin with a copy of it
//	(*profile).reset(tell func(string)) error         it is as a new user's
//	linksKept                                         links are copied, not left out
//	sameVolume(a, b fs.FileInfo) bool
//
// tell hears what is left out.

// templateUser is whose profile is meant when none is named (administration
// guide, "Creating Default Application Settings for Your Users").
const templateUser = "TemplateUser"

// Most of a profile that is copied: every new user gets all of it.
var profileMost = budget{bytes: 2 << 30, files: 100_000, depth: 60}

type budget struct {
	bytes int64
	files int
	depth int
}

// refusal is an error that the Image Assistant prints as it is.
type refusal struct{ words string }

func (r *refusal) Error() string { return r.words }

// noDomain is the developer guide's answer.
var noDomain = &refusal{"Cannot copy a domain user when not joined to a domain"}

func noUser(name, why string) error { return &refusal{"Invalid value (profile): " + name + ": " + why} }

// uncopied is the developer guide's answer for everything that is in the way.
func uncopied(path string, err error) error {
	var r *refusal
	if errors.As(err, &r) {
		return err
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	var l *os.LinkError
	if errors.As(err, &l) {
		err = l.Err
	}
	return &refusal{fmt.Sprintf("Unable to copy file or folder: %s. %v", path, err)}
}

// builderOnly refuses on other machines than image builders.
func (a *Assistant) builderOnly(ctx context.Context) guest.Answer {
	return a.call(ctx, callBuilder, nil)
}

func (a *Assistant) updateDefaultProfile(ctx context.Context, in values) guest.Answer {
	return a.withProfile(ctx, in, (*profile).makeDefault)
}

func (a *Assistant) resetUserProfile(ctx context.Context, in values) guest.Answer {
	return a.withProfile(ctx, in, (*profile).reset)
}

func (a *Assistant) withProfile(ctx context.Context, in values, do func(*profile, func(string)) error) guest.Answer {
	if x := a.builderOnly(ctx); x.Status != guest.StatusOK {
		return x
	}
	find := a.profile
	if find == nil {
		find = findProfile
	}
	name := in.one("profile")
	if in.has("profile") && name == "" {
		return guest.Refused("Invalid value (profile)")
	}
	if name == "" {
		name = templateUser
	}
	p, err := find(name)
	if err == nil {
		err = do(p, func(words string) {
			if a.Notes != nil {
				fmt.Fprintln(a.Notes, words)
			}
		})
	}
	var r *refusal
	switch {
	case errors.As(err, &r):
		return guest.Refused(r.words)
	case err != nil:
		return guest.Unexpected(err.Error())
	}
	return guest.OK
}

// entry is one thing in a profile; name is its path below the profile, with
// slashes.
type entry struct {
	name string
	info fs.FileInfo
	file *os.File // of a plain file; who sees the entry closes it
	link string   // of a link: where it leads, relative to where it stands
}

// survey walks through a profile: a directory before what is in it, nothing behind
// links, nothing of other file systems, and nothing but directories, plain files
// and links that stay inside.
type survey struct {
	root *os.Root
	base string // the absolute path of root, for links that name it
	skip func(name string) bool
	see  func(e entry) error
	tell func(words string)
	left budget
	top  fs.FileInfo
}

func (s *survey) walk() error {
	top, err := s.root.Stat(".")
	if err != nil {
		return err
	}
	s.top, s.left = top, profileMost
	return s.folder(".", 0)
}

func (s *survey) folder(dir string, depth int) error {
	if depth > s.left.depth {
		return uncopied(s.at(dir), errors.New("its folders are too deep"))
	}
	d, err := s.root.Open(dir)
	if err != nil {
		return uncopied(s.at(dir), err)
	}
	names, err := d.Readdirnames(s.left.files + 1)
	_ = d.Close()
	if err != nil && !errors.Is(err, io.EOF) {
		return uncopied(s.at(dir), err)
	}
	slices.Sort(names)
	for _, n := range names {
		if s.left.files--; s.left.files < 0 {
			return uncopied(s.at(dir), errors.New("the profile has too many files"))
		}
		if err := s.one(path.Join(dir, n), depth); err != nil {
			return err
		}
	}
	return nil
}

func (s *survey) at(name string) string { return filepath.Join(s.base, filepath.FromSlash(name)) }

func (s *survey) leave(name, why string) { s.tell("not copied: " + s.at(name) + ": " + why) }

func (s *survey) one(name string, depth int) error {
	if s.skip != nil && s.skip(name) {
		return nil
	}
	st, err := s.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // gone meanwhile
	}
	if err != nil {
		return uncopied(s.at(name), err)
	}
	e := entry{name: name, info: st}
	switch {
	case !sameVolume(s.top, st):
		s.leave(name, "it is on another file system")
		return nil
	case st.IsDir():
		if err := s.see(e); err != nil {
			return err
		}
		return s.folder(name, depth+1)
	case st.Mode().IsRegular():
		if s.left.bytes -= st.Size(); s.left.bytes < 0 {
			return uncopied(s.at(name), errors.New("the profile is too large"))
		}
		if e.file, err = s.root.OpenFile(name, os.O_RDONLY|noFollow, 0); err != nil {
			return uncopied(s.at(name), err)
		}
		// Something else may stand there by now.
		if now, err := e.file.Stat(); err != nil || !os.SameFile(st, now) {
			return errors.Join(uncopied(s.at(name), errors.New("it is being changed")), e.file.Close())
		}
		return s.see(e)
	case linksKept && st.Mode()&fs.ModeSymlink != 0:
		to, err := s.root.Readlink(name)
		if err != nil {
			return uncopied(s.at(name), err)
		}
		if e.link = within(s.base, name, to); e.link == "" {
			s.leave(name, "it is a link that leads out of the profile")
			return nil
		}
		return s.see(e)
	}
	s.leave(name, "it is neither a file nor a folder")
	return nil
}

// within is where a link at name leads, relative to where it stands; "" when that
// is, or may be, outside of base. Dots that go up are taken at the beginning only:
// behind another link they would lead elsewhere than they seem to.
func within(base, name, to string) string {
	dir := path.Dir(name)
	if path.IsAbs(to) {
		rest, below := strings.CutPrefix(path.Clean(to)+"/", path.Clean(base)+"/")
		if !below || strings.Contains(to, "/../") || strings.HasSuffix(to, "/..") {
			return ""
		}
		rel, err := filepath.Rel(dir, path.Join(".", rest))
		if err != nil {
			return ""
		}
		return rel
	}
	rest := to
	for strings.HasPrefix(rest, "../") || strings.HasPrefix(rest, "./") || rest == ".." || rest == "." {
		if strings.HasPrefix(rest, "..") {
			if dir == "." {
				return ""
			}
			dir = path.Dir(dir)
		}
		_, rest, _ = strings.Cut(rest, "/")
		rest = strings.TrimLeft(rest, "/")
	}
	if slices.Contains(strings.Split(rest, "/"), "..") {
		return ""
	}
	return to
}

// permissions are those of a copy: nobody but the owner may write, and nothing
// runs with another's rights.
func permissions(st fs.FileInfo) fs.FileMode {
	m := st.Mode().Perm()&0o755 | 0o600
	if st.IsDir() {
		m |= 0o700
	}
	return m
}

// copyInto makes a copy of an entry below to, and gives it to an owner; own is nil
// where it has the right one. It closes the entry's file.
func copyInto(to *os.Root, e entry, own func(name string) error) (err error) {
	name := filepath.FromSlash(e.name)
	switch {
	case e.link != "":
		err = to.Symlink(e.link, name)
	case e.info.IsDir():
		err = to.Mkdir(name, 0o700)
	default:
		err = copyFile(to, name, e)
	}
	if err == nil && e.link == "" {
		err = to.Chmod(name, permissions(e.info))
	}
	if err == nil && own != nil {
		err = own(name)
	}
	return err
}

// copies makes copies below to of what is seen in the profile at base.
func copies(to *os.Root, base string, own func(name string) error) func(e entry) error {
	return func(e entry) error {
		if err := copyInto(to, e, own); err != nil {
			return uncopied(filepath.Join(base, filepath.FromSlash(e.name)), err)
		}
		return nil
	}
}

func copyFile(to *os.Root, name string, e entry) error {
	defer e.file.Close()
	f, err := to.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	// No more than was counted: it may have grown.
	n, err := io.Copy(f, io.LimitReader(e.file, e.info.Size()))
	if err == nil && n < e.info.Size() {
		err = errors.New("it is being changed")
	}
	return errors.Join(err, f.Close())
}

// replace puts a new folder in the place of another, or in an empty one: all of it
// or nothing. What fill makes is seen by nobody before it is whole. One that was
// interrupted is put right by the next.
func replace(parent, name string, fill func(dir *os.Root) error) error {
	in, err := os.OpenRoot(parent)
	if err != nil {
		return err
	}
	defer in.Close()
	next, last := name+".slipway-new", name+".slipway-old"
	st, err := in.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		if err := in.Rename(last, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	} else if err == nil && !st.IsDir() {
		return errors.New("it is no folder")
	}
	if err := errors.Join(in.RemoveAll(next), in.RemoveAll(last), in.Mkdir(next, 0o700)); err != nil {
		return err
	}
	dir, err := in.OpenRoot(next)
	if err != nil {
		return err
	}
	err = fill(dir)
	_ = dir.Close()
	if err != nil {
		return errors.Join(err, in.RemoveAll(next))
	}
	if err := in.Rename(name, last); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, in.RemoveAll(next))
	}
	if err := in.Rename(next, name); err != nil {
		return errors.Join(err, in.Rename(last, name))
	}
	return in.RemoveAll(last)
}

// domainOf cuts a user's name as the developer guide writes it: "." is no domain,
// and so is none, as people write users on Linux.
func domainOf(user string) (domain, name string) {
	domain, name, found := strings.Cut(user, `\`)
	switch {
	case !found:
		return "", user
	case domain == ".":
		return "", name
	}
	return domain, name
}
