package tool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"slipway/guest"
)

// folderPath is where files come and go, below the home (where AppStream's Linux
// instances have it).
const folderPath = "MyFiles/TemporaryFiles"

// noFollow: a link in the place of a file is not opened, and what is no file
// does not make the opening wait.
const noFollow = unix.O_NOFOLLOW | unix.O_NONBLOCK

const diskQuota = unix.EDQUOT

// seat is a desktop, or a shell on the console.
type seat struct {
	uid, gid int
	groups   []uint32
	root     string // directory that its processes see as /
	home     string // as this process sees it
	env      []string
	console  bool
}

func (*seat) close() {}

// signIns are programs that let users in: root's own screen counts only where
// none is at work, or it could be theirs.
var signIns = []string{"xdm", "lightdm", "gdm", "gdm3", "sddm", "slim", "lxdm", "greetd", "nodm", "kdm", "wdm"}

// logIns are the programs on a console that nobody has signed in at.
var logIns = []string{"agetty", "getty", "mingetty", "mgetty", "login", "init", "systemd"}

// Users that are people begin with the first; 0 is root. Between the two others are
// screens to sign in at, services and nobody (systemd.io, UIDS-GIDS); directories
// such as Active Directory number their people beyond.
const (
	firstUser    = 1000
	firstGreeter = 60578
	nobody       = 65534 // the one after is no user at all
)

func person(uid int) bool { return uid >= firstUser && (uid < firstGreeter || uid > nobody+1) }

// process is what is seen of one.
type process struct {
	pid      int
	comm     string
	uid, gid int
	groups   []uint32
	leader   bool // of a session
	tty      int  // number of its console, 0 for none
	env      map[string]string
}

// findSeat looks for the desktop of a person; where there is none, for a shell on
// the console that is shown.
func findSeat() (*seat, error) {
	all, err := processes("/proc")
	if err != nil {
		return nil, err
	}
	p, console := choose(all, func(p process) bool { return hasDisplay("/proc", p) }, shownConsole())
	if p == nil {
		return nil, &problem{kind: guest.ProblemNobody, text: "nobody is signed in at the screen"}
	}
	if me := os.Geteuid(); me != 0 && me != p.uid {
		return nil, &problem{kind: guest.ProblemNobody, text: "the guest tool may not act for the user at the screen"}
	}
	root, err := os.Readlink(fmt.Sprintf("/proc/%d/root", p.pid))
	if err != nil {
		return nil, err
	}
	s := &seat{uid: p.uid, gid: p.gid, groups: p.groups, root: root, console: console}
	s.home = filepath.Join(root, filepath.Clean("/"+p.env["HOME"]))
	for k, v := range p.env {
		if kept.MatchString(k) {
			s.env = append(s.env, k+"="+v)
		}
	}
	slices.Sort(s.env)
	return s, nil
}

// kept are the variables that make a program part of a session.
var kept = regexp.MustCompile(`^(DISPLAY|WAYLAND_DISPLAY|XAUTHORITY|DBUS_SESSION_BUS_ADDRESS|XDG_.+|HOME|USER|LOGNAME|SHELL|PATH|LANG|LANGUAGE|LC_.+|TERM|TZ|DESKTOP_SESSION|GTK_.+|QT_.+|SSL_CERT_.+|AWS_.+|APPSTREAM_.+|AppStream_.+)$`)

// choose finds the process whose session is at the screen: a person's desktop,
// root's desktop, then a shell on the console. The oldest is the session's own.
func choose(all []process, display func(process) bool, shown int) (best *process, console bool) {
	signIn := slices.ContainsFunc(all, func(p process) bool { return slices.Contains(signIns, p.comm) })
	rank := 0
	for i, p := range all {
		person := person(p.uid)
		r := 0
		switch {
		case p.env["HOME"] == "":
		case person && display(p):
			r = 3
		case p.uid == 0 && !signIn && display(p):
			r = 2
		case p.leader && p.tty != 0 && p.tty == shown && (person || p.uid == 0) && !slices.Contains(logIns, p.comm):
			r = 1
		}
		if r > rank {
			best, rank = &all[i], r
		}
	}
	return best, rank == 1
}

