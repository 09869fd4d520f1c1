package work

import (
	"context"
	"os"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// builderStop puts a builder's machine away and keeps what it wrote. Its end is
// STOPPED, or FAILED when the machine had ended by itself for a reason that is
// written on the builder. There is no way back from the first step: a guest that
// was told to power off will.
func (w *World) builderStop() Workflow {
	return Define(domain.FlowBuilderStop, 1, []Step[builderState]{
		{Name: "shutdown", Do: w.stopShutdown, NoReturn: true},
		{Name: "machine", Do: w.stopMachine, NoReturn: true},
		{Name: "stopped", Do: w.stopStopped, NoReturn: true},
	})
}

func (w *World) stopShutdown(ctx context.Context, r *Run, s *builderState) error {
	b, err := read[domain.Builder](ctx, w.Store, r.Job().Subject)
	if err != nil {
		return err
	}
	s.Machine = b.Machine
	r.Progress(0, 0, "powering the guest off")
	limits := w.Boot.filled(w.Driver.Features().Accel)
	off, cancel := context.WithTimeout(ctx, limits.Off)
	defer cancel()
	if err := w.Driver.Shutdown(off, s.Machine); err != nil && ctx.Err() == nil && !fault.Is(err, fault.NotFound) {
		r.Log.Info("guest did not power off", "machine", s.Machine, "error", err)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

func (w *World) stopMachine(ctx context.Context, r *Run, s *builderState) error {
	shot, serial, err := w.keepFiles(ctx, s.Machine, w.builderDir(s.Machine), nil)
	if err != nil {
		return err
	}
	err = w.editBuilder(ctx, r.Job().Subject, s.Machine, func(_ store.Tx, b *domain.Builder) {
		if shot != "" {
			b.Evidence.Screenshot = shot
		}
		if serial != "" {
			b.Evidence.SerialLog = serial
		}
	})
	if err != nil {
		return err
	}
	return w.startDropMachine(ctx, r, s)
}

func (w *World) stopStopped(ctx context.Context, r *Run, s *builderState) error {
	b, err := read[domain.Builder](ctx, w.Store, r.Job().Subject)
	if fault.Is(err, fault.NotFound) {
		return nil // deleted since: this step is being repeated
	} else if err != nil {
		return err
	}
	if b.Reason != nil {
		return w.moveBuilder(ctx, b.Key, s.Machine, domain.BuilderBroke, b.Reason.Message, nil)
	}
	return w.moveBuilder(ctx, b.Key, s.Machine, domain.BuilderOff, "", nil)
}

// builderDelete removes all that a builder has, its row last. The image and its
// disk may go from then on.
func (w *World) builderDelete() Workflow {
	return Define(domain.FlowBuilderDelete, 1, []Step[builderState]{
		{Name: "machine", Do: w.deleteMachine, NoReturn: true},
		{Name: "disk", Do: w.deleteDisk, NoReturn: true},
		{Name: "row", Do: w.deleteRow, NoReturn: true},
	})
}

func (w *World) deleteMachine(ctx context.Context, r *Run, s *builderState) error {
	b, err := read[domain.Builder](ctx, w.Store, r.Job().Subject)
	if err != nil {
		return err
	}
	s.Machine = b.Machine
	return w.startDropMachine(ctx, r, s)
}

func (w *World) deleteDisk(ctx context.Context, _ *Run, s *builderState) error {
	if err := w.Disks.RemoveOverlay(ctx, s.Machine); err != nil {
		return err
	}
	if err := os.RemoveAll(w.builderDir(s.Machine)); err != nil {
		return fault.Wrap(fault.Internal, err, "The builder's directory could not be removed.")
	}
	return nil
}

func (w *World) deleteRow(ctx context.Context, r *Run, s *builderState) error {
	return w.Store.Update(ctx, func(tx store.Tx) error {
		b := new(domain.Builder)
		if err := tx.Get(r.Job().Subject, b); fault.Is(err, fault.NotFound) || err == nil && b.Machine != s.Machine {
			return nil // this step is being repeated
		} else if err != nil {
			return err
		}
		return dropBuilder(tx, b)
	})
}

// dropBuilder removes a builder's row with those of its software.
func dropBuilder(tx store.Tx, b *domain.Builder) error {
	all, err := softwareOf(tx, b)
	for _, n := range all {
		if err == nil {
			err = tx.Delete(n.Key)
		}
	}
	if err != nil {
		return err
	}
	return tx.Delete(b.Key)
}
