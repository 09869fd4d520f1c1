package tool

import (
	"context"
	"os/exec"
	"syscall"
)

// spoolDir is where the host's files are put.
const spoolDir = "/var/lib/slipway-guest"

// shell is a command line for the system's shell, in a process group of its own,
// so that its children end with it.
func shell(ctx context.Context, line string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", line)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}