// processes reads what there is to know, in order of number.
func processes(proc string) ([]process, error) {
	dirs, err := os.ReadDir(proc)
	if err != nil {
		return nil, err
	}
	var out []process
	for _, d := range dirs {
		pid, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		if p, ok := readProcess(filepath.Join(proc, d.Name())); ok {
			p.pid = pid
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b process) int { return a.pid - b.pid })
	return out, nil
}

func readProcess(dir string) (p process, ok bool) {
	status, err1 := os.ReadFile(filepath.Join(dir, "status"))
	stat, err2 := os.ReadFile(filepath.Join(dir, "stat"))
	env, err3 := os.ReadFile(filepath.Join(dir, "environ"))
	if errors.Join(err1, err2, err3) != nil {
		return p, false // gone, or not ours to see
	}
	for line := range strings.Lines(string(status)) {
		name, v, _ := strings.Cut(line, ":")
		f := strings.Fields(v)
		switch {
		case name == "Name" && len(f) > 0:
			p.comm = f[0]
		case name == "Uid" && len(f) == 4:
			p.uid, _ = strconv.Atoi(f[1])
		case name == "Gid" && len(f) == 4:
			p.gid, _ = strconv.Atoi(f[1])
		case name == "Groups":
			for _, g := range f {
				n, _ := strconv.ParseUint(g, 10, 32)
				p.groups = append(p.groups, uint32(n))
			}
		}
	}
	// After the name in brackets: state, parent, group, session, terminal.
	f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	pid, _, _ := strings.Cut(string(stat), " ")
	if len(f) < 5 || f[0] == "Z" {
		return p, false
	}
	p.leader = f[3] == pid
	if tty, _ := strconv.ParseUint(f[4], 10, 32); tty>>8&0xfff == 4 && tty&0xff < 64 {
		p.tty = int(tty & 0xff)
	}
	p.env = map[string]string{}
	for _, kv := range strings.Split(string(env), "\x00") {
		if k, v, ok := strings.Cut(kv, "="); ok {
			p.env[k] = v
		}
	}
	return p, true
}

var localDisplay = regexp.MustCompile(`^:(\d+)(\.\d+)?$`)

// hasDisplay tells whether a process is part of a desktop of this machine, the
// server of which is there.
func hasDisplay(proc string, p process) bool {
	root := filepath.Join(proc, strconv.Itoa(p.pid), "root")
	socket := ""
	if m := localDisplay.FindStringSubmatch(p.env["DISPLAY"]); m != nil {
		socket = filepath.Join(root, "tmp/.X11-unix/X"+m[1])
	} else if w, dir := p.env["WAYLAND_DISPLAY"], p.env["XDG_RUNTIME_DIR"]; w != "" && filepath.IsAbs(dir) {
		socket = filepath.Join(root, dir, w)
	}
	st, err := os.Stat(socket)
	return err == nil && st.Mode()&fs.ModeSocket != 0
}

func shownConsole() int {
	b, _ := os.ReadFile("/sys/class/tty/tty0/active") // "tty1"; without consoles nothing
	n, _ := strconv.Atoi(strings.TrimPrefix(strings.TrimSpace(string(b)), "tty"))
	return n
}

// start runs a program in the session; on a console, on a screen of its own that
// is shown until it ends.
func (s *seat) start(in guest.Launch, env guest.Environment) (*started, error) {
	if in.Directory != "" {
		if mode, err := s.mode(in.Directory); err != nil || !mode.IsDir() {
			return nil, &problem{kind: guest.ProblemDirectory, text: "there is no such directory to start in"}
		}
	}
	switch mode, err := s.mode(in.Path); {
	case err != nil:
		return nil, whyNot(fs.ErrNotExist)
	case !mode.IsRegular() || mode&0o111 == 0:
		return nil, whyNot(fs.ErrPermission)
	}
	cmd := s.command(in.Path, words(in.Parameters), with(theRole().environ(s.env, s.home), env))
	if in.Directory != "" {
		cmd.Dir = in.Directory
	}
	after := func() {}
	if s.console {
		tty, back, err := newConsole(s.uid)
		if err != nil {
			return nil, whyNot(err)
		}
		cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
		cmd.SysProcAttr.Setctty = true
		cmd.Env = append(cmd.Env, "TERM=linux")
		after = func() { back(); _ = tty.Close() }
	}
	if err := cmd.Start(); err != nil {
		after()
		return nil, whyNot(err)
	}
	p := &started{done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // its exit code says it
		after()
		p.exit = cmd.ProcessState.ExitCode()
		close(p.done)
	}()
	return p, nil
}

