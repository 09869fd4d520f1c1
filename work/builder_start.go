package work

import (
	"context"
	"fmt"
	"os"

	"slipway/compute"
	"slipway/disk/rules"
	"slipway/domain"
	"slipway/fault"
	"slipway/guest"
	"slipway/store"
)

// builderStart brings a builder's machine up, for the first time or again: what
// is there of an earlier start is used as it is. Nothing that holds somebody's
// work is undone.
func (w *World) builderStart() Workflow {
	return Define(domain.FlowBuilderStart, 1, []Step[builderState]{
		{Name: "begin", Do: w.startBegin, Undo: w.startFailed},
		{Name: "disk", Do: w.startDisk},
		{Name: "boot", Do: w.startBoot, Undo: w.startDropMachine},
		{Name: "climb", Do: w.startClimb},
		{Name: "running", Do: w.startRunning, NoReturn: true},
	})
}

func (w *World) startBegin(ctx context.Context, r *Run, s *builderState) error {
	b, err := read[domain.Builder](ctx, w.Store, r.Job().Subject)
	if err != nil {
		return err
	}
	s.Machine = b.Machine
	return w.editBuilder(ctx, b.Key, s.Machine, func(_ store.Tx, b *domain.Builder) {
		b.Evidence = domain.Evidence{} // of the start before
	})
}

// startFailed is the undo of the first step, hence the last thing that runs. A
// job that never got to remember its machine speaks for the builder of now.
func (w *World) startFailed(ctx context.Context, r *Run, s *builderState) error {
	cause := r.Cause()
	if s.Machine == "" {
		b, err := read[domain.Builder](ctx, w.Store, r.Job().Subject)
		if fault.Is(err, fault.NotFound) {
			return nil
		} else if err != nil {
			return err
		}
		s.Machine = b.Machine
	}
	return w.moveBuilder(ctx, r.Job().Subject, s.Machine, domain.BuilderBroke, fault.Public(cause), func(tx store.Tx, b *domain.Builder) {
		blameBuilder(tx, b, cause)
	})
}

// startDisk makes the layer that the guest writes into, as large as the root
// volume, and the directory for what its board remembers.
func (w *World) startDisk(ctx context.Context, r *Run, s *builderState) error {
	b, err := w.builder(ctx, r, s)
	if err != nil {
		return err
	}
	base, err := baseOf(b.Disk)
	if err != nil {
		return err
	}
	if b.Layered {
		if _, _, _, err := w.Disks.Overlay(s.Machine); fault.Is(err, fault.NotFound) {
			return GiveUp(fault.Wrap(fault.WrongState, err, "What was changed in the image builder is missing on this server: it is in no backup.").
				WithHint("Put disks/overlays/%s of the old data directory back, or delete the image builder and create it again.", s.Machine))
		}
	}
	if s.Overlay, err = w.Disks.CreateOverlay(ctx, s.Machine, base, max(b.VolumeGiB<<30, b.DiskBytes)); err != nil {
		return err
	}
	if err := os.MkdirAll(w.boardDir(s.Machine), 0o700); err != nil {
		return fault.Wrap(fault.Unavailable, err, "The builder's directory could not be made.")
	}
	return w.editBuilder(ctx, b.Key, s.Machine, func(_ store.Tx, b *domain.Builder) { b.Layered = true })
}

func (w *World) startBoot(ctx context.Context, r *Run, s *builderState) error {
	b, err := w.builder(ctx, r, s)
	if err != nil {
		return err
	}
	spec, err := w.builderSpec(ctx, b, s.Overlay)
	if err != nil {
		return err
	}
	if err := w.launch(ctx, spec, func(note string) { r.Progress(0, 0, note) }); err != nil {
		return err
	}
	f := w.Driver.Features()
	machine := fmt.Sprintf("%d vCPU, %d MiB, disk of %d GiB, %s/%s", spec.CPUs, spec.MemoryMB, b.VolumeGiB, f.Name, f.Accel)
	return w.editBuilder(ctx, b.Key, s.Machine, func(_ store.Tx, b *domain.Builder) { b.Evidence.Machine = machine })
}

