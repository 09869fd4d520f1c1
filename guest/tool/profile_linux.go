package tool

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// skeleton is what useradd(8) and pam_mkhomedir(8) fill new homes with.
const skeleton = "/etc/skel"

const linksKept = true

func sameVolume(a, b fs.FileInfo) bool {
	x, okx := a.Sys().(*syscall.Stat_t)
	y, oky := b.Sys().(*syscall.Stat_t)
	return !okx || !oky || x.Dev == y.Dev
}

// profile is a person's home.
type profile struct {
	name, home string
	uid, gid   int
	groups     []uint32
	skeleton   string
	running    func(uid int) bool // whether programs of the user's run
}

func findProfile(name string) (*profile, error) {
	domain, name := domainOf(name)
	if domain != "" {
		return nil, noDomain // nothing here joins a Linux to one
	}
	u, err := user.Lookup(name)
	if err != nil {
		return nil, noUser(name, "there is no such user")
	}
	p := &profile{name: name, home: filepath.Clean(u.HomeDir), skeleton: skeleton, running: runs}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	p.uid, p.gid = uid, gid
	if !person(uid) {
		return nil, noUser(name, "it is a user of the system's")
	}
	ids, err := u.GroupIds()
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		n, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return nil, err
		}
		p.groups = append(p.groups, uint32(n))
	}
	return p, p.checkHome()
}

// checkHome wants a folder of the user's own that the user has not put there.
func (p *profile) checkHome() error {
	st, err := os.Lstat(p.home)
	if err != nil {
		return uncopied(p.home, err)
	}
	up, err := os.Lstat(filepath.Dir(p.home))
	if err != nil {
		return uncopied(p.home, err)
	}
	if !filepath.IsAbs(p.home) || !st.IsDir() || !up.IsDir() || owner(st) != p.uid || owner(up) != os.Geteuid() {
		return uncopied(p.home, errors.New("it is not the user's own folder"))
	}
	return nil
}

func owner(st fs.FileInfo) int {
	if x, ok := st.Sys().(*syscall.Stat_t); ok {
		return int(x.Uid)
	}
	return -1
}

func runs(uid int) bool {
	all, err := processes("/proc")
	return err != nil || slices.ContainsFunc(all, func(p process) bool { return p.uid == uid })
}

// read shows what is in the home to see. It is read with the user's rights, so
// that nothing that is not the user's comes along; see has its caller's.
func (p *profile) read(see func(e entry) error, tell func(string)) error {
	entries, seen, done := make(chan entry), make(chan error), make(chan error, 1)
	go func() {
		done <- (&seat{uid: p.uid, gid: p.gid, groups: p.groups}).as(func() error {
			home, err := os.OpenRoot(p.home)
			if err != nil {
				return uncopied(p.home, err)
			}
			defer home.Close()
			return (&survey{root: home, base: p.home, tell: tell, see: func(e entry) error {
				entries <- e
				return <-seen
			}}).walk()
		})
		close(entries)
	}()
	for e := range entries {
		seen <- see(e)
	}
	return <-done
}

// makeDefault copies the home to where new homes are filled from. The copy is
// root's; the groups of the original and everybody else lose the right to write.
func (p *profile) makeDefault(tell func(string)) error {
	err := replace(filepath.Dir(p.skeleton), filepath.Base(p.skeleton), func(dir *os.Root) error {
		err := p.read(copies(dir, p.home, nil), tell)
		return errors.Join(err, dir.Chmod(".", 0o755))
	})
	if err != nil {
		return uncopied(p.skeleton, err)
	}
	return nil
}

// reset gives the user a home as a new user gets it. Windows makes a deleted
// profile anew when its user signs in; here nothing would.
func (p *profile) reset(tell func(string)) error {
	if p.running(p.uid) {
		return uncopied(p.home, errors.New("the user has programs running"))
	}
	old, err := os.Lstat(p.home)
	if err != nil {
		return uncopied(p.home, err)
	}
	from, err := os.OpenRoot(p.skeleton)
	if err != nil {
		return uncopied(p.skeleton, err)
	}
	defer from.Close()
	err = replace(filepath.Dir(p.home), filepath.Base(p.home), func(dir *os.Root) error {
		own := func(name string) error { return dir.Lchown(name, p.uid, p.gid) }
		s := &survey{root: from, base: p.skeleton, tell: tell, see: copies(dir, p.skeleton, own)}
		return errors.Join(s.walk(), dir.Chmod(".", old.Mode().Perm()), own("."))
	})
	if err != nil {
		return uncopied(p.home, err)
	}
	// Where SELinux is, a home has labels that its place before it was one did not give.
	if restorecon, err := exec.LookPath("restorecon"); err == nil {
		if out, err := exec.Command(restorecon, "-R", p.home).CombinedOutput(); err != nil {
			tell(fmt.Sprintf("not labelled: %s: %v: %s", p.home, err, bytes.TrimSpace(out)))
		}
	}
	return nil
}
