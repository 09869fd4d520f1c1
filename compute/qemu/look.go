package qemu

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"

	"slipway/compute"
	"slipway/compute/guestnet"
	"slipway/compute/qemu/internal/qga"
	"slipway/fault"
)

const maxShot = 64 << 20 // bytes of a screenshot

var errOff = errors.New("powered off")

// alive loads a machine that must run: NotFound when there is none,
// NotAvailable (around errOff) when its guest has powered off.
func (d *Driver) alive(ctx context.Context, id string) (record, files, error) {
	if err := compute.CheckID(id); err != nil {
		return record{}, files{}, err
	}
	r, f, err := d.load(id)
	if err != nil {
		return r, f, err
	}
	if !r.Complete || !r.QEMU.alive() {
		if d.status(ctx, r, f, id).State == compute.Off {
			return r, f, fault.Wrap(fault.NotAvailable, errOff, "The machine %s is off.", id)
		}
		return r, f, fault.New(fault.NotFound, "There is no machine %s.", id)
	}
	return r, f, ctx.Err()
}

// Screenshot implements compute.Driver. Unavailable when QEMU does not answer.
func (d *Driver) Screenshot(ctx context.Context, id string) ([]byte, error) {
	_, f, err := d.alive(ctx, id)
	if err != nil {
		return nil, err
	}
	shot := f.shot()
	defer os.Remove(shot)
	if err := d.ask(ctx, f, "screendump", map[string]string{"filename": shot, "format": "png"}, nil); err != nil {
		return nil, d.told(ctx, err, "The screen of %s cannot be read.", id)
	}
	file, err := os.Open(shot)
	if err != nil {
		return nil, d.told(ctx, err, "The screen of %s cannot be read.", id)
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, maxShot+1))
	if err == nil && len(b) > maxShot {
		err = errors.New("the picture is too large")
	}
	if err != nil {
		return nil, d.told(ctx, err, "The screen of %s cannot be read.", id)
	}
	return b, nil
}

// told gives the end of the context its own name, as callers look for it.
func (d *Driver) told(ctx context.Context, err error, format string, args ...any) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fault.Wrap(fault.Unavailable, err, format, args...)
}

// Display implements compute.Driver.
func (d *Driver) Display(ctx context.Context, id string) (net.Conn, error) {
	return d.dial(ctx, id, "display", files.display)
}

// Channel implements compute.Driver.
func (d *Driver) Channel(ctx context.Context, id string) (net.Conn, error) {
	return d.dial(ctx, id, "channel", files.channel)
}

// dial connects to a socket of a machine that runs.
func (d *Driver) dial(ctx context.Context, id, what string, path func(files) string) (net.Conn, error) {
	_, f, err := d.alive(ctx, id)
	if err != nil {
		return nil, err
	}
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "unix", path(f))
	if err != nil {
		return nil, d.told(ctx, err, "The %s of %s cannot be opened.", what, id)
	}
	return c, nil
}

// Observe implements compute.Driver. It also turns the serial log over when it
// has grown; a guest that is never observed can fill its log.
func (d *Driver) Observe(ctx context.Context, id string) (compute.Signs, error) {
	if err := compute.CheckID(id); err != nil {
		return compute.Signs{}, err
	}
	r, f, err := d.load(id)
	if err != nil {
		return compute.Signs{}, err
	}
	s := compute.Signs{State: d.status(ctx, r, f, id).State}
	switch s.State {
	case compute.Gone:
		return s, fault.New(fault.NotFound, "There is no machine %s.", id)
	case compute.Running, compute.Paniced:
		var text string
		err := d.ask(ctx, f, "human-monitor-command", map[string]string{"command-line": "info registers"}, &text)
		if err != nil && r.QEMU.alive() {
			return s, d.told(ctx, err, "The processor of %s cannot be read.", id)
		}
		s.HandedOver = kernelTables(text)
		turnSerial(f)
	}
	s.Frames = guestnet.Frames(f.frames())
	for _, e := range readEvents(f) {
		if e.Event == "RESET" {
			s.Resets++
		}
	}
	return s, ctx.Err()
}

// kernelTables finds the base of the interrupt table in QEMU's print of the
// registers ("IDT=     fffffe0000000000 00000fff") and tells whether it lies in
// the upper half. Firmware and boot loaders run where memory is mapped one to
// one, below the hole; 64-bit kernels keep the upper half for themselves.
func kernelTables(registers string) bool {
	for l := range strings.Lines(registers) {
		if rest, ok := strings.CutPrefix(l, "IDT="); ok {
			f := strings.Fields(rest)
			return len(f) > 0 && len(f[0]) == 16 && strings.HasPrefix(f[0], "ff")
		}
	}
	return false
}

// Agent implements compute.Driver.
func (d *Driver) Agent(ctx context.Context, id string) (compute.GuestInfo, error) {
	_, f, err := d.alive(ctx, id)
	if err != nil {
		return compute.GuestInfo{}, err
	}
	var i qga.Info
	c, err := qga.Dial(ctx, f.agent(), agentTime)
	if err == nil {
		i, err = c.OSInfo()
		err = errors.Join(err, c.Close())
	}
	if err != nil {
		return compute.GuestInfo{}, fault.Wrap(fault.NotAvailable, err, "The guest agent of %s does not answer.", id)
	}
	g := compute.GuestInfo{OSID: i.ID, Name: i.Name, Version: i.VersionID, Kernel: i.KernelRelease}
	if g.Version == "" {
		g.Version = i.Version
	}
	return g, nil
}

// SerialLog implements compute.Driver.
func (d *Driver) SerialLog(ctx context.Context, id string, max int64) ([]byte, error) {
	if err := compute.CheckID(id); err != nil {
		return nil, err
	}
	_, f, err := d.load(id)
	if err != nil {
		return nil, err
	}
	turnSerial(f)
	if max < 0 {
		max = 0
	}
	b, err := tail(f.serial(), max)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fault.Wrap(fault.Unavailable, err, "The serial log of %s cannot be read.", id)
	}
	if missing := max - int64(len(b)); missing > 0 {
		if old, err := tail(f.serialOld(), missing); err == nil {
			b = append(old, b...)
		}
	}
	return b, ctx.Err()
}

// turnSerial keeps the newest part of a log that has grown too long and empties
// the file, which QEMU goes on appending to. What the guest says in between is
// lost; so is the log's bound while nobody calls this.
func turnSerial(f files) {
	st, err := os.Stat(f.serial())
	if err != nil || st.Size() < serialKeep {
		return
	}
	b, err := tail(f.serial(), serialKeep)
	if err != nil || os.WriteFile(f.serialOld(), b, 0o600) != nil {
		return
	}
	_ = os.Truncate(f.serial(), 0)
}
