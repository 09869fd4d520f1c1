package work

import (
	"context"
	"net/netip"
	"os"

	"slipway/domain"
	"slipway/fault"
	"slipway/guest"
	"slipway/store"
)

// askedMost is how many names of pending updates are kept.
const askedMost = 100

type checkState struct {
	Machine string
	Pending []string
}

// imageCheck asks an image's guest what it could update: in a machine of its own,
// over a layer that is thrown away. The job's subject is the image.
func (w *World) imageCheck() Workflow {
	return Define(domain.FlowImageCheck, 1, []Step[checkState]{
		{Name: "boot", Do: w.checkBoot, Undo: w.checkDrop},
		{Name: "ask", Do: w.checkAsk},
		{Name: "drop", Do: w.checkDrop},
		{Name: "answer", Do: w.checkAnswer, NoReturn: true},
	})
}

// asked is a builder that nobody ever sees: what the machine is made after.
func (w *World) asked(img *domain.Image, machine string) *domain.Builder {
	b := &domain.Builder{Machine: machine, Disk: img.Disk, DiskBytes: img.DiskBytes, Internet: true, Tags: domain.Tags{}}
	b.Key = domain.Key{Scope: img.Key.Scope, Kind: domain.KindBuilder, Name: machine}
	b.CPUs, b.MemoryMiB = w.sized("")
	b.Address = netip.PrefixFrom(domain.AddressAt(domain.NoSubnet, 0), domain.NoSubnet.Bits()).String() // alone in its network
	if f := img.Tags["slipway:fault"]; f != "" {
		b.Tags["slipway:fault"] = f
	}
	return b
}

func (w *World) checkBoot(ctx context.Context, r *Run, s *checkState) error {
	img, err := read[domain.Image](ctx, w.Store, r.Job().Subject)
	if err != nil {
		return err
	}
	s.Machine = machineOf(r.Job().ID)
	return w.checkUp(ctx, r, w.asked(img, s.Machine))
}

func (w *World) checkUp(ctx context.Context, r *Run, b *domain.Builder) error {
	base, err := baseOf(b.Disk)
	if err != nil {
		return err
	}
	overlay, err := w.Disks.CreateOverlay(ctx, b.Machine, base, max(b.DiskBytes, 1<<30))
	if err != nil {
		return err
	}
	spec, err := w.builderSpec(ctx, b, overlay)
	if err != nil {
		return err
	}
	spec.StateDir, spec.Labels["purpose"] = "", "update-check"
	r.Progress(0, 0, "waiting for room to boot a guest")
	if err := w.Slots.Take(ctx, b.Machine); err != nil {
		return err
	}
	r.Progress(0, 0, "starting the guest")
	_, err = w.Driver.Start(ctx, spec)
	return err
}

func (w *World) checkDrop(ctx context.Context, r *Run, _ *checkState) error {
	machine := machineOf(r.Job().ID)
	if err := w.Driver.Destroy(ctx, machine); err != nil {
		return err
	}
	w.Slots.Release(machine)
	if err := os.RemoveAll(w.builderDir(machine)); err != nil {
		return fault.Wrap(fault.Internal, err, "What was seen of the guest could not be removed.")
	}
	return w.Disks.RemoveOverlay(ctx, machine)
}

func (w *World) checkAsk(ctx context.Context, r *Run, s *checkState) error {
	img, err := read[domain.Image](ctx, w.Store, r.Job().Subject)
	if err != nil {
		return err
	}
	if err := w.checkUp(ctx, r, w.asked(img, s.Machine)); err != nil { // again, when the machine was lost since
		return err
	}
	none := func(context.Context, func(*domain.Evidence)) error { return nil } // nobody looks at it
	err = w.climb(ctx, r, s.Machine, ladder{
		rungs: []domain.Rung{{Name: rungHandedOver, Needed: true}}, retry: "ask again", dir: w.builderDir(s.Machine), edit: none,
		load: func(context.Context) (domain.Evidence, error) { return domain.Evidence{}, nil },
	})
	if err != nil {
		return err
	}
	w.Slots.Release(s.Machine)
	r.Progress(0, 0, "waiting for the guest tool")
	return w.talk(ctx, s.Machine, func(ctx context.Context, o *guest.Orders, tool guest.Greeting) error {
		u, err := w.updates(ctx, o, tool)
		if err != nil {
			return err
		}
		r.Progress(0, 0, "asking the guest what is pending")
		if s.Pending, err = u.pending(ctx); err != nil {
			return err
		}
		newer, err := w.newerTool(ctx, o, tool)
		if newer != "" {
			s.Pending = append(s.Pending, "the guest tool "+newer)
		}
		return err
	})
}

func (w *World) checkAnswer(ctx context.Context, r *Run, s *checkState) error {
	_, err := edit(ctx, w.Store, r.Job().Subject, func(tx store.Tx, img *domain.Image) error {
		img.Check = &domain.UpdateCheck{At: tx.Now(), Count: len(s.Pending), Pending: s.Pending[:min(len(s.Pending), askedMost)]}
		return nil
	})
	return err
}
