// Package fake is a compute driver that runs nothing: machines are small files
// in a directory and "boot" as time passes. It is for tests and for people who
// ask for it by name; it is never chosen silently. It passes the same suite as
// the real drivers (compute/computetest), so a machine survives the death of
// the process here too. Nothing that only a test of one caller needs belongs
// here: faults are asked for with labels.
package fake

import (
	"context"
	"encoding/json"
	"errors"
	"image"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"slipway/compute"
	"slipway/fault"
)

// Options of a driver.
type Options struct {
	// Dir holds one file per machine; made when missing. Two drivers on one Dir
	// see the same machines.
	Dir string
	// BootTime is how long a machine takes from Start until its agent answers;
	// 0 is at once. The signs come in order: handed over after a third, frames
	// after two thirds.
	BootTime time.Duration
	// Clock tells the time; time.Now when nil.
	Clock func() time.Time
	// Guest is what runs at the other end of the channel once a machine is up, on
	// a goroutine of its own; it returns when c ends. nil: nothing answers.
	Guest func(id string, c net.Conn)
	// MemoryMB is what Features reports as free; Start refuses more than that
	// in all running machines together. 0: no limit, reported as unknown.
	MemoryMB int64
}

// Labels of a Spec that this driver obeys; all others are only kept.
const (
	// LabelFault is "boot" (the firmware never hands over), "agent" (all but
	// the agent comes up), "held" (as "boot" until a file called "go-on" lies in
	// Options.Dir), "panic" (stops when it would have been up) or "off" (powers
	// off when it would have been up).
	LabelFault = "fault"
	// LabelOS is "windows" for a guest whose agent says mswindows; else Debian.
	LabelOS = "os"
)

// Driver is a compute.Driver.
type Driver struct {
	o     Options
	mu    sync.Mutex       // one change of a file at a time in this process
	desks map[string]*desk // what people did at the screens
	known known
}

var _ compute.Driver = (*Driver)(nil)

// New opens the driver; the only error is a directory that cannot be made.
func New(o Options) (*Driver, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The directory of the fake machines cannot be made.")
	}
	return &Driver{o: o, desks: map[string]*desk{}, known: known{by: map[string]seen{}, labels: map[string]map[string]string{}}}, nil
}

// machine is what is kept of one machine.
type machine struct {
	Spec     compute.Spec
	Complete bool // false: Start died half way
	Started  time.Time
	BootTime time.Duration
	Off      bool
}

const suffix = ".json"

func (d *Driver) path(id string) string { return filepath.Join(d.o.Dir, id+suffix) }

func (d *Driver) load(id string) (machine, error) {
	var m machine
	if err := compute.CheckID(id); err != nil {
		return m, err
	}
	b, err := os.ReadFile(d.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return m, fault.Wrap(fault.NotFound, err, "There is no machine %s.", id)
	}
	if err != nil {
		return m, fault.Wrap(fault.Internal, err, "The machine %s cannot be read.", id)
	}
	if json.Unmarshal(b, &m) != nil {
		m = machine{} // torn by a crash: a leftover
	}
	return m, nil
}

// save replaces the file in one step, so that a reader never sees half of it.
func (d *Driver) save(id string, m machine) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fault.Wrap(fault.Internal, err, "The machine %s cannot be kept.", id)
	}
	tmp := d.path(id) + ".new"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return fault.Wrap(fault.Unavailable, err, "The machine %s cannot be kept.", id)
	}
	if st, err := os.Lstat(tmp); err == nil { // the same file under its other name
		d.known.keep(id, fileOf(st), &m)
	}
	if err := os.Rename(tmp, d.path(id)); err != nil {
		return fault.Wrap(fault.Unavailable, errors.Join(err, os.Remove(tmp)), "The machine %s cannot be kept.", id)
	}
	return nil
}

// Features implements compute.Driver.
func (d *Driver) Features() compute.Features {
	f := compute.Features{Name: "fake", Accel: "none", TPM: true, UEFI: true, CPUs: 64}
	if d.o.MemoryMB > 0 {
		f.MemoryMB, f.TotalMB = max(0, d.o.MemoryMB-d.used()), d.o.MemoryMB
	}
	return f
}

func (d *Driver) used() int64 {
	all, _ := d.List(context.Background())
	var sum int64
	for _, s := range all {
		if s.State == compute.Running {
			sum += s.MemoryMB
		}
	}
	return sum
}

