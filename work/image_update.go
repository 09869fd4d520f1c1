package work

import (
	"context"
	"fmt"
	"os"
	"slices"

	"slipway/compute"
	"slipway/domain"
	"slipway/fault"
	"slipway/guest"
	"slipway/store"
)

// updateState is shared by the steps that update an image.
type updateState struct {
	makingState
	Overlay string
	Before  []string // what was pending at first
	Tool    string   // the version of the guest tool that the new image has
}

// imageUpdate makes a new image: the old one's guest, updated on a builder of the
// service's own, booted once more to see that it still works, sealed. The job's
// subject is the new image. When it fails, the image says so and nothing else is
// left.
func (w *World) imageUpdate() Workflow {
	return Define(domain.FlowImageUpdate, 1, []Step[updateState]{
		{Name: "begin", Do: w.updateBegin, Undo: w.updateFailed},
		{Name: "disk", Do: w.updateDisk, Undo: w.updateDropDisk},
		{Name: "update", Do: w.updateGuest, Undo: w.updateDropMachine},
		{Name: "qualify", Do: w.updateQualify},
		{Name: "shutdown", Do: func(ctx context.Context, r *Run, s *updateState) error {
			return w.makingShutdown(ctx, r, &s.makingState)
		}},
		{Name: "machine", Do: func(ctx context.Context, r *Run, s *updateState) error {
			return w.makingMachine(ctx, r, &s.makingState)
		}},
		{Name: "seal", Do: func(ctx context.Context, r *Run, s *updateState) error { return w.makingSeal(ctx, r, &s.makingState) },
			Undo: func(ctx context.Context, r *Run, s *updateState) error { return w.makingUnseal(ctx, r, &s.makingState) }},
		{Name: "inspect", Do: func(ctx context.Context, r *Run, s *updateState) error {
			return w.makingInspect(ctx, r, &s.makingState)
		}},
		{Name: "publish", Do: w.updatePublish, NoReturn: true},
		{Name: "clean", Do: w.updateClean, NoReturn: true},
	})
}

// updater finds the builder of a job whose state may be empty yet.
func (w *World) updater(ctx context.Context, r *Run) (*domain.Builder, error) {
	img, err := read[domain.Image](ctx, w.Store, r.Job().Subject)
	if err != nil {
		return nil, err
	}
	return read[domain.Builder](ctx, w.Store, domain.Key{Scope: img.Key.Scope, Kind: domain.KindBuilder, Name: img.Updater})
}

func (w *World) updateBegin(ctx context.Context, r *Run, s *updateState) error {
	b, err := w.updater(ctx, r)
	if err != nil {
		return err
	}
	s.Builder, s.Machine = b.Key, b.Machine
	return move[domain.Image](ctx, w.Store, r.Job().Subject, domain.ImageUpdateBegun, "", nil)
}

// updateText is what AWS says of an update that failed (developer guide,
// "Notification codes").
func updateText(image string) string {
	return fmt.Sprintf("AppStream 2.0 could not update image %s. Failed to update the operating system. Check your source image and try again. "+
		"If this problem persists, contact AWS Support.", image)
}

// updateFailed is the undo of the first step, hence the last thing that runs.
func (w *World) updateFailed(ctx context.Context, r *Run, _ *updateState) error {
	why := fault.Public(r.Cause())
	return conclude(ctx, w.Store, r.Job(), domain.ImageBroke, why, func(tx store.Tx, img *domain.Image) error {
		img.Reason = &domain.StateReason{Code: "IMAGE_UPDATE_FAILURE", Message: why}
		img.Errors = []domain.ImageError{{Code: "INTERNAL_SERVICE_ERROR", Message: updateText(img.Key.Name), At: tx.Now()}}
		return dropUpdater(tx, img)
	})
}

// dropUpdater removes the builder that updated an image.
func dropUpdater(tx store.Tx, img *domain.Image) error {
	b := new(domain.Builder)
	err := tx.Get(domain.Key{Scope: img.Key.Scope, Kind: domain.KindBuilder, Name: img.Updater}, b)
	img.Updater = ""
	if fault.Is(err, fault.NotFound) || err == nil && b.Updates != img.Key.Name {
		return nil
	} else if err != nil {
		return err
	}
	return dropBuilder(tx, b)
}

