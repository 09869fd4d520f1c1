package vm

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"

	"slipway/api/admin/adminapi"
	"slipway/test/rig"
)

// TestBuilder takes an image builder through its life: up, killed and noticed,
// up again with its board's memory, looked at and typed into, made into an image
// from inside; another one of that image, on the internet, stopped; both deleted
// without a trace.
func TestBuilder(t *testing.T) {
	world := elsewhere(t, theWorld)
	h := newHouse(t, "--import-rules", "open", patient, "--guest-allow", world.Addr().String())
	h.unproven("base", "linux")
	out, err := h.app.CreateImageBuilder(t.Context(), &appstream.CreateImageBuilderInput{
		Name: aws.String("b"), ImageName: aws.String("base"), InstanceType: aws.String("GeneralPurpose.m7i.large"), IamRoleArn: &h.role,
	})
	h.ok(err)
	if b := out.ImageBuilder; b.State != types.ImageBuilderStatePending || b.RootVolumeConfig == nil || *b.RootVolumeConfig.VolumeSizeInGb != 200 {
		t.Fatalf("created: %+v", b)
	}
	first := h.builder("RUNNING", "PENDING")
	if !strings.Contains(first.Evidence.Machine, "disk of 200 GiB") || len(first.Evidence.Rungs) != 3 {
		t.Errorf("evidence: %+v", first.Evidence)
	}
	vars := h.board("vars.fd")
	keys := h.network(first.Machine, world)
	h.networkComesBack(first.Machine)

	var m adminapi.Machines
	h.ok(json.Unmarshal([]byte(h.Must("ps", "--json")), &m))
	if len(m.Machines) != 1 || m.Machines[0].ID != first.Machine || m.Machines[0].MemoryMB != first.MemoryMB {
		t.Fatalf("machines: %+v", m.Machines)
	}
	h.ok(syscall.Kill(m.Machines[0].PID, syscall.SIGKILL))
	if b := h.builder("FAILED", "RUNNING", "STOPPING"); b.Reason == nil || !strings.Contains(b.Reason.Message, "ended unexpectedly") {
		t.Errorf("killed: %+v", b.Reason)
	}
	h.stranger(keys)

	_, err = h.app.StartImageBuilder(t.Context(), &appstream.StartImageBuilderInput{Name: aws.String("b")})
	h.ok(err)
	if again := h.builder("RUNNING", "PENDING"); again.Reason != nil || again.Machine != first.Machine {
		t.Errorf("started again: %+v", again)
	}
	h.typed(first.Machine)
	if now := h.board("vars.fd"); !os.SameFile(vars, now) {
		t.Error("the firmware variables were made anew")
	}
	if st := h.board("tpm"); !st.IsDir() {
		t.Error("the TPM kept nothing")
	}
	h.assisted(first.Machine)
	h.builder("STOPPED", "SNAPSHOTTING")
	h.made()
	if p := h.Processes(); len(p) > 0 {
		t.Errorf("processes of a stopped builder: %+v", p)
	}
	h.stranger(keys) // also of one that has run again
	h.online(world)
	h.delete("b")
	h.nothingLeft()
}

// delete deletes a builder.
func (h *house) delete(name string) {
	h.t.Helper()
	_, err := h.app.DeleteImageBuilder(h.t.Context(), &appstream.DeleteImageBuilderInput{Name: &name})
	h.ok(err)
	rig.Until(h.t, time.Minute, "the builder is gone", func() (bool, error) {
		_, err := h.app.DescribeImageBuilders(h.t.Context(), &appstream.DescribeImageBuildersInput{Names: []string{name}})
		var none *types.ResourceNotFoundException
		if errors.As(err, &none) {
			return true, nil
		}
		return false, err
	})
}

// made looks at the image "made".
func (h *house) made() {
	h.t.Helper()
	out, err := h.app.DescribeImages(h.t.Context(), &appstream.DescribeImagesInput{Names: []string{"made"}})
	h.ok(err)
	img := out.Images[0]
	if img.State != types.ImageStateAvailable || aws.ToString(img.ImageBuilderName) != "b" || !aws.ToBool(img.ImageBuilderSupported) || !strings.HasSuffix(aws.ToString(img.BaseImageArn), "image/base") ||
		aws.ToString(img.DisplayName) != "Made" || len(img.Applications) != 1 || aws.ToString(img.Applications[0].LaunchPath) != "/usr/sbin/qemu-ga" || aws.ToString(img.Applications[0].DisplayName) != "The agent" {
		h.t.Errorf("made: %+v, %+v", img, img.StateChangeReason)
	}
	tags, err := h.app.ListTagsForResource(h.t.Context(), &appstream.ListTagsForResourceInput{ResourceArn: img.Arn})
	h.ok(err)
	if tags.Tags["team"] != "red" {
		h.t.Errorf("tags: %v", tags.Tags)
	}
}

// builder waits until the builder is in a state, having been in no others than
// those on the way.
func (h *house) builder(state string, way ...string) (b adminapi.Builder) {
	h.t.Helper()
	begun := time.Now()
	rig.Until(h.t, bootLimit, "the builder is "+state, func() (bool, error) {
		out, err := h.app.DescribeImageBuilders(h.t.Context(), &appstream.DescribeImageBuildersInput{Names: []string{"b"}})
		if err != nil {
			return false, err
		}
		s := string(out.ImageBuilders[0].State)
		if s != state && !strings.Contains(strings.Join(way, " "), s) {
			h.t.Fatalf("the builder is %s: %+v", s, out.ImageBuilders[0].StateChangeReason)
		}
		return s == state, nil
	})
	h.ok(json.Unmarshal([]byte(h.Must("builder", "show", "b", "--json")), &b))
	h.t.Logf("%s after %.1f s", state, time.Since(begun).Seconds())
	return b
}

// board finds a part of what the builder's board remembers.
func (h *house) board(part string) os.FileInfo {
	h.t.Helper()
	var b adminapi.Builder
	h.ok(json.Unmarshal([]byte(h.Must("builder", "show", "b", "--json")), &b))
	st, err := os.Stat(h.DataDir + "/builders/" + b.Machine + "/board/" + part)
	h.ok(err)
	return st
}