// builderSpec is the machine of a builder.
func (w *World) builderSpec(ctx context.Context, b *domain.Builder, overlay string) (compute.Spec, error) {
	m := machine{
		id: b.Machine, cpus: b.CPUs, memoryMiB: b.MemoryMiB, layer: overlay, disk: b.Disk, board: w.boardDir(b.Machine), cd: w.ToolsCD, tags: b.Tags,
		labels:  map[string]string{"purpose": "image-builder", "builder": b.Key.Name, "account": b.Key.Account, "region": b.Key.Region},
		network: network(b.Guest()),
	}
	return w.spec(ctx, m)
}

// hardware chooses the bus and the card that the guest has drivers for. A disk
// that could not be looked into gets what most systems can drive.
func (w *World) hardware(ctx context.Context, digest string) (compute.Bus, compute.Model, error) {
	f, _, err := w.facts(ctx, digest)
	if err != nil || f == nil {
		return "", "", err
	}
	return compute.Bus(rules.Bus(*f)), compute.Model(rules.NIC(*f)), nil
}

func (w *World) startDropMachine(ctx context.Context, _ *Run, s *builderState) error {
	if s.Machine == "" {
		return nil
	}
	return w.demolish(ctx, s.Machine)
}

// startClimb waits until an operating system runs and its screen can be
// streamed: that is when an administrator can begin.
func (w *World) startClimb(ctx context.Context, r *Run, s *builderState) error {
	w.Slots.Resume(s.Machine)
	key := r.Job().Subject
	err := w.climb(ctx, r, s.Machine, ladder{
		rungs:   []domain.Rung{{Name: rungHandedOver, Needed: true}, {Name: rungNetwork}, {Name: rungDisplay, Needed: true}},
		display: rungHandedOver, retry: "start the image builder again", dir: w.builderDir(s.Machine),
		load: func(ctx context.Context) (domain.Evidence, error) {
			b, err := w.builder(ctx, r, s)
			if err != nil {
				return domain.Evidence{}, err
			}
			return b.Evidence, nil
		},
		edit: func(ctx context.Context, change func(*domain.Evidence)) error {
			return w.editBuilder(ctx, key, s.Machine, func(_ store.Tx, b *domain.Builder) { change(&b.Evidence) })
		},
	})
	if err == nil {
		err = w.startAgent(ctx, r, s)
	}
	return err
}

// startAgent brings the guest tool to this server's version, if that was asked for.
// Where it cannot be, the builder says so and runs: there may be no tool yet.
func (w *World) startAgent(ctx context.Context, r *Run, s *builderState) error {
	b, err := w.builder(ctx, r, s)
	if err != nil || !b.FreshTool {
		return err
	}
	s.Agent = ""
	err = w.freshen(ctx, r, s.Machine, guest.RoleBuilder, b.Tool != "", func() error {
		return w.moveBuilder(ctx, b.Key, s.Machine, domain.BuilderAgentBegun, "", nil)
	})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil || !fault.Is(err, fault.NotAvailable) && !fault.Is(err, fault.Incompatible):
		return err
	}
	s.Agent = fault.Public(err)
	return nil
}

// started takes away what an earlier start blamed a builder for, and tells what
// this one could not do.
func (s *builderState) started(tx store.Tx, b *domain.Builder) {
	b.Reason, b.Errors = nil, nil
	if s.Agent != "" {
		b.Errors = []domain.ImageError{{Code: "INTERNAL_SERVICE_ERROR", Message: "The agent was not updated. " + s.Agent, At: tx.Now()}}
	}
}

// startRunning lets go of the slot: slots are for booting, which takes a
// processor; a guest that is up mostly waits.
func (w *World) startRunning(ctx context.Context, r *Run, s *builderState) error {
	asked, err := w.startDeploys(ctx, r.Job().Subject, s)
	if err == nil && !asked {
		err = w.moveBuilder(ctx, r.Job().Subject, s.Machine, domain.BuilderReady, "", s.started)
	}
	if err == nil {
		w.Slots.Release(s.Machine)
	}
	return err
}
