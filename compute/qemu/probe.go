package qemu

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Names of the checks, stable for programs.
const (
	CheckKVM        = "kvm"
	CheckQEMU       = "qemu-system-x86_64"
	CheckQEMUImg    = "qemu-img"
	CheckFirmware   = "ovmf"
	CheckTPM        = "swtpm"
	CheckBubblewrap = "bubblewrap"
	CheckMemory     = "memory"
)

// Check is one thing a host must have.
type Check struct {
	Name   string
	OK     bool
	Needed bool   // false: works without, but worse
	Detail string // what was seen
	Remedy string // what to do; empty when OK
}

// Report is what a host can do.
type Report struct {
	Checks []Check
	// Apt is the line that installs what is missing on Debian and Ubuntu; empty
	// when no package is missing.
	Apt string
}

// OK tells whether machines can run at all.
func (r Report) OK() bool {
	return !slices.ContainsFunc(r.Checks, func(c Check) bool { return c.Needed && !c.OK })
}

// Warning is one sentence for the start of a server; empty when all is well.
func (r Report) Warning() string {
	var missing []string
	kvm := true
	for _, c := range r.Checks {
		switch {
		case c.OK:
		case c.Name == CheckKVM:
			kvm = false
		case c.Needed:
			missing = append(missing, c.Name)
		}
	}
	switch {
	case len(missing) > 0 && r.Apt != "":
		return fmt.Sprintf("Machines cannot run on this host because %s is missing: %s.", strings.Join(missing, ", "), r.Apt)
	case len(missing) > 0:
		return fmt.Sprintf("Machines cannot run on this host: look at %s with slipway doctor.", strings.Join(missing, ", "))
	case !kvm:
		return "KVM does not work on this host, so machines run in software emulation, about ten times slower."
	}
	return ""
}

var packages = map[string]string{CheckQEMU: "qemu-system-x86", CheckQEMUImg: "qemu-utils", CheckFirmware: "ovmf",
	CheckTPM: "swtpm", CheckBubblewrap: "bubblewrap"}

// Probe looks at this host. It starts programs to see whether they work, takes
// up to half a minute on a slow host, changes nothing and leaves nothing.
func Probe(ctx context.Context) Report {
	p := Paths{}.found()
	r := Report{Checks: []Check{
		checkKVM(ctx, p),
		checkProgram(ctx, CheckQEMU, p.QEMU, "--version"),
		checkProgram(ctx, CheckQEMUImg, "qemu-img", "--version"),
		checkFirmware(p),
		checkProgram(ctx, CheckTPM, p.TPM, "--version"),
		checkBubblewrap(ctx),
		checkMemory(),
	}}
	var apt []string
	for _, c := range r.Checks {
		if pkg := packages[c.Name]; !c.OK && pkg != "" && c.Remedy == install(pkg) {
			apt = append(apt, pkg)
		}
	}
	if len(apt) > 0 {
		r.Apt = install(apt...)
	}
	return r
}

func install(pkgs ...string) string { return "apt-get install " + strings.Join(pkgs, " ") }

func checkProgram(ctx context.Context, name, path string, args ...string) Check {
	c := Check{Name: name, Needed: true}
	if path == "" {
		path = name
	}
	full, err := exec.LookPath(path)
	if err != nil {
		c.Detail, c.Remedy = "not found", install(packages[name])
		return c
	}
	out, err := run(ctx, full, args...)
	first, _, _ := strings.Cut(out, "\n")
	c.OK, c.Detail = err == nil, strings.TrimSpace(first)
	if err != nil {
		c.Detail, c.Remedy = fmt.Sprintf("%s does not run: %v", full, err), "reinstall the package "+packages[name]
		return c
	}
	var major, minor int
	if _, err := fmt.Sscanf(first, "QEMU emulator version %d.%d", &major, &minor); err == nil && name == CheckQEMU &&
		(major < 7 || major == 7 && minor < 2) {
		c.OK, c.Remedy = false, "QEMU 7.2 or later is needed"
	}
	return c
}

