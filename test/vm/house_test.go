// Package vm boots real guests: the main job with QEMU behind it, and disks that
// do not boot. Guests run one at a time, also beside other tests on this host.
package vm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"

	"slipway/api/admin/adminapi"
	"slipway/test/rig"
	"slipway/test/rig/clients"
)

func TestMain(m *testing.M) { rig.Main(m) }

// bootLimit is how long one import may take, on a host without KVM that is
// busy with other things.
const bootLimit = 6 * time.Minute

// house is a server with real machines, clients and a role.
type house struct {
	*rig.Server
	t    *testing.T
	app  *appstream.Client
	role string
}

func newHouse(t *testing.T, flags ...string) *house {
	t.Helper()
	if testing.Short() {
		t.Skip("boots real guests; not with -short")
	}
	// A host without QEMU has not passed: make test installs it.
	for _, p := range []string{"qemu-system-x86_64", "swtpm"} {
		if _, err := exec.LookPath(p); err != nil {
			t.Fatalf("%v; slipway doctor says how to install it", err)
		}
	}
	oneGuest(t)
	h := &house{t: t, Server: rig.Start(t, flags...)}
	c := clients.New(h.Client)
	h.app = c.AppStream
	var err error
	h.role, err = c.MakeRole(t.Context(), "mover")
	h.ok(err)
	return h
}

// oneGuest keeps other tests of this host from booting guests until this one
// has ended: two at once take more than twice as long.
func oneGuest(t *testing.T) {
	t.Helper()
	path := filepath.Join(os.TempDir(), "slipway-test-guest.lock")
	f, err := os.Open(path) // another user's may be read and locked, not written
	if errors.Is(err, fs.ErrNotExist) {
		f, err = os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() }) // lets go of the lock
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
}

func (h *house) at(t *testing.T) *house {
	c := *h
	c.t = t
	return &c
}

func (h *house) ok(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// push makes an AMI of a disk.
func (h *house) push(disk, name string) (ami string) {
	h.t.Helper()
	out, errs, err := h.CLI("ami", "push", disk, "--name", name)
	if err != nil {
		h.t.Fatalf("push %s: %v\n%s", disk, err, errs)
	}
	return out
}

// unproven imports a sample guest without validation, with a catalogue.
func (h *house) unproven(name, guest string, catalogue ...types.ApplicationConfig) {
	h.t.Helper()
	ami := h.push(rig.Guest(h.t, guest), name)
	_, err := h.app.CreateImportedImage(h.t.Context(), &appstream.CreateImportedImageInput{Name: &name, SourceAmiId: &ami, IamRoleArn: &h.role, AppCatalogConfig: catalogue})
	h.ok(err)
	h.image(name)
}

// imported imports an AMI with validation and waits until it has ended.
func (h *house) imported(ami, name string) adminapi.Image {
	h.t.Helper()
	_, err := h.app.CreateImportedImage(h.t.Context(), &appstream.CreateImportedImageInput{
		Name: &name, SourceAmiId: &ami, IamRoleArn: &h.role,
		RuntimeValidationConfig: &types.RuntimeValidationConfig{IntendedInstanceType: aws.String("GeneralPurpose.m7i.large")},
	})
	h.ok(err)
	begun := time.Now()
	rig.Until(h.t, bootLimit, "the import of "+name+" has ended", func() (bool, error) {
		out, err := h.app.DescribeImages(h.t.Context(), &appstream.DescribeImagesInput{Names: []string{name}})
		if err != nil {
			return false, err
		}
		s := out.Images[0].State
		return s == types.ImageStateAvailable || s == types.ImageStateFailed, nil
	})
	var img adminapi.Image
	out, errs, err := h.CLI("image", "show", name, "--json")
	if err != nil {
		h.t.Fatalf("%v\n%s", err, errs)
	}
	h.ok(json.Unmarshal([]byte(out), &img))
	h.t.Logf("%s is %s after %.1f s; %s", name, img.State, time.Since(begun).Seconds(), rungs(img))
	return img
}

func rungs(img adminapi.Image) string {
	var all []string
	for _, r := range img.Evidence.Rungs {
		if r.Reached {
			all = append(all, fmt.Sprintf("%s %.1f s", r.Name, float64(r.AfterMS)/1000))
		}
	}
	return strings.Join(all, ", ")
}

// available wants an image that was seen to work, on every rung, with proof.
func (h *house) available(img adminapi.Image) {
	h.t.Helper()
	if img.State != "AVAILABLE" {
		h.t.Fatalf("%s is %s: %+v", img.Name, img.State, img.Reason)
	}
	for _, r := range img.Evidence.Rungs {
		if !r.Reached {
			h.t.Errorf("the guest did not get to %q", r.Name)
		}
	}
	if len(img.Evidence.Rungs) != 5 {
		h.t.Errorf("%d rungs", len(img.Evidence.Rungs))
	}
	for _, f := range []string{img.Evidence.Screenshot, img.Evidence.SerialLog} {
		if st, err := os.Stat(f); err != nil || st.Size() == 0 {
			h.t.Errorf("evidence %q: %v", f, err)
		}
	}
	h.nothingLeft()
}

// failed wants an image that failed for a reason with those words, told twice
// as AWS does, and with a remedy.
func (h *house) failed(img adminapi.Image, words ...string) {
	h.t.Helper()
	if img.State != "FAILED" || img.Reason == nil || img.Reason.Code != "IMAGE_IMPORT_FAILURE" || len(img.Errors) == 0 {
		h.t.Fatalf("%s is %s: %+v, %+v", img.Name, img.State, img.Reason, img.Errors)
	}
	h.t.Log(img.Reason.Message)
	for _, e := range img.Errors {
		if e.Code != "VALIDATION_ERROR" || !strings.Contains(img.Reason.Message, e.Message) {
			h.t.Errorf("error %s: %s", e.Code, e.Message)
		}
	}
	for _, w := range words {
		if !strings.Contains(img.Reason.Message, w) {
			h.t.Errorf("the reason does not say %q", w)
		}
	}
	h.nothingLeft()
}

// nothingLeft wants no machine, no process, no overlay, socket or upload.
func (h *house) nothingLeft() {
	h.t.Helper()
	var m adminapi.Machines
	h.ok(json.Unmarshal([]byte(h.Must("ps", "--json")), &m))
	if p, f := h.Processes(), h.Leftovers(); len(m.Machines) > 0 || len(p) > 0 || len(f) > 0 {
		h.t.Errorf("left behind: machines %+v, processes %+v, files %q", m.Machines, p, f)
	}
}
