package backup

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sort"

	"slipway/disk"
	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// gathered is one moment of a data directory, kept readable.
type gathered struct {
	dir   string // has the copy of the store
	held  map[disk.Digest]*disk.Held
	order []disk.Digest
	lost  []disk.Digest // that something stands on and that cannot be read
	files []string      // paths below the data directory
}

// rounds is how often a moment is looked for in which all disks were held.
const rounds = 5

// gather finds one. A disk may be removed between the copy of the store and our
// holding it only when it was sealed after we looked first and is not used any
// more: so once more is nearly always enough.
func gather(ctx context.Context, o Options, work string) (*gathered, error) {
	g := &gathered{dir: filepath.Join(work, "store"), held: map[disk.Digest]*disk.Held{}}
	for round := 1; ; round++ {
		err := errors.Join(os.RemoveAll(g.dir), os.Mkdir(g.dir, 0o700), g.hold(o))
		if err == nil {
			err = o.Copy(ctx, o.DataDir, filepath.Join(g.dir, o.Database))
		}
		if err == nil {
			err = g.hold(o)
		}
		var need []disk.Digest
		var images []domain.Key
		if err == nil {
			need, images, err = needs(ctx, o, g.dir)
		}
		if err != nil {
			g.release()
			return nil, err
		}
		g.order, g.lost = nil, nil
		for _, d := range need {
			if g.held[d] != nil {
				g.order = append(g.order, d)
			} else {
				g.lost = append(g.lost, d)
			}
		}
		if len(g.lost) == 0 || round == rounds {
			g.drop()
			g.files, err = others(o.DataDir, images)
			return g, err
		}
	}
}

// hold opens every sealed disk that is not held yet.
func (g *gathered) hold(o Options) error {
	dir := filepath.Join(o.DataDir, disksDir)
	all, err := disk.SealedIn(dir)
	if err != nil {
		return err
	}
	for _, d := range all {
		if g.held[d] != nil {
			continue
		}
		h, err := disk.Hold(dir, d)
		if fault.Is(err, fault.NotFound) || damaged(err) {
			continue
		} else if err != nil {
			return err
		}
		g.held[d] = h
	}
	return nil
}

// drop lets go of what is not needed.
func (g *gathered) drop() {
	needed := map[disk.Digest]bool{}
	for _, d := range g.order {
		needed[d] = true
	}
	for d, h := range g.held {
		if !needed[d] {
			h.Release()
			delete(g.held, d)
		}
	}
}

func (g *gathered) release() {
	for _, h := range g.held {
		h.Release()
	}
}

// needs lists the disks that something in a copied store stands on, and the
// images. Rows of disks that nothing stands on are taken out of the copy: their
// files will not be in the backup.
func needs(ctx context.Context, o Options, dir string) (disks []disk.Digest, images []domain.Key, err error) {
	st, err := o.Open(dir)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	err = st.Update(ctx, func(tx store.Tx) error {
		rows, err := store.List[domain.Disk](tx, store.Query{Kind: domain.KindDisk})
		if err != nil {
			return err
		}
		for _, n := range rows {
			users, err := tx.Referrers(n.Key)
			if err != nil {
				return err
			}
			d, err := disk.ParseDigest(n.Key.Name)
			switch {
			case err == nil && len(users) > 0:
				disks = append(disks, d)
			default:
				if err := tx.Delete(n.Key); err != nil {
					return err
				}
			}
		}
		return tx.Query(store.Query{Kind: domain.KindImage}, func(r store.Row) (bool, error) {
			images = append(images, r.Key())
			return true, nil
		})
	})
	return disks, images, err
}

// others lists the other files worth keeping: certificates, the audit log, and
// the evidence of images.
func others(dataDir string, images []domain.Key) ([]string, error) {
	roots := []string{"tls", "audit"}
	for _, k := range images {
		roots = append(roots, filepath.Join("evidence", k.Account, k.Region, k.Name))
	}
	var out []string
	for _, root := range roots {
		err := filepath.WalkDir(filepath.Join(dataDir, root), func(path string, e fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil || !e.Type().IsRegular() {
				return err
			}
			rel, err := filepath.Rel(dataDir, path)
			out = append(out, filepath.ToSlash(rel))
			return err
		})
		if err != nil {
			return nil, failed(err)
		}
	}
	sort.Strings(out)
	return out, nil
}
