package work

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"slipway/disk"
	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

type copyState struct{}

// imageCopy finishes a copy: the copy refers to the source's sealed disk, so no
// block moves; what is copied is the record of how the guest was proved.
func (w *World) imageCopy() Workflow {
	return Define(domain.FlowImageCopy, 1, []Step[copyState]{
		{Name: "disk", Do: w.copyCheck, Undo: w.copyFailed},
		{Name: "evidence", Do: w.copyEvidence, Undo: w.copyDropEvidence},
		{Name: "publish", Do: w.copyPublish, NoReturn: true},
	})
}

func (w *World) copyCheck(ctx context.Context, r *Run, _ *copyState) error {
	img, err := read[domain.Image](ctx, w.Store, r.Job().Subject)
	if err != nil {
		return err
	}
	d, err := disk.ParseDigest(img.Disk)
	if err != nil {
		return err
	}
	if _, err := os.Stat(w.Disks.Path(d)); errors.Is(err, os.ErrNotExist) {
		return GiveUp(fault.Wrap(fault.NotAvailable, err, "The disk of the image is not there any more."))
	} else if err != nil {
		return fault.Wrap(fault.Unavailable, err, "The disk of the image could not be looked at.")
	}
	return nil
}

// copyFailed says on the copy why it failed; it holds no disk then.
func (w *World) copyFailed(ctx context.Context, r *Run, _ *copyState) error {
	key := r.Job().Subject
	why := fault.Public(r.Cause())
	return conclude(ctx, w.Store, r.Job(), domain.ImageBroke, why, func(tx store.Tx, img *domain.Image) error {
		img.Reason = &domain.StateReason{Code: "IMAGE_COPY_FAILURE", Message: why}
		img.Evidence = domain.Evidence{}
		return tx.Unrefer(key, domain.DiskKey(img.Disk))
	})
}

// copyEvidence gives the copy its own pictures and logs: the source's go with
// the source. What the source has lost by now, the copy never has.
func (w *World) copyEvidence(ctx context.Context, r *Run, _ *copyState) error {
	key := r.Job().Subject
	img, err := read[domain.Image](ctx, w.Store, key)
	if err != nil {
		return err
	}
	shot, err := w.copyFile(key, img.Evidence.Screenshot)
	if err != nil {
		return err
	}
	serial, err := w.copyFile(key, img.Evidence.SerialLog)
	if err != nil {
		return err
	}
	_, err = edit(ctx, w.Store, key, func(_ store.Tx, img *domain.Image) error {
		img.Evidence.Screenshot, img.Evidence.SerialLog = shot, serial
		return nil
	})
	return err
}

// copyFile copies a file into an image's evidence and says where it is then.
func (w *World) copyFile(key domain.Key, path string) (string, error) {
	if path == "" {
		return "", nil
	}
	to := filepath.Join(w.evidenceDir(key), filepath.Base(path))
	if path == to {
		return to, nil // this step ran before
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o700)
	}
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		return "", fmt.Errorf("copy evidence: %w", err)
	}
	return to, nil
}

func (w *World) copyDropEvidence(_ context.Context, r *Run, _ *copyState) error {
	if err := os.RemoveAll(w.evidenceDir(r.Job().Subject)); err != nil {
		return fault.Wrap(fault.Internal, err, "The copy's evidence could not be removed.")
	}
	return nil
}

func (w *World) copyPublish(ctx context.Context, r *Run, _ *copyState) error {
	return conclude[domain.Image](ctx, w.Store, r.Job(), domain.ImageReady, "", nil)
}
