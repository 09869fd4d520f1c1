// Package computetest is the one suite that every compute.Driver passes. It
// knows drivers only through the contract and a Harness. Tests of what a single
// driver does beyond it live beside that driver.
package computetest

import (
	"bytes"
	"context"
	"errors"
	"image/png"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"slipway/compute"
	"slipway/compute/rfb"
	"slipway/fault"
)

// Harness is a driver under test.
type Harness struct {
	// New opens a driver as a new process would after the old one died. All
	// drivers of a harness share their machines.
	New func() compute.Driver
	// Spec is a machine whose guest comes up, has an agent, our tool and a
	// network; its disk is fresh and its own.
	Spec func(id string) compute.Spec
	// Boot bounds how long the guest may take until its agent answers.
	Boot time.Duration
	// Talk has a word with the tool in a guest through its channel, and is an
	// error when it does not answer before ctx ends.
	Talk func(ctx context.Context, c net.Conn) error
	// HalfStart leaves for this ID what a Start leaves that was killed on its
	// way; called several times, it may die at different places.
	HalfStart func(id string)
	// Leftovers names every process, socket and file that exists for machines.
	Leftovers func() []string
}

// Run runs the suite; open is called once.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	s := suite{Harness: open(t)}
	s.d = s.New()
	for _, part := range []struct {
		name string
		f    func(*testing.T)
	}{
		{"Features", s.features},
		{"Nothing", s.nothing},
		{"BadSpec", s.badSpec},
		{"HalfStart", s.halfStart},
		{"StartTwice", s.startTwice},
		{"ComesUp", s.comesUp},
		{"Display", s.display},
		{"Channel", s.channel},
		{"Serial", s.serial},
		{"Recover", s.recover},
		{"Shutdown", s.shutdown},
		{"StartAfterOff", s.startAfterOff},
		{"Destroy", s.destroy},
		{"StateKept", s.stateKept},
	} {
		// Each part goes on from where the one before has brought the machine.
		if !t.Run(part.name, part.f) {
			break
		}
	}
	for _, st := range must(s.d.List(context.Background())) {
		if err := s.d.Destroy(context.Background(), st.ID); err != nil {
			t.Errorf("clean up %s: %v", st.ID, err)
		}
	}
	if left := s.Leftovers(); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

type suite struct {
	Harness
	d      compute.Driver
	handle compute.Handle
}

const id = "m-suite-1"

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (s *suite) features(t *testing.T) {
	f := s.d.Features()
	if f.Name == "" || !slices.Contains([]string{"kvm", "tcg", "none"}, f.Accel) || f.CPUs < 1 || !f.UEFI {
		t.Errorf("%+v", f)
	}
	if len(f.Missing) > 0 {
		t.Fatalf("this host lacks %v: the suite cannot say anything", f.Missing)
	}
}

func (s *suite) state(t *testing.T, d compute.Driver, id string) compute.Status {
	t.Helper()
	st, err := d.Status(t.Context(), id)
	if err != nil || st.ID != id {
		t.Fatalf("status of %s: %+v, %v", id, st, err)
	}
	return st
}

func (s *suite) nothing(t *testing.T) {
	const no = "m-not-there"
	if st := s.state(t, s.d, no); st.State != compute.Gone {
		t.Errorf("status of nothing: %+v", st)
	}
	if l := must(s.d.List(t.Context())); len(l) != 0 {
		t.Errorf("list at first: %+v", l)
	}
	for range 2 {
		if err := s.d.Destroy(t.Context(), no); err != nil {
			t.Errorf("destroy nothing: %v", err)
		}
	}
	for name, call := range s.calls(t.Context(), no) {
		if err := call(); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s of nothing: %v", name, err)
		}
	}
	for name, call := range s.calls(t.Context(), "../m") {
		if err := call(); !fault.Is(err, fault.BadValue) {
			t.Errorf("%s of an impossible ID: %v", name, err)
		}
	}
}

// calls are the methods that need a machine.
func (s *suite) calls(ctx context.Context, id string) map[string]func() error {
	return map[string]func() error{
		"Shutdown":   func() error { return s.d.Shutdown(ctx, id) },
		"Screenshot": func() error { _, err := s.d.Screenshot(ctx, id); return err },
		"Display":    func() error { _, err := s.d.Display(ctx, id); return err },
		"Channel":    func() error { return s.talk(ctx, s.d, id) },
		"Observe":    func() error { _, err := s.d.Observe(ctx, id); return err },
		"Agent":      func() error { _, err := s.d.Agent(ctx, id); return err },
		"SerialLog":  func() error { _, err := s.d.SerialLog(ctx, id, 10); return err },
	}
}