// run gives what a program prints, of which at most some KiB are of interest.
func run(ctx context.Context, path string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if err != nil && out.Len() > 0 {
		err = fmt.Errorf("%w: %s", err, strings.TrimSpace(out.String()))
	}
	return out.String(), err
}

func checkFirmware(p Paths) Check {
	c := Check{Name: CheckFirmware, Needed: true, OK: p.Code != "", Detail: p.Code}
	if !c.OK {
		c.Detail, c.Remedy = "no UEFI firmware with its variables' template was found", install(packages[CheckFirmware])
	}
	return c
}

func checkBubblewrap(ctx context.Context) Check {
	c := Check{Name: CheckBubblewrap, Needed: true}
	path, err := exec.LookPath("bwrap")
	if err != nil {
		c.Detail, c.Remedy = "not found", install(packages[CheckBubblewrap])
		return c
	}
	args := []string{"--unshare-all", "--die-with-parent", "--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib",
		"--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev", "/usr/bin/true"}
	if _, err := run(ctx, path, args...); err != nil {
		c.Detail = "a sandbox cannot be made: " + err.Error()
		c.Remedy = "allow user namespaces: sysctl kernel.unprivileged_userns_clone=1, on Ubuntu 24.04 also " +
			"kernel.apparmor_restrict_unprivileged_userns=0; in a container, run it with the rights to make namespaces"
		return c
	}
	c.OK, c.Detail = true, "a sandbox can be made"
	return c
}

func checkMemory() Check {
	b, err := os.ReadFile("/proc/meminfo")
	mb := memInfo(string(b), "MemAvailable")
	c := Check{Name: CheckMemory, OK: err == nil && mb >= 1024, Detail: fmt.Sprintf("%d MiB are free", mb)}
	if !c.OK {
		c.Remedy = "free at least 1 GiB of memory for guests"
	}
	return c
}

// checkKVM first runs a virtual processor of ours and then, since half a KVM
// can do that, the firmware that guests will start with.
func checkKVM(ctx context.Context, p Paths) Check {
	c := Check{Name: CheckKVM}
	err := kvmWorks(ctx)
	if err == nil && p.QEMU != "" && p.Code != "" {
		err = firmwareRuns(ctx, p, "kvm")
	}
	switch {
	case err == nil:
		c.OK, c.Detail = true, "a virtual processor ran"
	case errors.Is(err, os.ErrNotExist):
		c.Detail = "there is no /dev/kvm"
		c.Remedy = "enable virtualization in the machine's setup (in a cloud: choose an instance with nested virtualization) and load kvm_intel or kvm_amd"
	case errors.Is(err, os.ErrPermission):
		c.Detail = "/dev/kvm may not be opened"
		c.Remedy = "add the user to the group kvm: usermod -aG kvm USER"
	default:
		c.Detail = "KVM is there and does not work: " + err.Error()
		c.Remedy = "this host seems to be a virtual machine without working nested virtualization; machines run in software emulation"
	}
	return c
}

// firmwareRuns boots the firmware without any disk until it looks for one.
func firmwareRuns(ctx context.Context, p Paths, accel string) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-accel", accel,
		"-machine", "q35,smm=off,vmport=off", "-m", "256M", "-drive", "if=pflash,unit=0,format=raw,readonly=on,file="+p.Code,
		"-chardev", "stdio,id=s,signal=off", "-serial", "chardev:s")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	r := bufio.NewScanner(out)
	r.Split(bufio.ScanWords)
	seen := false
	for !seen && r.Scan() {
		seen = strings.Contains(r.Text(), "BdsDxe")
	}
	cancel()
	_ = cmd.Wait() // killed by us
	if !seen {
		first, _, _ := strings.Cut(strings.TrimSpace(errs.String()), "\n")
		return fmt.Errorf("the firmware did not start: %s", first)
	}
	return nil
}