func (w *World) updateDisk(ctx context.Context, r *Run, s *updateState) error {
	b, err := w.updater(ctx, r)
	if err != nil {
		return err
	}
	base, err := baseOf(b.Disk)
	if err != nil {
		return err
	}
	// The new image is as large as the old one; an empty disk, where machines are
	// not real, is small.
	if s.Overlay, err = w.Disks.CreateOverlay(ctx, s.Machine, base, max(b.DiskBytes, 1<<30)); err != nil {
		return err
	}
	if err := os.MkdirAll(w.boardDir(s.Machine), 0o700); err != nil {
		return fault.Wrap(fault.Unavailable, err, "The builder's directory could not be made.")
	}
	return nil
}

func (w *World) updateDropDisk(ctx context.Context, _ *Run, s *updateState) error {
	if s.Machine == "" {
		return nil
	}
	if err := w.Disks.RemoveOverlay(ctx, s.Machine); err != nil {
		return err
	}
	if err := os.RemoveAll(w.builderDir(s.Machine)); err != nil {
		return fault.Wrap(fault.Internal, err, "The builder's directory could not be removed.")
	}
	return nil
}

func (w *World) updateDropMachine(ctx context.Context, _ *Run, s *updateState) error {
	if s.Machine == "" {
		return nil
	}
	if err := w.Driver.Destroy(ctx, s.Machine); err != nil {
		return err
	}
	w.Slots.Release(s.Machine)
	return nil
}

// updateUp brings the guest up, unless it is.
func (w *World) updateUp(ctx context.Context, r *Run, s *updateState, l ladder) error {
	b, err := w.updater(ctx, r)
	if err != nil {
		return err
	}
	spec, err := w.builderSpec(ctx, b, s.Overlay)
	if err != nil {
		return err
	}
	r.Progress(0, 0, "waiting for room to boot a guest")
	if err := w.Slots.Take(ctx, s.Machine); err != nil {
		return err
	}
	r.Progress(0, 0, "starting the guest")
	if _, err := w.Driver.Start(ctx, spec); err != nil {
		return err
	}
	if err := w.climb(ctx, r, s.Machine, l); err != nil {
		return err
	}
	w.Slots.Release(s.Machine)
	return nil
}

// updateLadder is what the guest has to show before it is updated: the builder's
// own evidence, begun anew with each start.
func (w *World) updateLadder(ctx context.Context, s *updateState) (ladder, error) {
	err := w.editBuilder(ctx, s.Builder, s.Machine, func(_ store.Tx, b *domain.Builder) { b.Evidence = domain.Evidence{} })
	return ladder{
		rungs:   []domain.Rung{{Name: rungHandedOver, Needed: true}, {Name: rungNetwork}, {Name: rungDisplay, Needed: true}},
		display: rungHandedOver, retry: "update the image again", dir: w.builderDir(s.Machine),
		load: func(ctx context.Context) (domain.Evidence, error) {
			b, err := read[domain.Builder](ctx, w.Store, s.Builder)
			return b.Evidence, err
		},
		edit: func(ctx context.Context, change func(*domain.Evidence)) error {
			return w.editBuilder(ctx, s.Builder, s.Machine, func(_ store.Tx, b *domain.Builder) { change(&b.Evidence) })
		},
	}, err
}

// updateRounds is how often a guest is updated and started anew: what one update
// brings may have updates of its own.
const updateRounds = 4

