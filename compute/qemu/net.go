package qemu

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"slipway/compute"
	"slipway/compute/guestnet"
	"slipway/fault"
)

const (
	netTime   = 20 * time.Second // until the network process listens, on a loaded host
	greetTime = 5 * time.Second  // for it to say where the guest wants to go
	tendTime  = time.Second      // between two looks at the networks
)

// Network is what an operator decided for all guests, and who they may visit.
type Network struct {
	// Program with guestnet.Arg is the process of a guest's network; empty: this
	// program.
	Program     string
	Visitor     compute.Visitor // nil: nobody is at home
	Names       []string        // of the service, beside slipway.internal
	Ports       []uint16        // of the service, beside 80 and 443
	Allow, Deny []netip.Prefix
	Resolvers   []netip.AddrPort
}

// netConfig is what the network process of a machine is told.
func (d *Driver) netConfig(r record, f files) guestnet.Config {
	n, s := d.network, r.Spec.Network
	return guestnet.Config{
		Link: f.net(), Peer: f.netPeer(), Count: f.frames(), Host: f.host(), MAC: cmp.Or(s.MAC, mac(r.ID)), Address: s.Address, Hostname: s.Hostname,
		Internet: s.Internet, Metadata: s.Metadata, Service: s.Service, Names: n.Names, Ports: n.Ports,
		Allow: n.Allow, Deny: n.Deny, Resolvers: n.Resolvers,
	}
}

// startNet starts the network process of a machine in the place of one that is
// gone, and writes down which it is. It listens soon after: see netListens.
func (d *Driver) startNet(r *record, f files) error {
	b, err := json.MarshalIndent(d.netConfig(*r, f), "", "  ")
	if err == nil {
		err = os.WriteFile(f.netConfig(), b, 0o600)
	}
	if err == nil {
		err = os.Remove(f.net()) // what its socket looks like when it is there
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.Wrap(fault.Unavailable, err, "The network of the machine cannot be made.")
	}
	// Only what the last one said: there may be many of them in the end.
	log, err := os.OpenFile(f.netLog(), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "The log of the network cannot be made.")
	}
	defer log.Close()
	if _, err := launch(r.Nonce, d.network.Program, []string{guestnet.Arg, f.netConfig()}, nil, log, log, &r.Net); err != nil {
		return fault.Wrap(fault.Unavailable, err, "The network of the machine cannot be started.")
	}
	return d.save(*r)
}

// netListens waits until the network process takes frames.
func netListens(ctx context.Context, r record, f files) error {
	ctx, cancel := context.WithTimeout(ctx, netTime)
	defer cancel()
	err := wait(ctx, 10*time.Millisecond, func() bool {
		_, err := os.Lstat(f.net())
		return err == nil || !r.Net.alive()
	})
	if err == nil && !r.Net.alive() {
		err = errors.New("it ended")
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, fmt.Errorf("%w: %s", err, lastLine(f.netLog())), "The network of the machine did not come up.")
	}
	return nil
}

// porch is where a machine's network process brings its visitors.
type porch struct {
	ln net.Listener
	wg sync.WaitGroup
}

func openPorch(id, socket string, visit compute.Visitor) (*porch, error) {
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the old socket: %w", err)
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("the socket for the guest: %w", err)
	}
	// Whoever bound the name meanwhile keeps it; Destroy removes it with the rest.
	ln.SetUnlinkOnClose(false)
	p := &porch{ln: ln}
	p.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				p.wg.Go(func() { greet(id, c, visit) })
			}
		}
	})
	return p, nil
}

func greet(id string, c net.Conn, visit compute.Visitor) {
	if c.SetReadDeadline(time.Now().Add(greetTime)) != nil {
		_ = c.Close()
		return
	}
	place, from, err := guestnet.ReadGreeting(c)
	if err != nil || c.SetReadDeadline(time.Time{}) != nil {
		_ = c.Close()
		return
	}
	visit(id, compute.Place(place), visitor{c, net.TCPAddrFromAddrPort(from)})
}

// visitor is a connection that says who really is at the other end.
type visitor struct {
	net.Conn
	from net.Addr
}

func (v visitor) RemoteAddr() net.Addr { return v.from }

func (p *porch) close() {
	_ = p.ln.Close()
	p.wg.Wait()
}

// attach makes sure that we are at home for the guest of a machine.
func (d *Driver) attach(r record, f files) error {
	if d.network.Visitor == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.porches[r.Nonce] != nil {
		return nil
	}
	p, err := openPorch(r.ID, f.host(), d.network.Visitor)
	if err != nil {
		return err
	}
	d.porches[r.Nonce] = p
	return nil
}

func (d *Driver) detach(nonce string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p := d.porches[nonce]; p != nil {
		p.close()
		delete(d.porches, nonce)
	}
}

// tendAll looks after the networks of all machines now and then until ctx ends:
// a process that has ended is started anew, and the guest's link goes on, since
// it is a name in a directory.
func (d *Driver) tendAll(ctx context.Context) {
	t := time.NewTicker(tendTime)
	defer t.Stop()
	for {
		ids, _ := d.dirs() // the next look may see them
		for _, id := range ids {
			d.tend(id)
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

// tend does so for one machine, unless somebody starts or destroys it just now.
// What fails is tried again at the next look.
func (d *Driver) tend(id string) {
	unlock, ok := d.locks.tryLock(id)
	if !ok {
		return
	}
	defer unlock()
	r, f, err := d.load(id)
	if err != nil || !r.Complete || !r.QEMU.alive() {
		return
	}
	if d.attach(r, f) == nil && !r.Net.alive() {
		_ = d.startNet(&r, f)
	}
}
