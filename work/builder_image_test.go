package work_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"slipway/compute"
	"slipway/compute/fake"
	"slipway/disk"
	"slipway/domain"
	"slipway/guest"
	"slipway/store"
	"slipway/work"
	"slipway/work/worktest"
)

// imaging plants an image of a builder that runs, with the job that makes it.
func (r *rig) imaging(name string) (builder, image domain.Key) {
	r.t.Helper()
	builder = r.up("b")
	img := &domain.Image{Builder: "b", BaseImage: "arn:base", Type: "CUSTOM", Visibility: domain.VisibilityPrivate,
		Catalog: []domain.Application{{Name: "a", Path: "/usr/bin/a"}}}
	img.Key = domain.Key{Scope: scope, Kind: domain.KindImage, Name: name}
	r.update(func(tx store.Tx) error {
		if err := tx.Insert(img); err != nil {
			return err
		}
		if _, err := tx.Move(builder, domain.BuilderSnapBegun, name, nil); err != nil {
			return err
		}
		return r.enqueue(tx, domain.FlowBuilderImage, img.Key)
	})
	return builder, img.Key
}

func (r *rig) noUploads(t testing.TB) {
	t.Helper()
	if ids, err := r.world.Disks.Uploads(); err != nil || len(ids) > 0 {
		t.Errorf("uploads: %q, %v", ids, err)
	}
}

func TestBuilderImageSurvives(t *testing.T) {
	worktest.All(t, func(t testing.TB) *worktest.World {
		r := newRig(t)
		builder, image := r.imaging("i")
		return r.harness(r.jobOf(image), func(t testing.TB) {
			img := get[domain.Image](t, r.store, image)
			if img.State != domain.ImageAvailable || img.Disk == "" || img.DiskBytes != 200<<30 || img.Reason != nil {
				t.Errorf("image: %+v", img)
			}
			b := get[domain.Builder](t, r.store, builder)
			if b.State != domain.BuilderStopped || b.Reason != nil || b.Evidence.SerialLog == "" {
				t.Errorf("builder: %+v", b)
			}
			r.machine(t, compute.Gone)
			r.overlay(t, 200<<30)
			r.noUploads(t)
			r.settle(context.Background())
			digest, err := disk.ParseDigest(img.Disk)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.world.Disks.Stat(digest); err != nil {
				t.Errorf("the disk went with the collector: %v", err)
			}
		}, func(t testing.TB) {
			img := get[domain.Image](t, r.store, image)
			if img.State != domain.ImageFailed || img.Disk != "" || img.Reason == nil || img.Reason.Message == "" {
				t.Errorf("image: %+v", img)
			}
			b := get[domain.Builder](t, r.store, builder)
			st, err := r.world.Driver.Status(context.Background(), builderMachine)
			if err != nil {
				t.Fatal(err)
			}
			// Its guest runs on, or was shut down before: in any case all is there.
			switch b.State {
			case domain.BuilderRunning:
				if st.State == compute.Gone {
					t.Error("a builder that runs without a machine")
				}
			case domain.BuilderStopped:
				if st.State == compute.Running {
					t.Error("a stopped builder whose machine runs")
				}
			default:
				t.Errorf("the builder is %s", b.State)
			}
			r.overlay(t, 200<<30)
			r.settle(context.Background())
			r.noUploads(t)
			if left, err := r.world.Disks.Sealed(); err != nil || len(left) > 0 {
				t.Errorf("disks are left: %v, %v", left, err)
			}
		})
	})
}

// TestBuilderImageOfAGuestThatCrashed: an image of a guest that was not shut down
// is never made, and the builder's end is told as ever.
func TestBuilderImageOfAGuestThatCrashed(t *testing.T) {
	r := newRig(t)
	builder, image := r.imaging("i")
	if err := r.world.Driver.Destroy(t.Context(), builderMachine); err != nil {
		t.Fatal(err)
	}
	if j := r.ran(image); j.Status != domain.JobFailed {
		t.Fatal(j.Status)
	}
	if img := get[domain.Image](t, r.store, image); img.State != domain.ImageFailed || !strings.Contains(img.Reason.Message, "before its guest was shut down") {
		t.Errorf("%s %+v", img.State, img.Reason)
	}
	r.look(t)
	r.ran(builder)
	if b := get[domain.Builder](t, r.store, builder); b.State != domain.BuilderFailed || b.Reason == nil {
		t.Errorf("%s %+v", b.State, b.Reason)
	}
	r.overlay(t, 200<<30)
}

// TestListener: the guest tool of a running builder is greeted and answered, and
// hung up on when the builder stops.
func TestListener(t *testing.T) {
	r := newRig(t)
	peers := make(chan *guest.Peer, 8)
	d, err := fake.New(fake.Options{Dir: t.TempDir(), Guest: func(_ string, c net.Conn) {
		p := &guest.Peer{Self: guest.Greeting{Tool: "v\x1b7\n", System: "linux"}}
		peers <- p
		_ = p.Run(context.Background(), c)
	}})
	if err != nil {
		t.Fatal(err)
	}
	r.world.Driver = d
	key := r.up("b")
	l := &work.Listener{World: r.world, Log: slog.New(slog.DiscardHandler), Every: 10 * time.Millisecond,
		Answer: func(_ context.Context, machine, name string, args json.RawMessage) guest.Answer {
			if name == "panic" {
				panic("a defect of ours")
			}
			return guest.Answer{Message: machine + " " + name + " " + string(args)}
		}}
	l.Start(t.Context())
	defer l.Stop()
	peer := <-peers
	ask := func(p *guest.Peer) (guest.Answer, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		return p.Ask(ctx, guest.CallListApplications, guest.Named{})
	}
	if a, err := ask(peer); err != nil || a.Message != builderMachine+" list-applications {}" {
		t.Fatalf("%+v, %v", a, err)
	}
	for get[domain.Builder](t, r.store, key).Tool != "v7" {
		<-r.store.Changed()
	}
	if role, err := peer.Role(t.Context()); err != nil || role != guest.RoleBuilder {
		t.Errorf("%q, %v", role, err)
	}
	if _, err := peer.Ask(t.Context(), "panic", nil); err == nil {
		t.Error("what panicked was answered")
	}
	peer = <-peers // the connection is made anew
	if _, err := ask(peer); err != nil {
		t.Errorf("after a panic: %v", err)
	}
	r.update(func(tx store.Tx) error { _, err := tx.Move(key, domain.BuilderAskStop, "", nil); return err })
	for { // hung up on
		if _, err := ask(peer); errors.Is(err, guest.ErrAway) {
			break
		}
	}
}
