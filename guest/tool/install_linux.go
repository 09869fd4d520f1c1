package tool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// Where the tool and its second name are on Linux (developer guide, "Image
// Assistant CLI operations").
const (
	toolPath      = "/usr/local/sbin/slipway-guest"
	assistantPath = "/usr/local/appstream/image-assistant/AppStreamImageAssistant"
	assistantLink = "/bin/AppStreamImageAssistant"
	unitPath      = "/etc/systemd/system/slipway-guest.service"
)

const unit = `[Unit]
Description=Slipway guest tool
After=local-fs.target

[Service]
ExecStart=` + toolPath + ` serve
Restart=always
RestartSec=5
# What it has started for users is theirs, and goes on without it.
KillMode=process

[Install]
WantedBy=multi-user.target
`

// Install puts this program where the Image Assistant is expected and lets the
// system start its daemon. Repeatable; a newer program takes the older one's
// place.
func Install(out io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := copyProgram(self, toolPath); err != nil {
		return err
	}
	for _, l := range []string{assistantPath, assistantLink} {
		if err := os.MkdirAll(filepath.Dir(l), 0o755); err != nil {
			return err
		}
		if err := os.Remove(l); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.Symlink(toolPath, l); err != nil {
			return err
		}
	}
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		_, err := fmt.Fprintf(out, "installed; this system has no systemd: start %s serve at every boot\n", toolPath)
		return err
	}
	if err := os.WriteFile(unitPath, []byte(unit), 0o644); err != nil {
		return err
	}
	for _, args := range [][]string{{"daemon-reload"}, {"enable", "slipway-guest.service"}, {"restart", "slipway-guest.service"}} {
		if b, err := exec.Command("systemctl", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("systemctl %s: %w: %s", args[0], err, b)
		}
	}
	_, err = fmt.Fprintln(out, "installed and started")
	return err
}
