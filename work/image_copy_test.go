package work_test

import (
	"os"
	"path/filepath"
	"testing"

	"slipway/domain"
	"slipway/store"
	"slipway/work/worktest"
)

// copied plants a copy of an image whose evidence is one picture.
func (r *rig) copied(name string) (key domain.Key, picture string) {
	picture = filepath.Join(r.dir, "picture.png")
	if err := os.WriteFile(picture, []byte("a picture"), 0o600); err != nil {
		r.t.Fatal(err)
	}
	img := &domain.Image{Type: "CUSTOM", Visibility: "PRIVATE", Disk: r.digest.String(), DiskBytes: 1 << 30, Evidence: domain.Evidence{Screenshot: picture}}
	img.Key = domain.Key{Scope: domain.Scope{Account: scope.Account, Region: "eu-central-1"}, Kind: domain.KindImage, Name: name}
	r.update(func(tx store.Tx) error {
		if err := tx.Insert(img); err != nil {
			return err
		}
		if err := tx.Refer(img.Key, domain.DiskKey(img.Disk)); err != nil {
			return err
		}
		if _, err := tx.Move(img.Key, domain.ImageCopyBegun, "", nil); err != nil {
			return err
		}
		return r.enqueue(tx, domain.FlowImageCopy, img.Key)
	})
	return img.Key, picture
}

func TestImageCopySurvives(t *testing.T) {
	worktest.All(t, func(t testing.TB) *worktest.World {
		r := newRig(t)
		r.sealed()
		key, picture := r.copied("copy")
		return r.harness(r.jobOf(key), func(t testing.TB) {
			img := get[domain.Image](t, r.store, key)
			if img.State != domain.ImageAvailable || img.Evidence.Screenshot == picture {
				t.Errorf("copy: %+v", img)
			}
			if b, err := os.ReadFile(img.Evidence.Screenshot); err != nil || string(b) != "a picture" {
				t.Errorf("picture: %q %v", b, err)
			}
			r.disks(t, 1)
		}, func(t testing.TB) {
			img := get[domain.Image](t, r.store, key)
			if img.State != domain.ImageFailed || img.Reason == nil || img.Reason.Code != "IMAGE_COPY_FAILURE" {
				t.Errorf("copy: %+v", img)
			}
			if _, err := os.Stat(filepath.Join(r.dir, "evidence", key.Account, key.Region, key.Name)); !os.IsNotExist(err) {
				t.Errorf("evidence left: %v", err)
			}
			r.disks(t, 1)
		})
	})
}