// command is a program of the session that has not been started: with its user's
// rights, in what is / to it, in its home.
func (s *seat) command(path string, args, env []string) *exec.Cmd {
	cmd := &exec.Cmd{Path: path, Args: append([]string{path}, args...), Dir: s.home, Env: env, SysProcAttr: &syscall.SysProcAttr{Setsid: true}}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(s.uid), Gid: uint32(s.gid), Groups: s.groups}
	}
	if s.root != "/" {
		cmd.SysProcAttr.Chroot = s.root
		cmd.Dir = "/" + strings.TrimPrefix(strings.TrimPrefix(s.home, s.root), "/")
	}
	return cmd
}

// mode is what stands at a path that the session's processes would open.
func (s *seat) mode(path string) (fs.FileMode, error) {
	root, err := unix.Open(s.root, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(root)
	fd, err := unix.Openat2(root, path, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT})
	if errors.Is(err, unix.ENOSYS) {
		st, err := os.Stat(filepath.Join(s.root, path)) // kernels before 5.6
		if err != nil {
			return 0, err
		}
		return st.Mode(), nil
	}
	if err != nil {
		return 0, err
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Mode(), nil
}

// Requests of consoles (linux/vt.h).
const (
	vtOpenQuery = 0x5600
	vtActivate  = 0x5606
)

// newConsole opens a console that nobody uses and shows it; back shows the one
// again that was shown before.
func newConsole(uid int) (tty *os.File, back func(), err error) {
	all, err := os.OpenFile("/dev/tty0", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	was := shownConsole()
	n, err := unix.IoctlGetInt(int(all.Fd()), vtOpenQuery)
	if err == nil && n < 1 {
		err = errors.New("there is no free console")
	}
	if err == nil {
		tty, err = os.OpenFile(fmt.Sprintf("/dev/tty%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err == nil {
		err = errors.Join(tty.Chown(uid, -1), unix.IoctlSetInt(int(all.Fd()), vtActivate, n))
	}
	if err != nil {
		if tty != nil {
			_ = tty.Close()
		}
		return nil, nil, errors.Join(err, all.Close())
	}
	return tty, func() {
		if shownConsole() == n && was > 0 {
			_ = unix.IoctlSetInt(int(all.Fd()), vtActivate, was) // it stays on the empty one
		}
		_ = all.Close()
	}, nil
}

// as runs f with the user's rights over files. They are a thread's own; this
// thread is not used for anything else, and ends.
func (s *seat) as(f func() error) error {
	if os.Geteuid() != 0 || s.uid == 0 {
		return f()
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked
		err := becomes(s.uid, s.gid, s.groups)
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// becomes gives this thread, and no other, a user's rights over files.
func becomes(uid, gid int, groups []uint32) error {
	var list unsafe.Pointer
	if len(groups) > 0 {
		list = unsafe.Pointer(&groups[0])
	}
	// Not syscall.Setgroups, which is for all threads.
	if _, _, no := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(list), 0); no != 0 {
		return no
	}
	// These two say nothing when they fail: they are asked what holds.
	if err := errors.Join(unix.Setfsgid(gid), unix.Setfsuid(uid)); err != nil {
		return err
	}
	g, _ := unix.SetfsgidRetGid(-1)
	if u, _ := unix.SetfsuidRetUid(-1); u != uid || g != gid {
		return errors.New("the guest tool cannot take a user's place")
	}
	return nil
}
