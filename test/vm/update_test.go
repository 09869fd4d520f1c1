package vm

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"

	"slipway/api/admin/adminapi"
	"slipway/test/rig"
)

var long = flag.Bool("long", false, "also run tests that boot many guests")

// hello is the package of the repository; no disk has it before.
const hello = "#!/bin/sh\necho hello from the test repository\n"

// repository is one package in one version.
func repository(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/latest":
		fmt.Fprint(w, "hello-2.0")
	case "/hello-2.0":
		fmt.Fprint(w, hello)
	default:
		http.NotFound(w, r)
	}
}

// updateCommands is how the sample guest, which has no package manager, gets what
// the repository has: an operator's file. %s is the repository.
const updateCommands = `[{
  "name": "the test repository", "system": "linux",
  "applies": "test -d /disk/var/lib",
  "pending": "n=0; until ip route | grep -q default; do n=$((n+1)); [ $n -lt 60 ] || exit 1; sleep 1; done; v=$(timeout 30 wget -q -O - http://%[1]s/latest) || exit 1; [ \"$v\" = \"$(cat /disk/var/lib/hello.version 2>/dev/null)\" ] || echo $v",
  "update": "set -e; v=$(timeout 30 wget -q -O - http://%[1]s/latest); mkdir -p /disk/usr/bin; timeout 30 wget -q -O /disk/usr/bin/hello http://%[1]s/$v; chmod 755 /disk/usr/bin/hello; echo $v > /disk/var/lib/hello.version; sync",
  "reboot": "test -e /disk/reboot-required"
}]`

// TestImageUpdate: a guest with a package pending at a repository. The new image has
// it and the old one not; dryRun knows before and after. Four boots.
func TestImageUpdate(t *testing.T) {
	if !*long {
		t.Skip("boots four guests: make long")
	}
	world := elsewhere(t, repository)
	commands := filepath.Join(t.TempDir(), "updates.json")
	if err := os.WriteFile(commands, fmt.Appendf(nil, updateCommands, world), 0o600); err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, "--import-rules", "open", patient, "--guest-allow", world.Addr().String(), "--update-commands", commands)
	h.unproven("old", "linux")

	if got, err := h.onDisk("old", "/etc/hostname"); got != "slipway-guest\n" {
		t.Fatalf("the old image's disk cannot be read: %q, %v", got, err)
	}
	if got, err := h.onDisk("old", "/usr/bin/hello"); got != "" {
		t.Fatalf("the old image's disk, before: %q, %v", got, err)
	}
	if !h.canUpdate("old") {
		t.Error("nothing is pending in the old image")
	}
	out, err := h.app.CreateUpdatedImage(t.Context(), &appstream.CreateUpdatedImageInput{ExistingImageName: aws.String("old"), NewImageName: aws.String("new")})
	h.ok(err)
	if !aws.ToBool(out.CanUpdateImage) || out.Image == nil || out.Image.State != types.ImageStatePending {
		t.Fatalf("%+v", out)
	}
	builders, err := h.app.DescribeImageBuilders(t.Context(), &appstream.DescribeImageBuildersInput{})
	h.ok(err)
	if len(builders.ImageBuilders) != 1 || builders.ImageBuilders[0].State != types.ImageBuilderStateUpdating {
		t.Fatalf("%+v", builders.ImageBuilders)
	}
	_, err = h.app.DeleteImageBuilder(t.Context(), &appstream.DeleteImageBuilderInput{Name: builders.ImageBuilders[0].Name})
	var refused *types.OperationNotPermittedException
	if !errors.As(err, &refused) {
		t.Errorf("the service's builder could be deleted: %v", err)
	}
	updated := h.image("new")
	if len(updated.Evidence.Rungs) == 0 || updated.Evidence.Screenshot == "" {
		t.Errorf("no evidence of the qualification: %+v", updated.Evidence)
	}
	if got, err := h.onDisk("new", "/usr/bin/hello"); got != hello {
		t.Errorf("the new image's disk: %q, %v", got, err)
	}
	if got, err := h.onDisk("old", "/usr/bin/hello"); got != "" {
		t.Errorf("the old image's disk: %q, %v", got, err)
	}
	if h.canUpdate("new") {
		t.Error("something is still pending in the new image")
	}
	builders, err = h.app.DescribeImageBuilders(t.Context(), &appstream.DescribeImageBuildersInput{})
	h.ok(err)
	if len(builders.ImageBuilders) != 0 {
		t.Errorf("left: %+v", builders.ImageBuilders)
	}
	h.nothingLeft()
}

// image waits until an image is AVAILABLE.
func (h *house) image(name string) (img adminapi.Image) {
	h.t.Helper()
	rig.Until(h.t, 3*bootLimit, "the image "+name+" is there", func() (bool, error) {
		out, err := h.app.DescribeImages(h.t.Context(), &appstream.DescribeImagesInput{Names: []string{name}})
		if err != nil {
			return false, err
		}
		if out.Images[0].State == types.ImageStateFailed {
			h.t.Fatalf("the image %s failed: %+v", name, *out.Images[0].StateChangeReason.Message)
		}
		return out.Images[0].State == types.ImageStateAvailable, nil
	})
	h.ok(json.Unmarshal([]byte(h.Must("image", "show", name, "--json")), &img))
	return img
}

// canUpdate is dryRun, asked until the guest has answered.
func (h *house) canUpdate(name string) (can bool) {
	h.t.Helper()
	rig.Until(h.t, bootLimit, "the guest of "+name+" has answered", func() (bool, error) {
		out, err := h.app.CreateUpdatedImage(h.t.Context(), &appstream.CreateUpdatedImageInput{
			ExistingImageName: &name, NewImageName: aws.String("unused"), DryRun: aws.Bool(true),
		})
		var busy *types.ConcurrentModificationException
		if errors.As(err, &busy) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		can = *out.CanUpdateImage
		return true, nil
	})
	return can
}

// onDisk reads a file of the root file system of an image's sealed disk.
func (h *house) onDisk(image, path string) (string, error) {
	h.t.Helper()
	var img adminapi.Image
	h.ok(json.Unmarshal([]byte(h.Must("image", "show", image, "--json")), &img))
	raw := filepath.Join(h.DataDir, "disks", "sealed", strings.TrimPrefix(img.Disk, "sd1-"), "raw")
	table, err := exec.Command("/sbin/sgdisk", "-i", "2", raw).Output()
	h.ok(err)
	var first int64
	for l := range strings.Lines(string(table)) {
		_, _ = fmt.Sscanf(l, "First sector: %d", &first)
	}
	out, err := exec.Command("/sbin/debugfs", "-R", "cat "+path, fmt.Sprintf("%s?offset=%d", raw, first*512)).Output()
	return string(out), err
}
