package work_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway/disk/facts"
	"slipway/domain"
	"slipway/work"
	"slipway/work/worktest"
)

// An application that is not on the disk fails the import and is named; one
// that is gets its picture.
func TestCatalogueIsLookedUp(t *testing.T) {
	for name, found := range map[string]bool{"there": true, "gone": false} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.world.Apps = func(_ context.Context, path string, apps []facts.App) ([]facts.AppSeen, error) {
				if len(apps) != 1 || apps[0].Path != `C:\a.exe` || path == "" {
					t.Errorf("asked for %+v on %q", apps, path)
				}
				return []facts.AppSeen{{Found: found, IconPNG: []byte("a picture")}}, nil
			}
			r.sealed()
			key := r.imported("img", func(i *domain.Image) { i.Catalog = []domain.Application{{Name: "Anna", Path: `C:\a.exe`}} })
			worktest.Run(t, r.harness(r.jobOf(key), nil, nil), nil, nil)
			img := get[domain.Image](t, r.store, key)
			if !found {
				if img.State != domain.ImageFailed || len(img.Errors) != 1 || !strings.Contains(img.Errors[0].Message, `Anna is not on the disk: C:\a.exe`) {
					t.Errorf("%s %+v", img.State, img.Errors)
				}
				return
			}
			b, err := os.ReadFile(filepath.Join(work.IconsDir(r.world.DataDir), img.Catalog[0].Icon+".png"))
			if img.State != domain.ImageAvailable || err != nil || string(b) != "a picture" {
				t.Errorf("%s %v %q", img.State, err, b)
			}
		})
	}
}
