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
	h.unproven("base", "desktop",
		app("clock", "Clock", "/usr/bin/xclock", "Adwaita/48x48/devices/computer.png", "-geometry 220x220+900+570 -norender"),
		app("editor", "Editor", "/usr/bin/xedit", "", `-geometry "520x320+300+260"`),
		app("terminal", "Terminal", "/usr/bin/xterm", "hicolor/48x48/apps/xterm-color.png", ""),
		app("none", "No Program", "/usr/lib/os-release", "", ""))
	h.serveApplications()
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
	h.leave(m)
}

// TestConsoleApplications: where there is no desktop, an application is started on
// a console of its own, which is shown until it ends.
func TestConsoleApplications(t *testing.T) {
	if !*long {
		t.Skip("boots a guest of its own: make long")
	}
	h := newHouse(t, "--import-rules", "open", patient)
	// Its programs are in its memory, where an import does not look.
	h.unproven("base", "linux",
		types.ApplicationConfig{Name: aws.String("top"), DisplayName: aws.String("Processes"), AbsoluteAppPath: aws.String("/bin/top"), LaunchParameters: aws.String("-d 1")},
		types.ApplicationConfig{Name: aws.String("gone"), DisplayName: aws.String("Gone"), AbsoluteAppPath: aws.String("/bin/gone")})
	h.serveApplications()
	u := newUsers(h, "ann")
	u.do("ann", "come", nil)
	u.do("ann", "open", args{"address": h.address("ann")})
	m := *h.sessions()["ann"].InstanceId
	u.do("ann", "refused", args{"title": "Gone", "text": "Gone could not be started: it is not there any more."})
	u.do("ann", "start", args{"title": "Processes"})
	u.do("ann", "shoot", args{"path": picture("app-console")})
	console := func() string { out, _ := h.inside(m, "cat /sys/class/tty/tty0/active"); return out }
	if c := console(); c == "tty1" {
		t.Errorf("the console %s is shown", c)
	}
	if got, _ := h.inside(m, "tr '\\0' '\\n' < /proc/$(pidof top)/environ | grep -E '^(AppStream_UserName|TERM)=' | sort | tr '\\n' ' '"); strings.TrimSpace(got) != "AppStream_UserName=ann TERM=linux" {
		t.Errorf("its environment: %q", got)
	}
	u.do("ann", "press", args{"key": "q"})
	rig.Until(t, time.Minute, "the console of before is shown", func() (bool, error) { return console() == "tty1", nil })
	h.leave(m)
}

// serveApplications starts a fleet of one in APP view, with a stack.
func (h *house) serveApplications() {
	h.t.Helper()
	h.serve("Sample Desktop", 1, &appstream.CreateFleetInput{FleetType: types.FleetTypeAlwaysOn, StreamView: types.StreamViewApp})
	h.state(types.FleetStateRunning)
}

// leave ends ann's session and the fleet.
func (h *house) leave(machine string) {
	h.t.Helper()
	_, err := h.app.ExpireSession(h.t.Context(), &appstream.ExpireSessionInput{SessionId: h.sessions()["ann"].Id})
	h.ok(err)
	h.gone(machine)
	h.stop()
}
