package work

import (
	"context"
	"strings"

	"slipway/disk"
	"slipway/disk/facts"
	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// makingState is shared by the steps that make an image of a builder.
type makingState struct {
	Builder domain.Key
	Machine string
	Off     bool // its guest has shut down for the image
	Digest  string
}

// builderImage makes an image of what an administrator did in a builder: the guest
// shuts down, what it changed is put together with the disk below into a sealed
// disk, and the builder is STOPPED with all that it had. The job's subject is the
// image. When it fails before the guest was off, the builder runs on.
func (w *World) builderImage() Workflow {
	return Define(domain.FlowBuilderImage, 1, []Step[makingState]{
		{Name: "begin", Do: w.makingBegin, Undo: w.makingFailed},
		{Name: "shutdown", Do: w.makingShutdown},
		{Name: "machine", Do: w.makingMachine},
		{Name: "seal", Do: w.makingSeal, Undo: w.makingUnseal},
		{Name: "inspect", Do: w.makingInspect},
		{Name: "publish", Do: w.makingPublish, NoReturn: true},
	})
}

func (w *World) makingBegin(ctx context.Context, r *Run, s *makingState) error {
	b, err := w.makingBuilder(ctx, r)
	if err == nil {
		s.Builder, s.Machine = b.Key, b.Machine
	}
	return err
}

// makingBuilder finds the builder of a job whose state may be empty yet.
func (w *World) makingBuilder(ctx context.Context, r *Run) (*domain.Builder, error) {
	img, err := read[domain.Image](ctx, w.Store, r.Job().Subject)
	if err != nil {
		return nil, err
	}
	return read[domain.Builder](ctx, w.Store, domain.Key{Scope: img.Key.Scope, Kind: domain.KindBuilder, Name: img.Builder})
}

// makingFailed is the undo of the first step, hence the last thing that runs: the
// image says why it failed, and the builder is what its machine is. One that died
// meanwhile is told as RUNNING for a moment, until the watcher looks at it.
func (w *World) makingFailed(ctx context.Context, r *Run, s *makingState) error {
	if s.Machine == "" {
		b, err := w.makingBuilder(ctx, r)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		} else if err == nil {
			s.Builder, s.Machine = b.Key, b.Machine
		}
	}
	on := domain.BuilderReady
	if s.Off {
		on = domain.BuilderOff
	}
	if s.Machine != "" {
		if err := w.moveBuilder(ctx, s.Builder, s.Machine, on, "", nil); err != nil {
			return err
		}
	}
	why := fault.Public(r.Cause())
	return conclude(ctx, w.Store, r.Job(), domain.ImageBroke, why, func(_ store.Tx, img *domain.Image) error {
		img.Reason = &domain.StateReason{Code: "INTERNAL_ERROR", Message: why}
		return nil
	})
}

// makingShutdown wants the guest to shut down by itself: what a machine that was
// cut off has not written yet would be missing in the image.
func (w *World) makingShutdown(ctx context.Context, r *Run, s *makingState) error {
	r.Progress(0, 0, "shutting the guest down")
	off, cancel := context.WithTimeout(ctx, w.Boot.filled(w.Driver.Features().Accel).Off)
	defer cancel()
	err := w.Driver.Shutdown(off, s.Machine)
	if fault.Is(err, fault.NotFound) {
		return GiveUp(fault.Wrap(fault.NotAvailable, err, "The image builder's machine has ended before its guest was shut down."))
	}
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return GiveUp(fault.Wrap(fault.NotAvailable, err, "The guest of the image builder did not shut down in time.").
			WithHint("Close what holds it up and try again, or shut it down from inside, start the image builder and create the image then."))
	}
	s.Off = true
	return nil
}

