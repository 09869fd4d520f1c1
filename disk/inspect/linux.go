package inspect

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/diskfs/go-diskfs/filesystem/ext4"

	"slipway/disk/facts"
)

const (
	maxText    = 8 << 20 // of a text file that is read whole; a modules.dep has under 1 MiB
	maxKernels = 16
	maxLinks   = 8
)

// errNotRoot says that a file system is readable and holds no operating system.
var errNotRoot = errors.New("no /etc/os-release")

// linuxFS is what the questions need of a Linux file system. Paths have no
// leading slash.
type linuxFS interface {
	readFile(name string) ([]byte, error)
	readDir(name string) ([]string, error)
	exists(name string) bool
}

type extFS struct{ fs *ext4.FileSystem }

func openExt(disk *os.File, p facts.Partition) (linuxFS, error) {
	f, err := ext4.Read(section(disk, p), p.SizeBytes, 0, 512)
	if err != nil {
		return nil, err
	}
	return extFS{f}, nil
}

// follow resolves symbolic links in the last element of a path, inside the disk.
func (x extFS) follow(name string) string {
	for range maxLinks {
		to, err := x.fs.ReadLink(name)
		if err != nil || to == "" {
			return name
		}
		if !path.IsAbs(to) {
			to = path.Join("/", path.Dir(name), to)
		}
		name = strings.TrimPrefix(path.Clean(to), "/")
	}
	return name
}

func (x extFS) readFile(name string) ([]byte, error) {
	f, err := x.fs.OpenFile(x.follow(name), os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxText+1))
	if err == nil && len(b) > maxText {
		err = fmt.Errorf("%s is larger than %d bytes", name, maxText)
	}
	return b, err
}

func (x extFS) readDir(name string) ([]string, error) {
	es, err := x.fs.ReadDir(x.follow(name))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range es {
		if n := e.Name(); n != "." && n != ".." {
			names = append(names, n)
		}
	}
	return names, nil
}

func (x extFS) exists(name string) bool {
	es, err := x.readDir(path.Dir(name))
	return err == nil && slices.Contains(es, path.Base(name))
}

// readLinux asks a root file system what it is. problems are sentences about
// what could not be read of an operating system that is there.
func readLinux(x linuxFS, number int) (l *facts.LinuxOS, problems []string, err error) {
	rel, err := x.readFile("etc/os-release")
	if err != nil {
		if rel, err = x.readFile("usr/lib/os-release"); err != nil {
			if _, derr := x.readDir("."); derr != nil {
				return nil, nil, derr
			}
			return nil, nil, errNotRoot
		}
	}
	l = &facts.LinuxOS{Partition: number}
	v := osRelease(rel)
	l.ID, l.IDLike, l.VersionID = v["ID"], v["ID_LIKE"], v["VERSION_ID"]
	l.Codename, l.Name, l.PrettyName = v["VERSION_CODENAME"], v["NAME"], v["PRETTY_NAME"]
	l.Kernels, problems = kernels(x)
	for _, a := range []string{"usr/bin/amazon-ssm-agent", "var/lib/snapd/snaps"} {
		if slices.Contains(l.Agents, facts.AgentSSM) {
			break
		}
		if path.Base(a) == "snaps" {
			names, _ := x.readDir(a)
			if slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, "amazon-ssm-agent_") }) {
				l.Agents = append(l.Agents, facts.AgentSSM)
			}
		} else if x.exists(a) {
			l.Agents = append(l.Agents, facts.AgentSSM)
		}
	}
	if x.exists("usr/sbin/qemu-ga") || x.exists("usr/bin/qemu-ga") {
		l.Agents = append(l.Agents, facts.AgentQEMU)
	}
	return l, problems, nil
}

// osRelease reads the shell-like assignments of os-release(5).
func osRelease(b []byte) map[string]string {
	out := map[string]string{}
	sc := bufio.NewScanner(bytes.NewReader(b))
	for sc.Scan() {
		k, v, ok := strings.Cut(strings.TrimSpace(sc.Text()), "=")
		if !ok || strings.HasPrefix(k, "#") {
			continue
		}
		switch {
		case len(v) >= 2 && v[0] == '\'' && v[len(v)-1] == '\'':
			v = v[1 : len(v)-1]
		case len(v) >= 2 && v[0] == '"':
			if u, err := strconv.Unquote(v); err == nil {
				v = u
			} else {
				v = strings.Trim(v, `"`)
			}
		}
		out[k] = clean(v)
	}
	return out
}

func kernels(x linuxFS) (ks []facts.Kernel, problems []string) {
	dir := "usr/lib/modules"
	names, err := x.readDir(dir)
	if err != nil {
		dir = "lib/modules"
		if names, err = x.readDir(dir); err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				problems = append(problems, "The kernel modules could not be listed.")
			}
			return nil, problems
		}
	}
	slices.Sort(names)
	if len(names) > maxKernels {
		problems = append(problems, fmt.Sprintf("Only the last %d kernels were looked at.", maxKernels))
		names = names[len(names)-maxKernels:]
	}
	for _, n := range names {
		if n == "" || n[0] < '0' || n[0] > '9' {
			continue // not a kernel version
		}
		k := facts.Kernel{Version: clean(n)}
		dep, derr := x.readFile(path.Join(dir, n, "modules.dep"))
		builtin, berr := x.readFile(path.Join(dir, n, "modules.builtin"))
		if derr != nil && berr != nil {
			problems = append(problems, fmt.Sprintf("The drivers of kernel %s could not be listed.", k.Version))
		}
		loadable, fixed := moduleNames(dep), moduleNames(builtin)
		for _, d := range facts.DriverNames() {
			if fixed[d] {
				k.Builtin = append(k.Builtin, d)
			}
			if fixed[d] || loadable[d] {
				k.Drivers = append(k.Drivers, d)
			}
		}
		ks = append(ks, k)
	}
	return ks, problems
}

// moduleNames reads modules.dep or modules.builtin: one path a line, with
// dependencies after a colon.
func moduleNames(b []byte) map[string]bool {
	out := map[string]bool{}
	for line := range bytes.Lines(b) {
		p, _, _ := strings.Cut(strings.TrimSpace(string(line)), ":")
		n, _, ok := strings.Cut(path.Base(p), ".ko")
		if ok {
			out[strings.ReplaceAll(n, "-", "_")] = true
		}
	}
	return out
}
