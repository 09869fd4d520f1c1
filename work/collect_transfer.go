package work

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"slipway/domain"
	"slipway/store"
)

// transfers removes what tasks that have ended kept on this machine.
func (c *Collector) transfers(ctx context.Context) error {
	dir := filepath.Join(c.World.DataDir, transfersDir)
	left, err := os.ReadDir(dir)
	if err != nil {
		return ignoreMissing(err)
	}
	for _, e := range left {
		n := 0
		for _, k := range []domain.Kind{domain.KindImportImage, domain.KindImportSnapshot, domain.KindExportImage} {
			err = errors.Join(err, c.World.Store.View(ctx, func(tx store.Tx) error {
				have, err := tx.Count(store.Query{Kind: k, Names: []string{e.Name()}, States: []domain.State{domain.TaskActive, domain.TaskDeleting}})
				n += have
				return err
			}))
		}
		if err == nil && n == 0 {
			err = os.RemoveAll(filepath.Join(dir, e.Name()))
		}
	}
	return err
}