func (w *World) makingMachine(ctx context.Context, _ *Run, s *makingState) error {
	shot, serial, err := w.keepFiles(ctx, s.Machine, w.builderDir(s.Machine), nil)
	if err != nil {
		return err
	}
	err = w.editBuilder(ctx, s.Builder, s.Machine, func(_ store.Tx, b *domain.Builder) {
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
	if err := w.Driver.Destroy(ctx, s.Machine); err != nil {
		return err
	}
	w.Slots.Release(s.Machine)
	return nil
}

// uploadOf is the id under which a job puts a disk together: derived, so that what
// is left over can be told from what is still wanted.
func uploadOf(jobID string) string { return uploadPrefix + strings.TrimPrefix(jobID, "job-") }

const uploadPrefix = "job-disk-"

func (w *World) makingSeal(ctx context.Context, r *Run, s *makingState) error {
	id := uploadOf(r.Job().ID)
	_, _, size, err := w.Disks.Overlay(s.Machine)
	if err != nil {
		return GiveUp(err)
	}
	if err := w.Disks.CreateUpload(ctx, id, size/disk.BlockSize); err != nil {
		return err
	}
	in, err := w.Disks.Upload(id)
	if err == nil && in.Sealed.IsZero() {
		err = w.Disks.FillFromOverlay(ctx, id, s.Machine, func(done, total int64) { r.Progress(done, total, "copying the disk") })
	}
	if err != nil {
		return err
	}
	var sealed sealState
	if err := w.sealUpload(ctx, r, id, r.Job().Subject, &sealed); err != nil {
		return err
	}
	s.Digest = sealed.Digest
	_, err = edit(ctx, w.Store, r.Job().Subject, func(_ store.Tx, img *domain.Image) error {
		img.Disk, img.DiskBytes = sealed.Digest, sealed.Bytes
		return nil
	})
	return err
}

// makingUnseal lets go of the disk, which the collector removes then.
func (w *World) makingUnseal(ctx context.Context, r *Run, _ *makingState) error {
	err := w.Store.Update(ctx, func(tx store.Tx) error {
		img := new(domain.Image)
		if err := tx.Get(r.Job().Subject, img); err != nil {
			return err
		}
		refs, err := tx.References(img.Key)
		for _, to := range refs {
			if err == nil && to.Kind == domain.KindDisk {
				err = tx.Unrefer(img.Key, to)
			}
		}
		if err != nil {
			return err
		}
		img.Disk, img.DiskBytes = "", 0
		return tx.Put(img)
	})
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	return w.Disks.DropUpload(ctx, uploadOf(r.Job().ID))
}

// makingInspect looks into the new disk. What is not found on it fails nothing:
// the builder's guest has checked what it was told, and it is its administrator's
// image.
func (w *World) makingInspect(ctx context.Context, r *Run, s *makingState) error {
	r.Progress(0, 0, "looking into the disk")
	f, _, err := w.facts(ctx, s.Digest)
	if err != nil {
		return err
	}
	if f == nil {
		f = &facts.Facts{OS: facts.Unknown}
	}
	img, err := read[domain.Image](ctx, w.Store, r.Job().Subject)
	if err != nil {
		return err
	}
	seen, icons, err := w.importApps(ctx, img, f)
	if err != nil {
		return err
	}
	_, err = edit(ctx, w.Store, img.Key, func(_ store.Tx, img *domain.Image) error {
		img.Findings = nil
		for _, x := range seen {
			img.Findings = append(img.Findings, finding(x))
		}
		for i := range icons {
			img.Catalog[i].Icon = icons[i]
		}
		return nil
	})
	return err
}

// makingPublish tells the outcome: the image AVAILABLE and the builder STOPPED, in
// one moment.
func (w *World) makingPublish(ctx context.Context, r *Run, s *makingState) error {
	err := w.Store.Update(ctx, func(tx store.Tx) error {
		b := new(domain.Builder)
		err := tx.Get(s.Builder, b)
		if err == nil && b.Machine == s.Machine && b.State == domain.BuilderSnapshotting {
			_, err = tx.Move(b.Key, domain.BuilderOff, "", b)
		}
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		img := new(domain.Image)
		if err := tx.Get(r.Job().Subject, img); err != nil {
			return err
		}
		if img.State != domain.ImagePending || img.Created.After(r.Job().Created) {
			return nil // this step is being repeated
		}
		_, err = tx.Move(img.Key, domain.ImageReady, "", img)
		return err
	})
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	return w.Disks.DropUpload(ctx, uploadOf(r.Job().ID))
}
