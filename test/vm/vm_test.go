package vm

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"

	"slipway/api/admin/adminapi"
	"slipway/test/rig"
)

// patient is for guests that come up: on a busy host without KVM the firmware
// alone has taken more than a minute.
const patient = "--boot-stall=5m"

// TestMainJob takes a Linux guest in, out, and in again.
func TestMainJob(t *testing.T) {
	h := newHouse(t, "--import-rules", "open", patient)
	h.mainJob(rig.Guest(t, "linux"))
}

// TestGuestsThatNeverComeUp boots what passes the inspection and fails all the
// same. Nothing shows on these screens, however slow the host is: the patience
// may be short.
func TestGuestsThatNeverComeUp(t *testing.T) {
	h := newHouse(t, "--import-rules", "open", "--boot-stall", "6s")
	for name, disk := range map[string]string{
		"boot-loader-hangs": rig.Guest(t, "hang"),
		"firmware-shell":    rig.Fixture(t, "debian12"), // its boot loader is none
	} {
		t.Run(name, func(t *testing.T) {
			h := h.at(t)
			img := h.imported(h.push(disk, name), name)
			h.failed(img, "No operating system took over from the firmware", `\EFI\BOOT\BOOTX64.EFI`)
			if _, err := os.Stat(img.Evidence.Screenshot); err != nil {
				t.Errorf("no screenshot of where it ended: %v", err)
			}
		})
	}
}

// TestDisksThatAreNotBooted fail when they are looked into.
func TestDisksThatAreNotBooted(t *testing.T) {
	h := newHouse(t, "--import-rules", "open")
	for name, c := range map[string]struct{ disk, words string }{
		"zeros":     {rig.Fixture(t, "zeros"), "nothing but zeros"},
		"truncated": {rig.Fixture(t, "truncated", "--size", "4"), "upload it again and compare the size"},
		"garbage":   {rig.Fixture(t, "garbage"), "no partition table"},
		"bios":      {rig.Fixture(t, "bios"), "Convert the machine to UEFI"},
		"no-loader": {rig.Guest(t, "empty"), "no boot loader"},
	} {
		t.Run(name, func(t *testing.T) {
			h := h.at(t)
			img := h.imported(h.push(c.disk, name), name)
			h.failed(img, c.words)
			if img.Evidence.Machine != "" {
				t.Errorf("a machine was started: %s", img.Evidence.Machine)
			}
		})
	}
}

// mainJob: what comes out is what went in, to the last byte, and boots again.
func (h *house) mainJob(disk string) {
	img := h.imported(h.push(disk, "linux"), "linux")
	h.available(img)
	if !slices.ContainsFunc(img.Findings, func(f adminapi.Finding) bool { return f.Severity == "waived" }) {
		h.t.Errorf("nothing was waived for a Linux guest: %+v", img.Findings)
	}
	ami := h.exported("linux", "linux-out")
	out := filepath.Join(h.t.TempDir(), "out.raw")
	h.Must("ami", "pull", ami, out)
	h.ok(rig.SameDisk(disk, out))
	again := h.imported(ami, "again")
	h.available(again)
	if again.Disk != img.Disk {
		h.t.Errorf("the exported disk is %s, the imported one %s", again.Disk, img.Disk)
	}
}

func (h *house) exported(image, name string) (ami string) {
	h.t.Helper()
	begun, err := h.app.CreateExportImageTask(h.t.Context(), &appstream.CreateExportImageTaskInput{ImageName: &image, AmiName: &name, IamRoleArn: &h.role})
	h.ok(err)
	rig.Until(h.t, bootLimit, "the export has ended", func() (bool, error) {
		out, err := h.app.GetExportImageTask(h.t.Context(), &appstream.GetExportImageTaskInput{TaskId: begun.ExportImageTask.TaskId})
		if err != nil {
			return false, err
		}
		task := out.ExportImageTask
		if task.State == types.ExportImageTaskStateFailed {
			h.t.Fatalf("the export failed: %+v", task.ErrorDetails)
		}
		ami = aws.ToString(task.AmiId)
		return task.State == types.ExportImageTaskStateCompleted, nil
	})
	return ami
}

// TestAWSRules takes a disk that looks like Windows Server 2022 down to its
// registry through AWS's own rules; the boot loader on it starts our guest,
// which says that it is Windows.
func TestAWSRules(t *testing.T) {
	h := newHouse(t, "--import-rules", "aws", patient)
	disk := rig.Fixture(t, "ws2022", "--efi", rig.BootFile(t, "mswindows"))
	img := h.imported(h.push(disk, "windows"), "windows")
	h.available(img)
	if img.Platform != "WINDOWS_SERVER_2022" {
		t.Errorf("the platform is %q", img.Platform)
	}
}