func (w *World) updateGuest(ctx context.Context, r *Run, s *updateState) error {
	for round := 1; ; round++ {
		l, err := w.updateLadder(ctx, s)
		if err != nil {
			return err
		}
		if err := w.updateUp(ctx, r, s, l); err != nil {
			return err
		}
		var left []string
		var reboot bool
		err = w.talk(ctx, s.Machine, func(ctx context.Context, o *guest.Orders, tool guest.Greeting) error {
			u, err := w.updates(ctx, o, tool)
			if err != nil {
				return err
			}
			r.Progress(0, 0, "asking the guest what is pending")
			if left, err = u.pending(ctx); err != nil {
				return err
			}
			if len(left) == 0 {
				return w.updateItsTool(ctx, r, s, o, tool)
			}
			if round == 1 {
				s.Before = left
			}
			r.Progress(0, 0, "updating: "+several(left))
			if reboot, err = u.install(ctx); err != nil || reboot {
				return err
			}
			if left, err = u.pending(ctx); err != nil || len(left) > 0 {
				return err
			}
			return w.updateItsTool(ctx, r, s, o, tool)
		})
		switch {
		case err != nil:
			return err
		case len(left) == 0 && !reboot:
			return nil
		case round == updateRounds:
			return GiveUp(fault.New(fault.Incompatible, "After %d rounds of updates there are still some pending: %s.", round, several(left)))
		}
		if err := w.updateOff(ctx, r, s); err != nil {
			return err
		}
	}
}

// updateItsTool brings the guest tool of what will be the new image up to date.
func (w *World) updateItsTool(ctx context.Context, r *Run, s *updateState, o *guest.Orders, tool guest.Greeting) error {
	done, err := w.updateTool(ctx, r, o, tool)
	if s.Tool = plain(tool.Tool); done {
		_, s.Tool = w.Tool(tool.System)
	}
	return err
}

// updateOff powers the guest off for the next start; only the last time must be
// clean, but a guest that is cut off may lose what it was just given.
func (w *World) updateOff(ctx context.Context, r *Run, s *updateState) error {
	if err := w.makingShutdown(ctx, r, &s.makingState); err != nil {
		return err
	}
	s.Off = false
	return w.updateDropMachine(ctx, r, s)
}

// updateQualify boots what was updated once more and climbs the whole ladder: the
// new image's evidence.
func (w *World) updateQualify(ctx context.Context, r *Run, s *updateState) error {
	if err := w.moveBuilder(ctx, s.Builder, s.Machine, domain.BuilderQualify, "", nil); err != nil {
		return err
	}
	if st, err := w.Driver.Status(ctx, s.Machine); err != nil {
		return err
	} else if st.State != compute.Gone {
		if err := w.updateOff(ctx, r, s); err != nil {
			return err
		}
	}
	if _, err := edit(ctx, w.Store, r.Job().Subject, func(_ store.Tx, img *domain.Image) error { img.Evidence = domain.Evidence{}; return nil }); err != nil {
		return err
	}
	l := w.fullLadder(r.Job().Subject)
	l.retry = "update the image again"
	if err := w.updateUp(ctx, r, s, l); err != nil {
		return err
	}
	return w.talk(ctx, s.Machine, func(ctx context.Context, o *guest.Orders, tool guest.Greeting) error {
		u, err := w.updates(ctx, o, tool)
		if err != nil {
			return err
		}
		left, err := u.pending(ctx)
		if err != nil {
			return err
		}
		// What was published meanwhile is for the next update.
		left = slices.DeleteFunc(left, func(x string) bool { return !slices.Contains(s.Before, x) })
		if len(left) > 0 {
			return fault.New(fault.Incompatible, "The update did not last: after a restart there is still pending %s.", several(left))
		}
		return nil
	})
}

// updatePublish tells the outcome: the image AVAILABLE, and its builder gone.
func (w *World) updatePublish(ctx context.Context, r *Run, s *updateState) error {
	err := conclude(ctx, w.Store, r.Job(), domain.ImageReady, "", func(tx store.Tx, img *domain.Image) error {
		img.Reason, img.Errors = nil, nil
		if s.Tool != "" {
			img.AgentVersion = s.Tool
		}
		return dropUpdater(tx, img)
	})
	if err != nil {
		return err
	}
	return w.Disks.DropUpload(ctx, uploadOf(r.Job().ID))
}

func (w *World) updateClean(ctx context.Context, r *Run, s *updateState) error {
	return w.updateDropDisk(ctx, r, s)
}
