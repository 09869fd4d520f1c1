package qemu

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"slipway/compute"
	"slipway/compute/qemu/internal/qga"
	"slipway/compute/qemu/internal/qmp"
	"slipway/fault"
)

const (
	askTime    = 10 * time.Second // for one talk with QEMU, on a loaded host
	agentTime  = 3 * time.Second  // for the agent to say whether it is there
	buttonTime = 15 * time.Second // between two pushes of the power button
	endTime    = 3 * time.Second  // for QEMU to end by itself
	killTime   = 30 * time.Second // for the kernel to take a killed process away
	maxEvents  = 16 << 20         // bytes of the event list that are read
)

// Recover implements compute.Driver. Who a machine is, is asked three times:
// the nonce (is it the one of this handle), pid with start time, and the UUID
// that the QEMU behind the socket reports.
func (d *Driver) Recover(ctx context.Context, h compute.Handle) (compute.Status, error) {
	var data handleData
	if h.Driver != driverName || json.Unmarshal(h.Data, &data) != nil || data.Version != recordVersion {
		return compute.Status{}, fault.New(fault.BadValue, "The handle is not one of this driver.")
	}
	if err := compute.CheckID(h.ID); err != nil {
		return compute.Status{}, err
	}
	gone := compute.Status{ID: h.ID, State: compute.Gone}
	r, f, err := d.load(h.ID)
	if fault.Is(err, fault.NotFound) {
		return gone, nil
	}
	if err != nil {
		return compute.Status{}, err
	}
	if r.Nonce != data.Nonce {
		gone.Detail = "the directory belongs to a later machine of this ID"
		return gone, nil
	}
	if r.QEMU.alive() {
		if err := sameUUID(ctx, r, f); err != nil {
			gone.Detail = err.Error()
			return gone, ctx.Err()
		}
		d.tend(h.ID)
	}
	return d.status(ctx, r, f, h.ID), nil
}

// sameUUID is an error only when the QEMU behind the socket is another one; one
// that does not answer just now is taken by its process.
func sameUUID(ctx context.Context, r record, f files) error {
	c, err := qmp.Dial(ctx, f.monitor(), askTime)
	if err != nil {
		return nil
	}
	defer c.Close()
	var v struct {
		UUID string `json:"UUID"`
	}
	if c.Do("query-uuid", nil, &v) == nil && v.UUID != uuid(r.ID) {
		return errors.New("the monitor socket belongs to another machine")
	}
	return nil
}

// Status implements compute.Driver.
func (d *Driver) Status(ctx context.Context, id string) (compute.Status, error) {
	if err := compute.CheckID(id); err != nil {
		return compute.Status{}, err
	}
	r, f, err := d.load(id)
	if fault.Is(err, fault.NotFound) {
		return compute.Status{ID: id, State: compute.Gone}, nil
	}
	if err != nil {
		return compute.Status{}, err
	}
	return d.status(ctx, r, f, id), ctx.Err()
}

func (d *Driver) status(ctx context.Context, r record, f files, id string) compute.Status {
	s := compute.Status{ID: id, PID: r.QEMU.PID, Started: r.Started, MemoryMB: r.Spec.MemoryMB,
		CPUs: r.Spec.CPUs, Labels: r.Spec.Labels}
	d.mu.Lock()
	starting := d.starting[id]
	d.mu.Unlock()
	switch {
	case starting:
		s.State, s.Detail = compute.Running, "being started"
	case !r.Complete:
		s.State, s.Detail = compute.Gone, "left over from a start that was interrupted"
	case r.QEMU.alive():
		// Asked first: the TPM of a machine that ends goes before it, and then
		// QEMU does not answer any more.
		lost := r.Spec.TPM && !r.TPM.alive()
		s.State, s.Detail = d.liveState(ctx, f)
		if lost && s.Detail == answersRunning {
			s.NoTPM, s.Detail = true, "its TPM has ended: "+lastLine(f.tpmLog())
		}
	case poweredOff(f):
		s.State, s.Detail = compute.Off, "the guest powered off"
	default:
		s.State, s.Detail = compute.Gone, strings.TrimSuffix("QEMU ended unexpectedly: "+lastLine(f.qemuLog()), ": ")
	}
	return s
}

func (d *Driver) liveState(ctx context.Context, f files) (compute.State, string) {
	st, err := runState(ctx, f)
	switch {
	case err != nil && poweredOff(f): // it is about to end
		return compute.Off, "the guest powered off"
	case err != nil:
		return compute.Running, "QEMU does not answer: " + err.Error()
	case st == "guest-panicked" || st == "internal-error":
		return compute.Paniced, "QEMU reports " + st
	case st == "shutdown":
		return compute.Off, "the guest powered off"
	}
	return compute.Running, "QEMU reports " + st
}

