package main

import (
	"context"
	"os"
	"os/exec"
)

// probeHost says what the machine offers to virtual machines.
func probeHost(ctx context.Context) []check {
	var checks []check
	program := func(name, level, why, remedy string, packages ...string) {
		c := check{Name: name, Level: levelOK, Remedy: remedy, Packages: packages}
		path, err := exec.LookPath(name)
		if err != nil {
			c.Level, c.Found = level, "not installed: "+why
		} else {
			c.Found = path
		}
		checks = append(checks, c)
	}
	program("qemu-system-x86_64", levelFail, "no machine can be booted", "", "qemu-system-x86")
	program("swtpm", levelFail, "no machine can have a TPM", "", "swtpm")
	program("bwrap", levelWarn, "disk tools would run without a sandbox", "", "bubblewrap")
	ovmf := check{Name: "OVMF", Level: levelFail, Found: "not installed: no machine can boot by UEFI", Packages: []string{"ovmf"}}
	for _, p := range []string{"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_CODE.fd"} {
		if _, err := os.Stat(p); err == nil {
			ovmf.Level, ovmf.Found = levelOK, p
			break
		}
	}
	return append(checks, ovmf)
}
