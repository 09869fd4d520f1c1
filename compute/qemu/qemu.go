// Package qemu is the driver that runs real machines on this host: QEMU with
// UEFI firmware (OVMF), a software TPM (swtpm) and, where it works, KVM. A
// machine is a directory (files.go), a record in it (record.go) and two or three
// processes that outlive us (process.go); nothing is kept in memory that a
// restart could lose. The shape of a machine is decided in args.go alone.
//
// What does not belong here: images and their formats (disk/), what the signs
// of a guest mean (work/), accounts and names of AWS.
package qemu

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"slipway/compute"
	"slipway/fault"
)

const driverName = "qemu"

// Options of a driver. Empty names are looked for where the common
// distributions have them.
type Options struct {
	// Dir holds a directory per machine; absolute, made when missing, without a
	// comma (QEMU and swtpm split their options at commas). Short is better: see
	// files.go for what happens when a socket path would be too long.
	Dir string
	// Accel is "kvm" or "tcg"; empty: KVM if a probe shows that it works.
	Accel   string
	Paths   Paths
	Network Network
}

// Paths are the programs and files of the host.
type Paths struct {
	QEMU string // qemu-system-x86_64, 7.2 or later
	TPM  string // swtpm
	Code string // OVMF code, 4 MiB build without secure boot
	Vars string // the variables' template that belongs to Code
}

// Driver is a compute.Driver. Close it to let go of its sockets; the machines
// run on.
type Driver struct {
	dir     string
	paths   Paths
	missing []string
	accel   func() string // "kvm" or "tcg"
	vdagent func() bool   // QEMU can speak with the guest's vdagent
	total   func() int64  // MiB that machines may have

	network Network
	locks   keyed
	stop    context.CancelFunc // ends the looking after networks
	tending sync.WaitGroup

	mu       sync.Mutex
	porches  map[string]*porch // by nonce
	starting map[string]bool   // by ID: Start of this process is at work
	closed   bool

	step func(name string) // for tests: called after each part of Start
}

var _ compute.Driver = (*Driver)(nil)

// New opens the driver. Missing programs are no error: see Features. Errors:
// BadValue (Dir), Unavailable (Dir cannot be made). Whether KVM works is found
// out meanwhile, which takes milliseconds without and some seconds with it; the
// first Start or Features waits for the answer.
func New(ctx context.Context, o Options) (*Driver, error) {
	if !filepath.IsAbs(o.Dir) || strings.ContainsRune(o.Dir, ',') {
		return nil, fault.New(fault.BadValue, "The directory for machines must be absolute and without a comma.")
	}
	d := &Driver{dir: filepath.Clean(o.Dir), paths: o.Paths.found(),
		network: o.Network,
		porches: map[string]*porch{}, starting: map[string]bool{}, step: func(string) {}}
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The directory for machines cannot be made.")
	}
	d.missing = d.paths.missing()
	d.accel = sync.OnceValue(func() string {
		switch {
		case o.Accel != "":
			return o.Accel
		case checkKVM(ctx, d.paths).OK:
			return "kvm"
		}
		return "tcg"
	})
	d.vdagent = sync.OnceValue(func() bool {
		out, err := run(ctx, d.paths.QEMU, "-chardev", "help")
		return err == nil && strings.Contains(out, "qemu-vdagent")
	})
	d.total = sync.OnceValue(func() int64 {
		b, _ := os.ReadFile("/proc/meminfo")
		return forMachines(memInfo(string(b), "MemTotal"))
	})
	go d.accel()
	go d.vdagent()
	if d.network.Program == "" {
		exe, err := os.Executable()
		if err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "This program's own file cannot be found.")
		}
		d.network.Program = exe
	}
	tend, stop := context.WithCancel(ctx)
	d.stop = stop
	d.tending.Go(func() { d.tendAll(tend) })
	return d, nil
}

// Close lets go of all machines, which run on; nobody is at home for their
// guests then. It may be called again.
func (d *Driver) Close() {
	d.stop()
	d.tending.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for n, p := range d.porches {
		p.close()
		delete(d.porches, n)
	}
}

func (d *Driver) dirs() ([]string, error) {
	es, err := os.ReadDir(d.dir)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The machines cannot be listed.")
	}
	var ids []string
	for _, e := range es {
		if e.IsDir() && compute.CheckID(e.Name()) == nil {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}

func (d *Driver) path(id string) string { return filepath.Join(d.dir, id) }

// Missing lists the programs and files that are absent, without waiting for
// anything.
func (d *Driver) Missing() []string { return d.missing }

// Features implements compute.Driver.
func (d *Driver) Features() compute.Features {
	return compute.Features{Name: driverName, Accel: d.accel(), TPM: d.paths.TPM != "", UEFI: d.paths.Code != "",
		Missing: d.missing, MemoryMB: d.freeMemory(), TotalMB: d.total(), CPUs: runtime.NumCPU()}
}

// freeMemory is what the host has, less what running guests have been promised
// and not yet touched; 0 when unknown.
func (d *Driver) freeMemory() int64 {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	free := memInfo(string(b), "MemAvailable")
	ids, _ := d.dirs()
	for _, id := range ids {
		if r, _, err := d.load(id); err == nil && r.QEMU.alive() {
			free -= max(0, r.Spec.MemoryMB-r.QEMU.rss())
		}
	}
	return max(1, free) // 0 would mean unknown
}

// keyed is a lock per name.
type keyed struct {
	mu sync.Mutex
	m  map[string]*entry
}

type entry struct {
	mu    sync.Mutex
	users int
}

func (k *keyed) lock(name string) (unlock func()) {
	e := k.enter(name)
	e.mu.Lock()
	return func() {
		e.mu.Unlock()
		k.leave(name, e)
	}
}

// tryLock does not wait for whoever has the lock.
func (k *keyed) tryLock(name string) (unlock func(), ok bool) {
	e := k.enter(name)
	if !e.mu.TryLock() {
		k.leave(name, e)
		return nil, false
	}
	return func() {
		e.mu.Unlock()
		k.leave(name, e)
	}, true
}

func (k *keyed) enter(name string) *entry {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.m == nil {
		k.m = map[string]*entry{}
	}
	e := k.m[name]
	if e == nil {
		e = &entry{}
		k.m[name] = e
	}
	e.users++
	return e
}

func (k *keyed) leave(name string, e *entry) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e.users--; e.users == 0 {
		delete(k.m, name)
	}
}