func (s *suite) badSpec(t *testing.T) {
	for name, spoil := range map[string]func(*compute.Spec){
		"id":       func(x *compute.Spec) { x.ID = "a/../b" },
		"no disk":  func(x *compute.Spec) { x.Disk.Chain = nil },
		"format":   func(x *compute.Spec) { x.Disk.Chain[0].Format = "vmdk" },
		"relative": func(x *compute.Spec) { x.Disk.Chain[0].Path = "disk.raw" },
		"missing":  func(x *compute.Spec) { x.Disk.Chain[0].Path += ".not-there" },
		"bus":      func(x *compute.Spec) { x.Bus = "floppy" },
		"card":     func(x *compute.Spec) { x.NIC = "ne2000" },
		"cpus":     func(x *compute.Spec) { x.CPUs = 0 },
		"memory":   func(x *compute.Spec) { x.MemoryMB = 1 },
		"state":    func(x *compute.Spec) { x.StateDir = "/not-there" },
		"network":  func(x *compute.Spec) { x.Network.Address = netip.MustParsePrefix("10.0.0.2/24") },
		"IPv6":     func(x *compute.Spec) { x.Network.Address = netip.MustParsePrefix("fd00::9/64") },
		"hostname": func(x *compute.Spec) { x.Network.Hostname = "a.b" },
		"cd":       func(x *compute.Spec) { x.CD = "/not-there.iso" },
		"comma":    func(x *compute.Spec) { x.StateDir = "/tmp,x" },
	} {
		spec := s.Spec("m-bad")
		spec.Disk.Chain = slices.Clone(spec.Disk.Chain)
		spoil(&spec)
		if _, err := s.d.Start(t.Context(), spec); !fault.Is(err, fault.BadValue) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.d.Start(ctx, s.Spec("m-bad")); err == nil {
		t.Error("a cancelled start succeeds")
	}
	if left := s.Leftovers(); len(left) > 0 {
		t.Errorf("failed starts left %q", left)
	}
}

func (s *suite) halfStart(t *testing.T) {
	const half = "m-half"
	for range 3 {
		s.HalfStart(half)
		if len(s.Leftovers()) == 0 {
			t.Fatal("the harness left no half start")
		}
		l := must(s.d.List(t.Context()))
		if len(l) != 1 || l[0].ID != half || l[0].State != compute.Gone {
			t.Fatalf("list with a half start: %+v", l)
		}
		if err := s.New().Destroy(t.Context(), half); err != nil {
			t.Fatal(err)
		}
		if left := s.Leftovers(); len(left) > 0 {
			t.Fatalf("destroying a half start leaves %q", left)
		}
	}
	// Not destroyed: the next part starts over it.
	s.HalfStart(id)
}

func (s *suite) startTwice(t *testing.T) {
	spec := s.Spec(id)
	spec.Labels = map[string]string{"owner": "suite"}
	spec.Network = compute.Network{Address: netip.MustParsePrefix("10.0.0.4/24"), Hostname: "suite", Metadata: true}
	// Several at once: one makes the machine and all get it.
	const many = 4
	handles, errs := make([]compute.Handle, many), make([]error, many)
	var wg sync.WaitGroup
	for i := range many {
		wg.Go(func() { handles[i], errs[i] = s.d.Start(t.Context(), spec) })
	}
	wg.Wait()
	h := handles[0]
	for i := range many {
		if errs[i] != nil {
			t.Fatal(errs[i])
		}
		if !bytes.Equal(handles[i].Data, h.Data) {
			t.Errorf("two starts at once gave %s and %s", h.Data, handles[i].Data)
		}
	}
	s.handle = h
	st := s.state(t, s.d, id)
	if st.State != compute.Running || st.MemoryMB != spec.MemoryMB || st.CPUs != spec.CPUs || st.Labels["owner"] != "suite" || st.Started.IsZero() {
		t.Errorf("status after start: %+v", st)
	}
	again, err := s.d.Start(t.Context(), spec)
	if err != nil || again.ID != h.ID || again.Driver != h.Driver || !bytes.Equal(again.Data, h.Data) {
		t.Errorf("second start: %+v, %v; first: %+v", again, err, h)
	}
	if st2 := s.state(t, s.d, id); st2.PID != st.PID || !st2.Started.Equal(st.Started) {
		t.Errorf("the second start changed %+v into %+v", st, st2)
	}
	if l := must(s.d.List(t.Context())); len(l) != 1 || l[0].ID != id || l[0].State != compute.Running {
		t.Errorf("list: %+v", l)
	}
}

// until asks again and again until yes, or the time for a boot is over.
func (s *suite) until(t *testing.T, what string, yes func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), s.Boot)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !yes() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			log, _ := s.d.SerialLog(t.Context(), id, 2000)
			t.Fatalf("%s: not within %v; serial console: %q", what, s.Boot, log)
		}
	}
}

