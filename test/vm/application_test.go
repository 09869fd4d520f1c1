package vm

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"

	"slipway/test/rig"
)

// TestApplications: a user of a fleet in APP view starts applications of the
// image's catalogue on the graphical sample guest and sees their windows, is told
// what cannot be run, and sends a file into the guest and back.
func TestApplications(t *testing.T) {
	if !*long {
		t.Skip("boots the graphical guest: make long")
	}
	h := newHouse(t, "--import-rules", "open", patient)
	ami := h.push(rig.Guest(t, "desktop"), "desktop")
	const icons = "/usr/share/icons/"
	app := func(name, title, path, icon, parameters string) types.ApplicationConfig {
		c := types.ApplicationConfig{Name: &name, DisplayName: &title, AbsoluteAppPath: &path}
		if icon != "" {
			c.AbsoluteIconPath = aws.String(icons + icon)
		}
		if parameters != "" {
			c.LaunchParameters = &parameters
		}
		return c
	}
	_, err := h.app.CreateImportedImage(t.Context(), &appstream.CreateImportedImageInput{
		Name: aws.String("base"), SourceAmiId: &ami, IamRoleArn: &h.role, AppCatalogConfig: []types.ApplicationConfig{
			app("clock", "Clock", "/usr/bin/xclock", "Adwaita/48x48/devices/computer.png", "-geometry 260x260+560+220 -norender"),
			app("editor", "Editor", "/usr/bin/xedit", "", `-geometry "520x320+300+260"`),
			app("terminal", "Terminal", "/usr/bin/xterm", "hicolor/48x48/apps/xterm-color.png", ""),
			app("none", "No Program", "/usr/lib/os-release", "", ""),
		},
	})
	h.ok(err)
	h.image("base")
	in := &appstream.CreateFleetInput{
		Name: aws.String("fleet"), ImageName: aws.String("base"), InstanceType: aws.String("GeneralPurpose.m7i.large"), FleetType: types.FleetTypeAlwaysOn,
		ComputeCapacity: &types.ComputeCapacity{DesiredInstances: aws.Int32(1)}, StreamView: types.StreamViewApp,
	}
	_, err = h.app.CreateFleet(t.Context(), in)
	h.ok(err)
	_, err = h.app.CreateStack(t.Context(), &appstream.CreateStackInput{Name: aws.String("stack"), DisplayName: aws.String("Sample Desktop")})
	h.ok(err)
	_, err = h.app.AssociateFleet(t.Context(), &appstream.AssociateFleetInput{FleetName: aws.String("fleet"), StackName: aws.String("stack")})
	h.ok(err)
	_, err = h.app.StartFleet(t.Context(), &appstream.StartFleetInput{Name: aws.String("fleet")})
	h.ok(err)
	h.state(types.FleetStateRunning)
	begun := time.Now()
	out := h.run(h.browsers(), "node", "application.mjs", h.address("ann"), filepath.Join(rig.Root(), "bin", "screenshots"))
	t.Logf("in the browser, %.0f s: %s", time.Since(begun).Seconds(), out)
	var seen struct{ Refused, Sum string }
	h.ok(json.Unmarshal([]byte(out[strings.LastIndexByte(out, '\n')+1:]), &seen))
	if seen.Refused != "No Program could not be started: its program cannot be run." {
		t.Errorf("refused: %s", seen.Refused)
	}
	m := *h.sessions()["ann"].InstanceId
	// In the guest: the programs run with the session's variables, and the file is
	// the user's own.
	for command, want := range map[string]string{
		"cat /proc/$(pidof xclock)/environ | tr '\\0' '\\n' | grep -E '^(DISPLAY|AppStream_UserName|HOME)=' | sort | tr '\\n' ' '": "AppStream_UserName=ann DISPLAY=:0 HOME=/root",
		"tr '\\0' ' ' < /proc/$(pidof xedit)/cmdline":                                      "/usr/bin/xedit -geometry 520x320+300+260",
		"sha256sum '/disk/root/MyFiles/TemporaryFiles/there and back.bin' | cut -d' ' -f1": seen.Sum,
		"stat -c '%U %a' '/disk/root/MyFiles/TemporaryFiles/there and back.bin'":           "root 600",
	} {
		if got, _ := h.inside(m, command); strings.TrimSpace(got) != want {
			t.Errorf("%s: %q, want %q", command, got, want)
		}
	}
	_, err = h.app.ExpireSession(t.Context(), &appstream.ExpireSessionInput{SessionId: h.sessions()["ann"].Id})
	h.ok(err)
	h.gone(m)
	_, err = h.app.StopFleet(t.Context(), &appstream.StopFleetInput{Name: aws.String("fleet")})
	h.ok(err)
	h.state(types.FleetStateStopped)
	h.nothingLeft()
}
