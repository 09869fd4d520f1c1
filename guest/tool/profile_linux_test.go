package tool

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"slipway/guest"
)

// people is a machine with a user who has set things up, and a default profile of
// before. As root it is a user of her own; else it is whoever runs this.
func people(t *testing.T) *profile {
	t.Helper()
	dir := t.TempDir()
	p := &profile{name: "tess", home: filepath.Join(dir, "home", "tess"), uid: os.Getuid(), gid: os.Getgid(), skeleton: filepath.Join(dir, "etc", "skel"), running: func(int) bool { return false }}
	for _, d := range []string{p.home, p.skeleton} {
		ok(t, os.MkdirAll(d, 0o755))
	}
	put(t, filepath.Join(p.skeleton, "old"), 0o644)
	if os.Geteuid() == 0 {
		p.uid, p.gid = 61234, 61234
		// She must get to her home.
		for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
			ok(t, os.Chmod(d, 0o755))
		}
	}
	return p
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	ok(t, os.MkdirAll(filepath.Dir(path), 0o755))
	ok(t, os.WriteFile(path, []byte(filepath.Base(path)), 0o600))
	ok(t, os.Chmod(path, mode))
}

// hers gives everything in the home to its user.
func hers(t *testing.T, p *profile) {
	t.Helper()
	ok(t, filepath.WalkDir(p.home, func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			err = os.Lchown(path, p.uid, p.gid)
		}
		return err
	}))
}

// tree lists what is there: name, mode and where links lead.
func tree(t *testing.T, dir string) (all []string) {
	t.Helper()
	ok(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		if st.Mode()&fs.ModeSymlink != 0 {
			to, _ := os.Readlink(path)
			all = append(all, rel+" -> "+to)
			return nil
		}
		all = append(all, rel+" "+st.Mode().String())
		return nil
	}))
	return all
}

// TestDefaultProfile: new users begin with what the template user has set up, and
// with nothing else: no file of others, no pipe, no right to write or to run as
// somebody else, and no link that leads out.
func TestDefaultProfile(t *testing.T) {
	p := people(t)
	in := func(name string) string { return filepath.Join(p.home, name) }
	put(t, in(".config/app/settings"), 0o664)
	put(t, in(".ssh/key"), 0o600)
	put(t, in("bin/run"), 0o6775)
	ok(t, os.Chmod(in("bin/run"), 0o775|fs.ModeSetuid|fs.ModeSetgid))
	ok(t, os.Chmod(in(".ssh"), 0o700))
	ok(t, syscall.Mkfifo(in("pipe"), 0o600))
	for name, to := range map[string]string{
		"inside": ".config/app/settings", ".config/up": "../bin/run", "absolute": in("bin/run"), ".config/home": p.home, "dangling": "none",
		"shadow": "/etc/shadow", "out": "../other", ".config/out": "../../x", "sly": "here/../../../x", "here": ".", "near": p.home + "-of-another/x", "tricky": in("here") + "/../x",
	} {
		ok(t, os.Symlink(to, in(name)))
	}
	hers(t, p)
	var notes []string
	ok(t, p.makeDefault(func(words string) { notes = append(notes, words) }))
	want := []string{
		".config drwxr-xr-x", ".config/app drwxr-xr-x", ".config/app/settings -rw-r--r--", ".config/home -> ..", ".config/up -> ../bin/run",
		".ssh drwx------", ".ssh/key -rw-------", "absolute -> bin/run", "bin drwxr-xr-x", "bin/run -rwxr-xr-x", "dangling -> none", "here -> .", "inside -> .config/app/settings",
	}
	if got := tree(t, p.skeleton); !slices.Equal(got, want) {
		t.Errorf("the default profile:\n%s", strings.Join(got, "\n"))
	}
	slices.Sort(notes)
	for i, name := range []string{".config/out", "near", "out", "pipe", "shadow", "sly", "tricky"} {
		if i >= len(notes) || !strings.HasPrefix(notes[i], "not copied: "+in(name)+": ") {
			t.Fatalf("%d notes:\n%s", len(notes), strings.Join(notes, "\n"))
		}
	}
	st, err := os.Stat(filepath.Join(p.skeleton, ".ssh/key"))
	if err != nil || owner(st) != os.Geteuid() {
		t.Errorf("its owner: %v, %v", st, err)
	}
	left, err := os.ReadDir(filepath.Dir(p.skeleton))
	if err != nil || len(left) != 1 {
		t.Errorf("beside it: %v, %v", left, err)
	}
}

