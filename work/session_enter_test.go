package work_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"slipway/compute/fake"
	"slipway/domain"
	"slipway/fault"
	"slipway/guest"
	"slipway/store"
	"slipway/work"
)

func (r *fleetRig) listen() *work.Listener {
	l := &work.Listener{World: r.world, Log: slog.New(slog.DiscardHandler), Every: 10 * time.Millisecond,
		Answer: func(context.Context, string, string, json.RawMessage) guest.Answer { return guest.Refused("no") }}
	l.Start(context.Background())
	r.t.Cleanup(l.Stop)
	return l
}

// prints runs a line in the guest of whom it names.
func (r *fleetRig) prints(l *work.Listener, who domain.Key, line string) (out string, err error) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	err = l.Talk(ctx, who, func(ctx context.Context, o *guest.Orders, _ guest.Greeting) error {
		rep, err := o.Run(ctx, guest.Command{ID: "t", Line: line, Seconds: 10})
		out = strings.TrimSpace(rep.Output)
		return err
	})
	return out, err
}

// TestSessionEntersItsGuest: what a session's guest finds in its environment, from
// the first order on, also after the server has started anew and when the guest's
// own memory of it is gone; another session's guest has its own.
func TestSessionEntersItsGuest(t *testing.T) {
	r := newFleetRig(t)
	r.fleet(nil)
	r.as(domain.InstanceReady, 2)
	l := r.listen()
	free := r.instances()
	if _, err := r.prints(l, free[0].Key, "true"); !fault.Is(err, fault.WrongState) {
		t.Errorf("where nobody works: %v", err)
	}
	ann := r.session("ann", free[0], func(x *domain.Session) { x.Context = "it's\x00 hers" })
	bob := r.session("bob", free[1], nil)
	want := func(l *work.Listener) {
		t.Helper()
		for name, value := range map[string]string{
			"AppStream_UserName": "ann", "AppStream_Stack_Name": "s", "AppStream_Session_ID": ann.Name, "AppStream_User_Access_Mode": "custom",
			"APPSTREAM_SESSION_CONTEXT": "it's hers", "AppStream_Resource_Type": "fleet", "AppStream_Resource_Name": "f", "AppStream_Instance_Type": "stream.standard.small",
		} {
			if got, err := r.prints(l, ann, "printenv "+name); got != value || err != nil {
				t.Errorf("%s is %q, not %q; %v", name, got, value, err)
			}
		}
		if got, err := r.prints(l, bob, "printenv AppStream_UserName && printenv APPSTREAM_SESSION_CONTEXT"); got != "bob" || err != nil {
			t.Errorf("the other's: %q, %v", got, err)
		}
	}
	want(l)
	l.Stop()
	r.reborn(t)
	r.tools.Forget(free[0].Key.Name)
	l = r.listen()
	want(l)
	r.update(func(tx store.Tx) error { _, err := tx.Move(ann, domain.SessionExpire, "", nil); return err })
	if _, err := r.prints(l, ann, "true"); !fault.Is(err, fault.WrongState) {
		t.Errorf("a session that has ended: %v", err)
	}
}

// TestGuestDoesNotAnswer: whoever wants something of a guest without the tool, or
// with one that hangs, is told so when their time is over, whatever others wait for.
func TestGuestDoesNotAnswer(t *testing.T) {
	asked, gate := make(chan bool, 9), make(chan bool)
	hangs := func(_ string, c net.Conn) {
		p := &guest.Peer{Do: func(context.Context, string, json.RawMessage) guest.Report {
			asked <- true
			<-gate
			return guest.Report{}
		}}
		_ = p.Run(context.Background(), c)
	}
	for name, tool := range map[string]func(string, net.Conn){"no tool": func(_ string, c net.Conn) { _, _ = io.Copy(io.Discard, c) }, "one that hangs": hangs} {
		t.Run(name, func(t *testing.T) {
			r := &fleetRig{rig: newRig(t)}
			d, err := fake.New(fake.Options{Dir: t.TempDir(), Guest: tool})
			must(t, err)
			r.world.Driver, r.world.Boot = d, work.BootLimits{Tool: time.Hour}
			r.begin()
			t.Cleanup(func() { r.keeper.Stop() })
			r.fleet(func(f *domain.Fleet) { f.Desired = 1 })
			r.as(domain.InstanceReady, 1)
			ann := r.session("ann", r.instances()[0], nil)
			seats := &work.Seats{Talk: r.listen().Talk}
			if name != "no tool" {
				<-asked // it was told whose it is, and that is waited for
			}
			done := make(chan error, 1)
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
				done <- seats.Launch(ctx, ann, domain.Application{Name: "calc", Path: "/calc"})
			}()
			select {
			case err := <-done:
				if !fault.Is(err, fault.NotAvailable) {
					t.Errorf("%v", err)
				}
			case <-time.After(30 * time.Second): // the tool is given longer
				t.Error("it waits for somebody else")
			}
		})
	}
	close(gate)
}

// TestInstancesHaveAddresses: no two the same, in the subnet that has room; a
// fleet that finds none says so.
func TestInstancesHaveAddresses(t *testing.T) {
	r := newFleetRig(t)
	small := func(id, cidr string) {
		n := &domain.Subnet{VPC: "vpc-1", CIDR: cidr, Zone: "us-east-1a"}
		n.Key = domain.Key{Scope: scope, Kind: domain.KindSubnet, Name: id}
		r.update(func(tx store.Tx) error { return tx.Insert(n) })
	}
	small("subnet-1", "10.0.0.0/28") // eleven for machines
	small("subnet-2", "10.0.0.16/28")
	r.fleet(func(f *domain.Fleet) { f.Subnets, f.Desired = []string{"subnet-1", "subnet-2"}, 25 })
	r.is(domain.FleetRunning)
	r.as(domain.InstanceReady, 22)
	if f := get[domain.Fleet](t, r.store, fleetKey); len(f.Errors) != 1 || f.Errors[0].Code != "SUBNET_HAS_INSUFFICIENT_IP_ADDRESSES" {
		t.Errorf("%+v", f.Errors)
	}
	seen := map[netip.Addr]bool{}
	blocks := map[string]netip.Prefix{"subnet-1": netip.MustParsePrefix("10.0.0.0/28"), "subnet-2": netip.MustParsePrefix("10.0.0.16/28")}
	for _, i := range r.instances() {
		g := i.Guest()
		if seen[g.Address.Addr()] || !blocks[g.Subnet].Contains(g.Address.Addr()) || g.ENI == "" {
			t.Errorf("%+v", g)
		}
		seen[g.Address.Addr()] = true
	}
	r.edit(func(f *domain.Fleet) { f.Desired = 20 })
	r.as(domain.InstanceReady, 20)
	r.edit(func(f *domain.Fleet) { f.Desired = 22 }) // what was let go of is free again
	r.as(domain.InstanceReady, 22)
}
