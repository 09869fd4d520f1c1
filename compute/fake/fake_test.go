package fake_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/compute"
	"slipway/compute/computetest"
	"slipway/compute/fake"
	"slipway/fault"
	"slipway/guest"
)

func disk(t *testing.T) compute.Disk {
	t.Helper()
	p := filepath.Join(t.TempDir(), "disk.raw")
	if err := os.WriteFile(p, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return compute.Disk{Chain: []compute.File{{Path: p, Format: "raw"}}}
}

// answer is a guest whose tool greets.
func answer(_ string, c net.Conn) { _ = new(guest.Peer).Run(context.Background(), c) }

// talk waits for the greeting of a guest's tool.
func talk(ctx context.Context, c net.Conn) error {
	ctx, cancel := context.WithCancelCause(ctx)
	err := guest.Host{Session: rand.Text(), Greeted: func(guest.Greeting) { cancel(nil) }}.Serve(ctx, c)
	if context.Cause(ctx) == context.Canceled {
		return nil
	}
	return err
}

func TestSuite(t *testing.T) {
	computetest.Run(t, func(t *testing.T) computetest.Harness {
		dir, n := t.TempDir(), 0
		return computetest.Harness{
			Boot: 10 * time.Second,
			New: func() compute.Driver {
				d, err := fake.New(fake.Options{Dir: dir, BootTime: 200 * time.Millisecond, Guest: answer})
				if err != nil {
					t.Fatal(err)
				}
				return d
			},
			Spec: func(id string) compute.Spec {
				return compute.Spec{ID: id, CPUs: 2, MemoryMB: 512, Disk: disk(t), TPM: true}
			},
			Talk: talk,
			HalfStart: func(id string) {
				n++
				torn := []string{"", "{\"Spec\": {", "{}"}[n%3]
				if err := os.WriteFile(filepath.Join(dir, id+".json"), []byte(torn), 0o600); err != nil {
					t.Fatal(err)
				}
			},
			Leftovers: func() []string {
				all, _ := filepath.Glob(filepath.Join(dir, "*"))
				return all
			},
		}
	})
}

// clock is moved by hand.
type clock struct{ now time.Time }

func (c *clock) tell() time.Time { return c.now }

func start(t *testing.T, labels map[string]string) (d *fake.Driver, c *clock, dir string) {
	t.Helper()
	c, dir = &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}, t.TempDir()
	d, err := fake.New(fake.Options{Dir: dir, BootTime: 30 * time.Second, Clock: c.tell, MemoryMB: 1024})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Start(t.Context(), compute.Spec{ID: "a", CPUs: 1, MemoryMB: 512, Disk: disk(t), Labels: labels}); err != nil {
		t.Fatal(err)
	}
	return d, c, dir
}

// rung is how far a machine seems to be: nothing, H, HF, HFA.
func rung(t *testing.T, d *fake.Driver) string {
	t.Helper()
	s, err := d.Observe(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Agent(t.Context(), "a")
	if err != nil && !fault.Is(err, fault.NotAvailable) {
		t.Fatal(err)
	}
	out := ""
	for _, x := range []struct {
		on bool
		as string
	}{{s.HandedOver, "H"}, {s.Frames > 0, "F"}, {err == nil, "A"}, {s.State != compute.Running, string(s.State)}} {
		if x.on {
			out += x.as
		}
	}
	return out
}

func TestSignsDevelopAndFaultsHoldThem(t *testing.T) {
	for fault, want := range map[string]string{ // after 5, 15, 25, 35, 350 seconds
		"":      " H HF HFA HFA",
		"boot":  "    ",
		"agent": " H HF HF HF",
		"held":  "    HFA",
		"panic": " H HF HFpaniced HFpaniced",
		"off":   " H HF Foff Foff",
	} {
		d, c, dir := start(t, map[string]string{fake.LabelFault: fault})
		began := c.now
		var got []string
		for _, s := range []int{5, 15, 25, 35, 350} {
			c.now = began.Add(time.Duration(s) * time.Second)
			if s == 350 {
				if err := os.WriteFile(filepath.Join(dir, "go-on"), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got = append(got, rung(t, d))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("fault %q: %q, want %q", fault, strings.Join(got, " "), want)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	d, _, _ := start(t, nil)
	if f := d.Features(); f.MemoryMB != 512 {
		t.Errorf("free: %d", f.MemoryMB)
	}
	_, err := d.Start(t.Context(), compute.Spec{ID: "b", CPUs: 1, MemoryMB: 513, Disk: disk(t)})
	if !fault.Is(err, fault.Unavailable) {
		t.Errorf("too much memory: %v", err)
	}
}

func TestPicturesTellStatesAndMachinesApart(t *testing.T) {
	d, c, _ := start(t, nil)
	early, err := d.Screenshot(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	c.now = c.now.Add(time.Minute)
	late, err := d.Screenshot(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	same, err := d.Screenshot(t.Context(), "a")
	if err != nil || bytes.Equal(early, late) || !bytes.Equal(late, same) {
		t.Error("pictures must differ by state and be stable within one", err)
	}
}
