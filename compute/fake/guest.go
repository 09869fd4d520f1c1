package fake

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"slipway/compute"
	"slipway/fault"
)

// look is how far a machine seems to be.
type look int

const (
	firmware look = iota
	kernel
	network
	up
	broken
)

func (d *Driver) look(m machine) look {
	age, f := d.age(m), m.Spec.Labels[LabelFault]
	switch {
	case f == "boot" || age < 1.0/3 || f == "held" && !d.released():
		return firmware
	case f == "panic" && age >= 1:
		return broken
	case age < 2.0/3:
		return kernel
	case age < 1:
		return network
	}
	return up
}

// released tells whether held machines may go on.
func (d *Driver) released() bool {
	_, err := os.Lstat(filepath.Join(d.o.Dir, "go-on"))
	return err == nil
}

// Observe implements compute.Driver.
func (d *Driver) Observe(ctx context.Context, id string) (compute.Signs, error) {
	m, err := d.peek(id)
	if err != nil {
		return compute.Signs{}, err
	}
	s := compute.Signs{State: d.state(m)}
	if s.State == compute.Gone {
		return s, fault.New(fault.NotFound, "There is no machine %s.", id)
	}
	l := d.look(m)
	s.HandedOver = l >= kernel && s.State != compute.Off
	if l >= network {
		s.Frames = 3 // the beginning of DHCP
		if past := d.o.Clock().Sub(m.Started).Seconds(); past > 0 {
			s.Frames += int64(past)
		}
	}
	return s, ctx.Err()
}

// Agent implements compute.Driver.
func (d *Driver) Agent(ctx context.Context, id string) (compute.GuestInfo, error) {
	m, err := d.running(ctx, id)
	if err != nil {
		return compute.GuestInfo{}, err
	}
	if d.look(m) != up || m.Spec.Labels[LabelFault] == "agent" {
		return compute.GuestInfo{}, fault.New(fault.NotAvailable, "The guest agent of %s does not answer.", id)
	}
	if m.Spec.Labels[LabelOS] == "windows" {
		return compute.GuestInfo{OSID: "mswindows", Name: "Microsoft Windows", Version: "2022", Kernel: "20348"}, nil
	}
	return compute.GuestInfo{OSID: "debian", Name: "Debian GNU/Linux", Version: "12", Kernel: "6.1.0-fake"}, nil
}

// Channel implements compute.Driver. What is said before the machine is up waits.
func (d *Driver) Channel(ctx context.Context, id string) (net.Conn, error) {
	m, err := d.running(ctx, id)
	if err != nil {
		return nil, err
	}
	ours, theirs := net.Pipe()
	if d.o.Guest == nil || m.Spec.Labels[LabelFault] == "agent" {
		go func() { // ends when the caller closes its end
			_, _ = io.Copy(io.Discard, ours)
			_ = ours.Close()
		}()
		return theirs, nil
	}
	go func() {
		defer ours.Close()
		if d.comesUp(id) {
			d.o.Guest(id, ours)
		}
	}()
	return theirs, nil
}

// comesUp waits until a machine is up; false when it ends before.
func (d *Driver) comesUp(id string) bool {
	t := time.NewTicker(10 * time.Millisecond)
	defer t.Stop()
	for ; ; <-t.C {
		m, err := d.running(context.Background(), id)
		if err != nil {
			return false
		}
		if d.look(m) == up {
			return true
		}
	}
}

// SerialLog implements compute.Driver.
func (d *Driver) SerialLog(ctx context.Context, id string, max int64) ([]byte, error) {
	m, err := d.peek(id)
	if err != nil {
		return nil, err
	}
	if d.state(m) == compute.Gone {
		return nil, fault.New(fault.NotFound, "There is no machine %s.", id)
	}
	text := fmt.Sprintf("fake firmware: machine %s, %d MiB\r\n", id, m.Spec.MemoryMB)
	switch l := d.look(m); {
	case l == broken:
		text += "fake kernel: loaded\r\nfake kernel: panic\r\n"
	case l == up:
		text += "fake kernel: loaded\r\nfake guest: network up\r\nfake guest is up\r\n"
	case l == network:
		text += "fake kernel: loaded\r\nfake guest: network up\r\n"
	case l == kernel:
		text += "fake kernel: loaded\r\n"
	}
	if max < 0 {
		max = 0
	}
	if int64(len(text)) > max {
		text = text[int64(len(text))-max:]
	}
	return []byte(text), ctx.Err()
}
