package qemu

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"slipway/compute"
	"slipway/compute/guestnet"
)

// standIn is a machine whose QEMU is a process that does nothing, so that its
// network can be looked at without a guest.
func standIn(t *testing.T, d *Driver, id string) (record, files) {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	p, err := identify(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	r := record{Version: recordVersion, ID: id, Nonce: token(16), Complete: true, QEMU: p, Sockets: d.path(id),
		Spec: compute.Spec{ID: id, Network: compute.Network{Address: netip.MustParsePrefix("10.20.30.40/24"), Metadata: true}}}
	f := r.files(d.path(id))
	if err := os.Mkdir(f.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := d.save(r); err != nil {
		t.Fatal(err)
	}
	return r, f
}

// listening waits for a network process of the machine that is not the given
// one and takes frames.
func listening(t *testing.T, d *Driver, id string, but process) process {
	t.Helper()
	var r record
	err := wait(t.Context(), 10*time.Millisecond, func() bool {
		var err error
		r, _, err = d.load(id)
		return err == nil && r.Net != but && r.Net.alive()
	})
	if err == nil {
		err = netListens(t.Context(), r, r.files(d.path(id)))
	}
	if err != nil {
		t.Fatal(err)
	}
	return r.Net
}

// TestNetworkIsTended: the network process of a machine is there without being
// asked for, comes back when it is killed, with its server or without, counts
// on, and goes with the machine.
func TestNetworkIsTended(t *testing.T) {
	dir := shortDir(t)
	visits := make(chan string, 8)
	o := Options{Dir: dir, Accel: "tcg", Network: Network{Visitor: func(id string, to compute.Place, c net.Conn) {
		visits <- id + " " + string(to) + " " + c.RemoteAddr().String()
		c.Close()
	}}}
	d, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	_, f := standIn(t, d, "m-net")
	first := listening(t, d, "m-net", process{})
	send := func(want int64) {
		t.Helper()
		c, err := net.Dial("unixgram", f.net())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write(make([]byte, 60)); err != nil {
			t.Fatal(err)
		}
		if err := wait(t.Context(), time.Millisecond, func() bool { return guestnet.Frames(f.frames()) == want }); err != nil {
			t.Fatalf("%d frames: %v", guestnet.Frames(f.frames()), err)
		}
	}
	send(1)
	send(2)
	first.signal(syscall.SIGKILL)
	second := listening(t, d, "m-net", first)
	send(3)

	// Both are killed, as far as the machine can tell.
	d.Close()
	second.signal(syscall.SIGKILL)
	if err := second.gone(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d, err = New(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	third := listening(t, d, "m-net", second)
	send(4)

	host, err := net.Dial("unix", f.host())
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	if _, err := host.Write([]byte("metadata 10.20.30.40:7\n")); err != nil {
		t.Fatal(err)
	}
	if got := <-visits; got != "m-net metadata 10.20.30.40:7" {
		t.Errorf("a visit: %q", got)
	}
	if err := d.Destroy(t.Context(), "m-net"); err != nil {
		t.Fatal(err)
	}
	if third.alive() {
		t.Error("the network outlives its machine")
	}
	if left := leftovers(dir); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