// TestDefaultProfileRefuses: what cannot be copied as a whole is not copied at
// all, and the profile of before stays.
func TestDefaultProfileRefuses(t *testing.T) {
	most := profileMost
	t.Cleanup(func() { profileMost = most })
	for want, prepare := range map[string]func(t *testing.T, p *profile){
		"the profile is too large": func(t *testing.T, p *profile) {
			profileMost.bytes = 5
			put(t, filepath.Join(p.home, "long name"), 0o600)
		},
		"the profile has too many files": func(t *testing.T, p *profile) {
			profileMost.files = 3
			for _, n := range []string{"a", "b", "c", "d"} {
				put(t, filepath.Join(p.home, n), 0o600)
			}
		},
		"its folders are too deep": func(t *testing.T, p *profile) {
			profileMost.depth = 2
			put(t, filepath.Join(p.home, "a/b/c/d"), 0o600)
		},
		"permission denied": func(t *testing.T, p *profile) {
			put(t, filepath.Join(p.home, "a"), 0o600)
			put(t, filepath.Join(p.home, "z"), 0)
		},
	} {
		t.Run(want, func(t *testing.T) {
			profileMost = most
			p := people(t)
			prepare(t, p)
			hers(t, p)
			err := p.makeDefault(func(string) {})
			if err == nil || !strings.HasPrefix(err.Error(), "Unable to copy file or folder: "+p.home) || !strings.HasSuffix(err.Error(), ". "+want) {
				t.Errorf("%v", err)
			}
			if got := tree(t, p.skeleton); !slices.Equal(got, []string{"old -rw-r--r--"}) {
				t.Errorf("the default profile: %q", got)
			}
			if left, err := os.ReadDir(filepath.Dir(p.skeleton)); err != nil || len(left) != 1 {
				t.Errorf("beside it: %v, %v", left, err)
			}
		})
	}
}

// TestSecretsOfOthers: what the user may not read does not get into everybody's
// home by a second name that the user made for it.
func TestSecretsOfOthers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("makes files of two users: needs root")
	}
	p := people(t)
	secret := filepath.Join(filepath.Dir(p.home), "secret")
	put(t, secret, 0o600)
	hers(t, p)
	ok(t, os.Link(secret, filepath.Join(p.home, "mine")))
	if err := p.makeDefault(func(string) {}); err == nil || !strings.HasSuffix(err.Error(), "mine. permission denied") {
		t.Errorf("%v", err)
	}
}

// TestInterruptedProfile: whenever it was killed, the next attempt finds what it
// needs and leaves nothing.
func TestInterruptedProfile(t *testing.T) {
	for name, prepare := range map[string]func(p *profile) error{
		"a copy half made": func(p *profile) error { return os.MkdirAll(p.skeleton+".slipway-new/x", 0o700) },
		"between the two":  func(p *profile) error { return os.Rename(p.skeleton, p.skeleton+".slipway-old") },
		"before the end":   func(p *profile) error { return os.MkdirAll(p.skeleton+".slipway-old/x", 0o700) },
		"there was none":   func(p *profile) error { return os.RemoveAll(p.skeleton) },
	} {
		t.Run(name, func(t *testing.T) {
			p := people(t)
			ok(t, prepare(p))
			put(t, filepath.Join(p.home, "new"), 0o644)
			hers(t, p)
			ok(t, p.makeDefault(func(string) {}))
			if got := tree(t, p.skeleton); !slices.Equal(got, []string{"new -rw-r--r--"}) {
				t.Errorf("%q", got)
			}
			if left, err := os.ReadDir(filepath.Dir(p.skeleton)); err != nil || len(left) != 1 {
				t.Errorf("beside it: %v, %v", left, err)
			}
		})
	}
}

