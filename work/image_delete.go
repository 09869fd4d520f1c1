package work

import (
	"context"
	"os"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

type deleteState struct{}

// imageDelete removes what an image has beside its row, then the row. The disk
// goes when nobody uses it any more.
func (w *World) imageDelete() Workflow {
	return Define(domain.FlowImageDelete, 1, []Step[deleteState]{
		{Name: "evidence", Do: func(_ context.Context, r *Run, _ *deleteState) error {
			if err := os.RemoveAll(w.evidenceDir(r.Job().Subject)); err != nil {
				return fault.Wrap(fault.Internal, err, "The image's evidence could not be removed.")
			}
			return nil
		}},
		{Name: "row", Do: w.deleteImageRow},
	})
}

func (w *World) deleteImageRow(ctx context.Context, r *Run, _ *deleteState) error {
	return w.Store.Update(ctx, func(tx store.Tx) error {
		img := new(domain.Image)
		if err := tx.Get(r.Job().Subject, img); fault.Is(err, fault.NotFound) || err == nil && img.State != domain.ImageDeleting {
			return nil // this step is being repeated, and the name is free or another's
		} else if err != nil {
			return err
		}
		return tx.Delete(img.Key)
	})
}
