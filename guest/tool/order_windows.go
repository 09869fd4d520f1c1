package tool

import (
	"context"
	"os/exec"
	"strconv"
)

// spoolDir is where the host's files are put; only administrators read it.
const spoolDir = `C:\ProgramData\Slipway\spool`

// shell is a command line for PowerShell, whose exit code is the line's. When its
// time is over, all that it began is ended with it.
func shell(ctx context.Context, line string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "powershell.exe", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-Command", line)
	cmd.Cancel = func() error {
		if err := exec.Command("taskkill.exe", "/T", "/F", "/PID", strconv.Itoa(cmd.Process.Pid)).Run(); err != nil {
			return cmd.Process.Kill()
		}
		return nil
	}
	return cmd
}
