package work

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"

	"slipway/disk"
	"slipway/disk/facts"
	"slipway/disk/rules"
	"slipway/domain"
	"slipway/fault"
)

// IconsDir is where pictures of applications are kept, named by their digest:
// copies and shares of an image show the same ones.
func IconsDir(dataDir string) string { return filepath.Join(dataDir, "icons") }

// importApps looks up the catalogue on the disk: findings about it, and the
// digest of each application's icon.
func (w *World) importApps(ctx context.Context, img *domain.Image, f *facts.Facts) (fs []rules.Finding, icons []string, err error) {
	if len(img.Catalog) == 0 || w.Apps == nil || f.OS == facts.Unknown {
		return nil, nil, nil
	}
	digest, err := disk.ParseDigest(img.Disk)
	if err != nil {
		return nil, nil, err
	}
	var apps []rules.App
	var ask []facts.App
	for _, a := range img.Catalog {
		q := facts.App{Path: a.Path, Icon: a.IconPath, Manifest: a.ManifestPath}
		apps, ask = append(apps, rules.App{Name: a.Name, App: q}), append(ask, q)
	}
	seen, err := w.Apps(ctx, w.Disks.Path(digest), ask)
	if err != nil {
		if ctx.Err() != nil || fault.Is(err, fault.Unavailable) {
			return nil, nil, err
		}
		return nil, nil, GiveUp(err)
	}
	icons = make([]string, len(img.Catalog))
	for i := range min(len(seen), len(icons)) {
		if len(seen[i].IconPNG) == 0 {
			continue
		}
		if icons[i], err = w.keepIcon(seen[i].IconPNG); err != nil {
			return nil, nil, err
		}
	}
	return rules.Applications(*f, apps, seen), icons, nil
}

// keepIcon stores a picture; repeatable.
func (w *World) keepIcon(b []byte) (string, error) {
	sum := sha256.Sum256(b)
	digest := hex.EncodeToString(sum[:])
	dir := IconsDir(w.DataDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fault.Wrap(fault.Internal, err, "An icon could not be stored.")
	}
	name := filepath.Join(dir, digest+".png")
	err := os.WriteFile(name+".new", b, 0o600)
	if err == nil {
		err = os.Rename(name+".new", name)
	}
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "An icon could not be stored.")
	}
	return digest, nil
}