func (s *suite) comesUp(t *testing.T) {
	began := time.Now()
	since := func() time.Duration { return time.Since(began).Round(100 * time.Millisecond) }
	s.until(t, "hand-over", func() bool { return s.observe(t, s.d).HandedOver })
	t.Logf("handed over after %v", since())
	var info compute.GuestInfo
	s.until(t, "agent", func() bool {
		var err error
		if info, err = s.d.Agent(t.Context(), id); err != nil && !fault.Is(err, fault.NotAvailable) {
			t.Fatalf("agent: %v", err)
		}
		return err == nil
	})
	t.Logf("agent after %v: %+v", since(), info)
	if info.OSID == "" || info.Name == "" || info.Kernel == "" {
		t.Errorf("agent: %+v", info)
	}
	s.until(t, "frames", func() bool { return s.observe(t, s.d).Frames > 0 })
	t.Logf("frames after %v", since())
	if x := s.observe(t, s.d); x.State != compute.Running || !x.HandedOver || x.Resets != 0 {
		t.Errorf("signs of a guest that is up: %+v", x)
	}
}

func (s *suite) observe(t *testing.T, d compute.Driver) compute.Signs {
	t.Helper()
	x, err := d.Observe(t.Context(), id)
	if err != nil {
		t.Fatalf("observe: %v", err)
	}
	return x
}

func (s *suite) display(t *testing.T) {
	shot, err := s.d.Screenshot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		t.Fatalf("the screenshot is no PNG: %v", err)
	}
	if rfb.Blank(img) {
		t.Error("the screenshot shows nothing")
	}
	idle, err := s.d.Display(t.Context(), id) // a second viewer must not matter
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	for range 2 {
		c, err := s.d.Display(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		frame, err := rfb.Frame(t.Context(), c)
		c.Close()
		if err != nil {
			t.Fatal(err)
		}
		if frame.Bounds().Size() != img.Bounds().Size() || rfb.Blank(frame) {
			t.Errorf("the display shows %v, blank: %v; the screenshot is %v", frame.Bounds(), rfb.Blank(frame), img.Bounds())
		}
	}
}

// channel talks to the guest's tool, again after callers that left in the middle
// of a word, and after ones that wrote what nobody understands.
func (s *suite) channel(t *testing.T) {
	began := time.Now()
	s.until(t, "channel", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		return s.talk(ctx, s.d, id) == nil
	})
	t.Logf("answered after %v", time.Since(began).Round(100*time.Millisecond))
	for _, left := range []string{"", "half a wo", "\xff\xff\xff\xff", "{}\n"} {
		c, err := s.d.Channel(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Write([]byte(left))
		if err = errors.Join(err, c.Close()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), s.Boot)
		if err := s.talk(ctx, s.d, id); err != nil {
			t.Errorf("after %q: %v", left, err)
		}
		cancel()
	}
}

func (s *suite) talk(ctx context.Context, d compute.Driver, id string) error {
	c, err := d.Channel(ctx, id)
	if err != nil {
		return err
	}
	defer c.Close()
	return s.Talk(ctx, c)
}

func (s *suite) serial(t *testing.T) {
	all, err := s.d.SerialLog(t.Context(), id, 1<<20)
	if err != nil || len(all) < 20 {
		t.Fatalf("serial log: %q, %v", all, err)
	}
	end, err := s.d.SerialLog(t.Context(), id, 10)
	if err != nil || len(end) != 10 {
		t.Errorf("the last ten bytes are %q, %v", end, err)
	}
	if none, err := s.d.SerialLog(t.Context(), id, 0); err != nil || len(none) != 0 {
		t.Errorf("no bytes are %q, %v", none, err)
	}
}

