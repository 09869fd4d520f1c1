package convert

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"slipway/disk/gate"
	"slipway/fault"
)

// sandbox is what this machine has to run qemu-img with.
type sandbox struct {
	once    sync.Once
	err     error
	img     string   // qemu-img
	prlimit string   // sets the limits
	bwrap   string   // "" when there is none that works
	system  []string // arguments of bwrap that show it the programs
}

// limits of a conversion.
type limits struct {
	file int64 // the last offset that may be written: it counts in sparse files too
	cpu  int64 // seconds
}

const memory = 2 << 30

func (j *job) limits() limits {
	const slowest = 2 << 20 // bytes a second, a fraction of what the slowest format takes
	return limits{file: j.size + j.size/16 + 256<<20, cpu: 600 + j.size/slowest}
}

// Check tells whether formats other than raw can be written here.
// Errors: Unavailable, with what to install.
func (c *Converter) Check(ctx context.Context) error {
	_, err := c.prepared(ctx)
	return err
}

func (c *Converter) prepared(ctx context.Context) (*sandbox, error) {
	s := &c.sandbox
	s.once.Do(func() { s.err = s.look(ctx, c) })
	return s, s.err
}

func (c *Converter) find(program string) string {
	if c.Find != nil {
		return c.Find(program)
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return ""
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return ""
	}
	return path
}

func (s *sandbox) look(ctx context.Context, c *Converter) error {
	for _, p := range []struct {
		path          *string
		name, install string
	}{{&s.img, "qemu-img", "qemu-utils"}, {&s.prlimit, "prlimit", "util-linux"}} {
		if *p.path = c.find(p.name); *p.path == "" {
			return fault.New(fault.Unavailable, "%s is not installed; every format but raw needs it.", p.name).
				WithHint("Install it (Debian and Ubuntu: apt-get install %s; Fedora and RHEL: dnf install %s), or choose raw.", p.install, strings.Replace(p.install, "qemu-utils", "qemu-img", 1)).
				WithCode("program-missing")
		}
	}
	why := ""
	switch s.bwrap = c.find("bwrap"); {
	case s.bwrap == "":
		why = "bubblewrap is not installed"
	case !strings.HasPrefix(s.img, "/usr/"):
		why = "qemu-img lies outside of /usr"
	default:
		s.system = systemBinds()
		argv := slices.Concat([]string{s.bwrap}, isolation, s.system, []string{"/usr/bin/true"})
		if err := c.runner().Run(ctx, argv, func(string) {}); err != nil {
			why = "bubblewrap does not work here (" + strings.TrimSpace(err.Error()) + ")"
		}
	}
	if why != "" {
		s.bwrap = ""
		if c.Warn != nil {
			c.Warn("qemu-img runs without a sandbox, with limits only: " + why + ". It is given nothing but raw disks; install bubblewrap to contain it all the same.")
		}
	}
	return ctx.Err()
}

// isolation is everything that the program does not get: no network, no other
// process, no right, no environment, no user of this machine.
var isolation = []string{"--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--setenv", "PATH", "/usr/bin",
	"--cap-drop", "ALL", "--uid", "65534", "--gid", "65534", "--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"}

// systemBinds shows where the programs expect their libraries: links into /usr
// on merged systems, directories on others.
func systemBinds() []string {
	var args []string
	for _, dir := range []string{"/bin", "/lib", "/lib64"} {
		if to, err := os.Readlink(dir); err == nil {
			args = append(args, "--symlink", to, dir)
		} else if st, err := os.Stat(dir); err == nil && st.IsDir() {
			args = append(args, "--ro-bind", dir, dir)
		}
	}
	if _, err := os.Stat("/etc/ld.so.cache"); err == nil {
		args = append(args, "--ro-bind", "/etc/ld.so.cache", "/etc/ld.so.cache")
	}
	return args
}

// argv is the whole command line: limits around the sandbox around qemu-img.
func (s *sandbox) argv(f gate.Format, in, dir, name string, l limits) []string {
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	limited := []string{s.prlimit, "--as=" + n(memory), "--cpu=" + n(l.cpu), "--nofile=64", "--core=0", "--fsize=" + n(l.file)}
	if s.bwrap == "" {
		return slices.Concat(limited, []string{s.img}, convertArgs(f, in, filepath.Join(dir, name)))
	}
	return slices.Concat(limited, []string{s.bwrap}, isolation, s.system,
		[]string{"--ro-bind", in, "/in", "--bind", dir, "/out", s.img}, convertArgs(f, "/in", "/out/"+name))
}