// answersRunning is liveState's detail of a machine whose QEMU has said so.
const answersRunning = "QEMU reports running"

// poweredOff tells whether the event list says that the guest ended it. It was
// written by QEMU itself, so it holds also for what happened without us.
func poweredOff(f files) bool {
	for _, e := range readEvents(f) {
		if e.Event == "SHUTDOWN" && e.Data.Guest && e.Data.Reason != "guest-panic" {
			return true
		}
	}
	return false
}

type event struct {
	Event string
	Data  struct {
		Guest  bool
		Reason string
	}
}

func readEvents(f files) []event {
	file, err := os.Open(f.events())
	if err != nil {
		return nil
	}
	defer file.Close()
	b, _ := io.ReadAll(io.LimitReader(file, maxEvents))
	var out []event
	for l := range bytes.Lines(b) {
		var e event
		// Only two matter; the rest is not worth decoding.
		if (bytes.Contains(l, []byte(`"RESET"`)) || bytes.Contains(l, []byte(`"SHUTDOWN"`))) && json.Unmarshal(l, &e) == nil {
			out = append(out, e)
		}
	}
	return out
}

// List implements compute.Driver.
func (d *Driver) List(ctx context.Context) ([]compute.Status, error) {
	ids, err := d.dirs()
	if err != nil {
		return nil, err
	}
	var out []compute.Status
	for _, id := range ids {
		if r, f, err := d.load(id); err == nil { // else it went away meanwhile
			out = append(out, d.status(ctx, r, f, id))
		}
	}
	return out, ctx.Err()
}

// Shutdown implements compute.Driver. Beyond the contract: WrongState when the
// guest has crashed and cannot shut down, Unavailable when QEMU dies meanwhile.
func (d *Driver) Shutdown(ctx context.Context, id string) error {
	r, f, err := d.alive(ctx, id)
	if errors.Is(err, errOff) {
		return nil
	}
	if err != nil {
		return err
	}
	if st, _ := d.liveState(ctx, f); st == compute.Paniced {
		return fault.New(fault.WrongState, "The guest of %s has crashed and cannot shut down.", id)
	}
	var pushed time.Time // never: push at once
	if a, err := qga.Dial(ctx, f.agent(), agentTime); err == nil {
		if errors.Join(a.PowerOff(), a.Close()) == nil {
			pushed = time.Now()
		}
	}
	// A system that is still booting, or busy, may miss the button: push again.
	err = wait(ctx, 50*time.Millisecond, func() bool {
		if !r.QEMU.alive() {
			return true
		}
		if time.Since(pushed) > buttonTime {
			pushed = time.Now()
			_ = d.ask(ctx, f, "system_powerdown", nil, nil) // again at the next push
		}
		return false
	})
	if err != nil {
		return err
	}
	if !poweredOff(f) {
		return fault.New(fault.Unavailable, "The machine %s ended, but its guest had not powered off.", id)
	}
	return nil
}

// ask is one command in a session of its own.
func (d *Driver) ask(ctx context.Context, f files, command string, args, out any) error {
	c, err := qmp.Dial(ctx, f.monitor(), askTime)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Do(command, args, out)
}

// Destroy implements compute.Driver.
func (d *Driver) Destroy(ctx context.Context, id string) error {
	if err := compute.CheckID(id); err != nil {
		return err
	}
	defer d.locks.lock(id)()
	return d.clear(ctx, id)
}

// clear ends the processes of a machine and removes its files, in this order
// and the record last, so that it can be repeated wherever it was interrupted.
func (d *Driver) clear(ctx context.Context, id string) error {
	r, f, err := d.load(id)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, killTime)
	defer cancel()
	for _, p := range append([]process{r.QEMU, r.TPM, r.Net}, marked(r.Nonce)...) {
		if err := p.end(ctx, endTime); err != nil {
			return fault.Wrap(fault.Unavailable, err, "A process of the machine %s does not end.", id)
		}
	}
	d.detach(r.Nonce)
	if err := removeMachine(f); err != nil {
		return fault.Wrap(fault.Unavailable, err, "The files of the machine %s cannot be removed.", id)
	}
	return nil
}

func removeMachine(f files) error {
	if f.socks != f.dir {
		if err := os.RemoveAll(f.socks); err != nil {
			return err
		}
	}
	es, err := os.ReadDir(f.dir)
	if err != nil {
		return err
	}
	for _, e := range es {
		if p := filepath.Join(f.dir, e.Name()); p != f.record() {
			if err := os.RemoveAll(p); err != nil {
				return err
			}
		}
	}
	return os.RemoveAll(f.dir)
}