// Start implements compute.Driver.
func (d *Driver) Start(ctx context.Context, spec compute.Spec) (compute.Handle, error) {
	spec, err := spec.Checked()
	if err != nil {
		return compute.Handle{}, err
	}
	if err := ctx.Err(); err != nil {
		return compute.Handle{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	h := compute.Handle{Driver: "fake", ID: spec.ID, Data: []byte(`{"version":1}`)}
	if m, err := d.peek(spec.ID); err == nil && d.state(m) == compute.Running {
		return h, nil
	}
	files := []string{spec.CD}
	for _, f := range spec.Disk.Chain {
		files = append(files, f.Path)
	}
	for _, p := range files {
		if st, err := os.Stat(p); p != "" && (err != nil || !st.Mode().IsRegular()) {
			return compute.Handle{}, fault.Wrap(fault.BadValue, err, "A file of the disk is missing.")
		}
	}
	if err := remember(spec.StateDir); err != nil {
		return compute.Handle{}, err
	}
	if d.o.MemoryMB > 0 && spec.MemoryMB > d.o.MemoryMB-d.used() {
		return compute.Handle{}, fault.New(fault.Unavailable, "There is not enough free memory for a machine of %d MiB.", spec.MemoryMB)
	}
	if err := d.save(spec.ID, machine{Spec: spec, Complete: true, Started: d.o.Clock(), BootTime: d.o.BootTime}); err != nil {
		return compute.Handle{}, err
	}
	return h, nil
}

// remember keeps what the board of a fake machine remembers: how often it was
// started.
func remember(dir string) error {
	if dir == "" {
		return nil
	}
	if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		return fault.Wrap(fault.BadValue, err, "The directory for the machine's state is missing.")
	}
	f, err := os.OpenFile(filepath.Join(dir, "starts"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString("started\n")
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "The state of the fake machine cannot be kept.")
	}
	return nil
}

// age is the part of its boot time that the machine has behind it: 1 is up.
func (d *Driver) age(m machine) float64 {
	if m.BootTime <= 0 {
		return 1
	}
	return float64(d.o.Clock().Sub(m.Started)) / float64(m.BootTime)
}

func (d *Driver) state(m machine) compute.State {
	switch {
	case !m.Complete:
		return compute.Gone
	case m.Off:
		return compute.Off
	case m.Spec.Labels[LabelFault] == "off" && d.age(m) >= 1:
		return compute.Off
	case m.Spec.Labels[LabelFault] == "panic" && d.age(m) >= 1:
		return compute.Paniced
	}
	return compute.Running
}

func (d *Driver) status(id string, m machine) compute.Status {
	s := compute.Status{ID: id, State: d.state(m), Started: m.Started,
		MemoryMB: m.Spec.MemoryMB, CPUs: m.Spec.CPUs, Labels: m.Spec.Labels, Detail: "a fake machine"}
	if s.State == compute.Gone {
		s.Detail = "left over from a start that was interrupted"
	}
	return s
}

// Recover implements compute.Driver.
func (d *Driver) Recover(ctx context.Context, h compute.Handle) (compute.Status, error) {
	if h.Driver != "fake" {
		return compute.Status{}, fault.New(fault.BadValue, "The handle belongs to the driver %q.", h.Driver)
	}
	return d.Status(ctx, h.ID)
}

// Status implements compute.Driver.
func (d *Driver) Status(ctx context.Context, id string) (compute.Status, error) {
	m, err := d.peek(id)
	if fault.Is(err, fault.NotFound) {
		return compute.Status{ID: id, State: compute.Gone}, nil
	}
	if err != nil {
		return compute.Status{}, err
	}
	return d.status(id, m), ctx.Err()
}

// List implements compute.Driver.
func (d *Driver) List(ctx context.Context) ([]compute.Status, error) {
	es, err := os.ReadDir(d.o.Dir)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The fake machines cannot be listed.")
	}
	var out []compute.Status
	for _, e := range es {
		id, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok || compute.CheckID(id) != nil {
			continue
		}
		if m, err := d.peek(id); err == nil { // else it went away meanwhile
			out = append(out, d.status(id, m))
		}
	}
	return out, ctx.Err()
}

// Shutdown implements compute.Driver.
func (d *Driver) Shutdown(ctx context.Context, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	m, err := d.load(id)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	switch d.state(m) {
	case compute.Gone:
		return fault.New(fault.NotFound, "There is no machine %s.", id)
	case compute.Off:
		return nil
	case compute.Paniced:
		return fault.New(fault.WrongState, "The guest of %s has crashed and cannot shut down.", id)
	}
	m.Off = true
	return d.save(id, m)
}

// Destroy implements compute.Driver.
func (d *Driver) Destroy(_ context.Context, id string) error {
	if err := compute.CheckID(id); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.desks, id)
	d.known.forget(id)
	for _, p := range []string{d.path(id) + ".new", d.path(id)} {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fault.Wrap(fault.Unavailable, err, "The machine %s cannot be removed.", id)
		}
	}
	return nil
}

// running loads a machine that must run: NotFound, or NotAvailable when it
// does not run.
func (d *Driver) running(ctx context.Context, id string) (machine, error) {
	m, err := d.peek(id)
	if err != nil {
		return m, err
	}
	switch d.state(m) {
	case compute.Gone:
		return m, fault.New(fault.NotFound, "There is no machine %s.", id)
	case compute.Off:
		return m, fault.New(fault.NotAvailable, "The machine %s is off.", id)
	}
	return m, ctx.Err()
}

// Screenshot implements compute.Driver.
func (d *Driver) Screenshot(ctx context.Context, id string) ([]byte, error) {
	m, err := d.running(ctx, id)
	if err != nil {
		return nil, err
	}
	return encodePNG(d.desk(id).on(draw(id, d.look(m))))
}

// Display implements compute.Driver.
func (d *Driver) Display(ctx context.Context, id string) (net.Conn, error) {
	m, err := d.running(ctx, id)
	if err != nil {
		return nil, err
	}
	ours, theirs := net.Pipe()
	k := d.desk(id)
	go serveRFB(ours, k, func() *image.RGBA { return k.on(draw(id, d.look(m))) }, id) // ends when the caller closes its end
	return theirs, nil
}