func (s *suite) recover(t *testing.T) {
	before, st := s.observe(t, s.d), s.state(t, s.d, id)
	d := s.New()
	for range 2 {
		got, err := d.Recover(t.Context(), s.handle)
		if err != nil || got.State != compute.Running || got.PID != st.PID || !got.Started.Equal(st.Started) || got.Labels["owner"] != "suite" {
			t.Fatalf("recovered %+v, %v; was %+v", got, err, st)
		}
	}
	if x := s.observe(t, d); x.Frames < before.Frames || x.Resets != before.Resets || !x.HandedOver {
		t.Errorf("signs after a restart: %+v, before: %+v", x, before)
	}
	if _, err := d.Agent(t.Context(), id); err != nil {
		t.Errorf("agent after a restart: %v", err)
	}
	if err := s.talk(t.Context(), d, id); err != nil {
		t.Errorf("channel after a restart: %v", err)
	}
	if got, err := d.Start(t.Context(), s.Spec(id)); err != nil || !bytes.Equal(got.Data, s.handle.Data) {
		t.Errorf("start after a restart: %+v, %v", got, err)
	}
	if _, err := d.Recover(t.Context(), compute.Handle{Driver: "another", ID: id}); !fault.Is(err, fault.BadValue) {
		t.Errorf("a handle of another driver: %v", err)
	}
	lost := s.handle
	lost.ID = "m-never-there"
	if got, err := d.Recover(t.Context(), lost); err != nil || got.State != compute.Gone {
		t.Errorf("recover nothing: %+v, %v", got, err)
	}
	s.d = d
}

func (s *suite) shutdown(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), s.Boot)
	defer cancel()
	began := time.Now()
	var ends <-chan string
	if tells, ok := s.d.(compute.Teller); ok {
		ends = must(tells.Ends(ctx))
	}
	for range 2 {
		if err := s.d.Shutdown(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	if ends != nil {
		select {
		case got := <-ends:
			if got != id {
				t.Errorf("the driver tells that %s has ended", got)
			}
		case <-ctx.Done():
			t.Error("the driver does not tell that the machine has ended")
		}
	}
	t.Logf("off after %v", time.Since(began).Round(10*time.Millisecond))
	if st := s.state(t, s.d, id); st.State != compute.Off {
		t.Errorf("status after shutdown: %+v", st)
	}
	if st, err := s.New().Recover(t.Context(), s.handle); err != nil || st.State != compute.Off {
		t.Errorf("recover a machine that is off: %+v, %v", st, err)
	}
	for name, call := range s.calls(t.Context(), id) {
		err := call()
		switch name {
		case "Screenshot", "Display", "Agent", "Channel":
			if !fault.Is(err, fault.NotAvailable) {
				t.Errorf("%s of a machine that is off: %v", name, err)
			}
		default:
			if err != nil {
				t.Errorf("%s of a machine that is off: %v", name, err)
			}
		}
	}
	if x := s.observe(t, s.d); x.State != compute.Off || x.HandedOver || x.Frames == 0 {
		t.Errorf("signs of a machine that is off: %+v", x)
	}
}

func (s *suite) startAfterOff(t *testing.T) {
	h, err := s.d.Start(t.Context(), s.Spec(id))
	if err != nil {
		t.Fatal(err)
	}
	if st := s.state(t, s.d, id); st.State != compute.Running {
		t.Errorf("started again: %+v", st)
	}
	s.handle = h
}

func (s *suite) destroy(t *testing.T) {
	for range 2 {
		if err := s.d.Destroy(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if st := s.state(t, s.d, id); st.State != compute.Gone {
		t.Errorf("status after destroy: %+v", st)
	}
	if st, err := s.d.Recover(t.Context(), s.handle); err != nil || st.State != compute.Gone {
		t.Errorf("recover after destroy: %+v, %v", st, err)
	}
	if l := must(s.d.List(t.Context())); len(l) != 0 {
		t.Errorf("list after destroy: %+v", l)
	}
	if left := s.Leftovers(); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// stateKept starts a machine twice on one state directory: it is the caller's,
// and what is in it outlives the machine.
func (s *suite) stateKept(t *testing.T) {
	dir, err := os.MkdirTemp("", "sw-state")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	spec := s.Spec(id)
	spec.StateDir = dir
	var kept []string
	for range 2 {
		if _, err := s.d.Start(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		if err := s.d.Destroy(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		var have []string
		for _, e := range must(os.ReadDir(dir)) {
			have = append(have, e.Name())
		}
		if len(have) == 0 || kept != nil && !slices.Equal(have, kept) {
			t.Errorf("the state directory holds %q, held %q", have, kept)
		}
		kept = have
	}
}
