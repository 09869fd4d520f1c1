package inspect

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"slipway/disk/facts"
)

const (
	maxText    = 8 << 20 // of a text file that is read whole; a modules.dep has under 1 MiB
	maxKernels = 16
)

// errNotRoot says that a file system is readable and holds no operating system.
var errNotRoot = errors.New("no /etc/os-release")

// linuxFS is what the questions need of a Linux file system. Paths have no
// leading slash.
type linuxFS interface {
	readFile(name string) ([]byte, error) // of at most maxText bytes
	readLarge(name string, most int64) ([]byte, error)
	readDir(name string) ([]string, error)
	exists(name string) bool
}

// readLinux asks a root file system what it is. problems are sentences about
// what could not be read of an operating system that is there.
func readLinux(x linuxFS, number int) (l *facts.LinuxOS, problems []string, err error) {
	rel, err := x.readFile("etc/os-release")
	if errors.Is(err, fs.ErrNotExist) {
		rel, err = x.readFile("usr/lib/os-release")
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, errNotRoot
	}
	if err != nil {
		return nil, nil, err
	}
	l = &facts.LinuxOS{Partition: number}
	v := osRelease(rel)
	l.ID, l.IDLike, l.VersionID = v["ID"], v["ID_LIKE"], v["VERSION_ID"]
	l.Codename, l.Name, l.PrettyName = v["VERSION_CODENAME"], v["NAME"], v["PRETTY_NAME"]
	l.Kernels, problems = kernels(x)
	l.Agents = linuxAgents(x)
	l.CloudInit = x.exists("usr/bin/cloud-init") || x.exists("etc/cloud/cloud.cfg")
	if b, err := x.readFile("etc/selinux/config"); err == nil {
		l.SELinux = osRelease(b)["SELINUX"]
	}
	if b, err := x.readFile("etc/fstab"); err == nil {
		l.RootDevice = rootDevice(b)
	}
	return l, problems, nil
}

func linuxAgents(x linuxFS) (out []string) {
	snaps, _ := x.readDir("var/lib/snapd/snaps")
	if x.exists("usr/bin/amazon-ssm-agent") || slices.ContainsFunc(snaps, func(n string) bool { return strings.HasPrefix(n, "amazon-ssm-agent_") }) {
		out = append(out, facts.AgentSSM)
	}
	for _, a := range []struct {
		name  string
		paths []string
	}{
		{facts.AgentQEMU, []string{"usr/sbin/qemu-ga", "usr/bin/qemu-ga"}},
		{facts.AgentVMware, []string{"usr/bin/vmtoolsd"}},
		{facts.AgentDCV, []string{"usr/bin/dcvserver"}},
	} {
		if slices.ContainsFunc(a.paths, x.exists) {
			out = append(out, a.name)
		}
	}
	return out
}

// rootDevice is the first field of the line of fstab(5) that mounts /.
func rootDevice(b []byte) string {
	for line := range bytes.Lines(b) {
		if f := strings.Fields(string(line)); len(f) > 1 && f[1] == "/" && f[0][0] != '#' {
			return clean(f[0])
		}
	}
	return ""
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