func TestResetProfile(t *testing.T) {
	p := people(t)
	put(t, filepath.Join(p.skeleton, ".config/app"), 0o644)
	put(t, filepath.Join(p.home, ".config/mine"), 0o600)
	ok(t, os.Symlink(p.skeleton, filepath.Join(p.home, "link")))
	ok(t, os.Chmod(p.home, 0o750))
	hers(t, p)
	p.running = func(uid int) bool { return uid == p.uid }
	if err := p.reset(func(string) {}); err == nil || err.Error() != "Unable to copy file or folder: "+p.home+". the user has programs running" {
		t.Errorf("signed in: %v", err)
	}
	p.running = func(int) bool { return false }
	// A system with labels is told of the new home; that it fails is no more than said.
	bin := t.TempDir()
	ok(t, os.WriteFile(filepath.Join(bin, "restorecon"), []byte("#!/bin/sh\necho \"asked for $*\"; exit 3\n"), 0o755))
	t.Setenv("PATH", bin)
	var notes []string
	ok(t, p.reset(func(words string) { notes = append(notes, words) }))
	if want := "not labelled: " + p.home + ": exit status 3: asked for -R " + p.home; !slices.Equal(notes, []string{want}) {
		t.Errorf("notes: %q", notes)
	}
	if got := tree(t, p.home); !slices.Equal(got, []string{".config drwxr-xr-x", ".config/app -rw-r--r--", "old -rw-r--r--"}) {
		t.Errorf("%q", got)
	}
	for _, path := range []string{p.home, filepath.Join(p.home, ".config/app")} {
		if st, err := os.Stat(path); err != nil || owner(st) != p.uid {
			t.Errorf("%s: %v", path, err)
		}
	}
	if st, err := os.Stat(p.home); err != nil || st.Mode().Perm() != 0o750 {
		t.Errorf("the home: %v, %v", st, err)
	}
	if got := tree(t, p.skeleton); len(got) != 3 {
		t.Errorf("the default profile was changed: %q", got)
	}
}

func TestAssistantProfiles(t *testing.T) {
	for _, c := range []struct {
		args   []string
		name   string
		answer guest.Answer
		err    error
		want   string
	}{
		{args: []string{"update-default-profile"}, name: "TemplateUser", want: `{"status":0,"message":"Success"}`},
		{args: []string{"reset-user-profile", "--profile", `.\ann`}, name: `.\ann`, want: `{"status":0,"message":"Success"}`},
		{args: []string{"reset-user-profile", "--profile", `CORP\ann`}, name: `CORP\ann`, err: noDomain, want: `{"status":1,"message":"Cannot copy a domain user when not joined to a domain"}`},
		{args: []string{"update-default-profile", "--profile="}, want: `{"status":1,"message":"Invalid value (profile)"}`},
		{args: []string{"update-default-profile"}, name: "TemplateUser", err: fs.ErrClosed, want: `{"status":255,"message":"file already closed"}`},
		{args: []string{"update-default-profile"}, answer: guest.Refused("This machine is not an image builder"), want: `{"status":1,"message":"This machine is not an image builder"}`},
	} {
		a := newAssistant(c.answer, nil)
		var notes bytes.Buffer
		a.Notes = &notes
		found := ""
		p := people(t)
		ok(t, os.Symlink("/", filepath.Join(p.home, "root")))
		hers(t, p)
		a.profile = func(name string) (*profile, error) { found = name; return p, c.err }
		code := a.Run(t.Context(), c.args)
		if strings.TrimSpace(a.out.String()) != c.want || found != c.name || !strings.Contains(c.want, `{"status":`+map[int]string{0: "0,", 1: "1,", 255: "255,"}[code]) {
			t.Errorf("%q: %s, exit %d, user %q", c.args, a.out.String(), code, found)
		}
		if !strings.HasPrefix(c.args[0], "update") || code != 0 {
			continue
		}
		if !strings.Contains(notes.String(), "a link that leads out") || strings.Join(a.asked, ",") != "is-image-builder null" {
			t.Errorf("notes %q, asked %q", notes.String(), a.asked)
		}
	}
	a := newAssistant(guest.OK, nil)
	a.Admin = func() bool { return false }
	if code := a.Run(t.Context(), []string{"update-default-profile"}); code != 1 || !strings.Contains(a.out.String(), "Administrator privileges are required to perform this operation") || len(a.asked) > 0 {
		t.Errorf("%d, %s", code, a.out.String())
	}
	for name, want := range map[string]string{
		`CORP\ann`: noDomain.words, "root": "Invalid value (profile): root: it is a user of the system's", "nobody-of-that-name": "Invalid value (profile): nobody-of-that-name: there is no such user",
	} {
		if _, err := findProfile(name); err == nil || err.Error() != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
