package qemu

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// Where the common distributions put what we need: Debian and Ubuntu, Fedora,
// Arch, openSUSE. Only pairs are used: variables belong to their code.
var firmware = [][2]string{
	{"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"},
	{"/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"},
	{"/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"},
	{"/usr/share/qemu/ovmf-x86_64-4m-code.bin", "/usr/share/qemu/ovmf-x86_64-4m-vars.bin"},
}

// found fills in what was not given; what is not there stays empty.
func (p Paths) found() Paths {
	look := func(have *string, name string) {
		if *have == "" {
			*have = name
		}
		full, err := exec.LookPath(*have)
		if err != nil {
			full = ""
		}
		*have = full
	}
	look(&p.QEMU, "qemu-system-x86_64")
	look(&p.TPM, "swtpm")
	if p.Code == "" && p.Vars == "" {
		for _, f := range firmware {
			if readable(f[0]) && readable(f[1]) {
				p.Code, p.Vars = f[0], f[1]
				break
			}
		}
	}
	if !readable(p.Code) || !readable(p.Vars) {
		p.Code, p.Vars = "", ""
	}
	return p
}

func readable(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	return f.Close() == nil
}

// missing names what found did not find.
func (p Paths) missing() []string {
	var out []string
	for _, x := range [][2]string{{p.QEMU, "qemu-system-x86_64"}, {p.TPM, "swtpm"}, {p.Code, "UEFI firmware (OVMF)"}} {
		if x[0] == "" {
			out = append(out, x[1])
		}
	}
	return out
}

// forMachines is what machines may have of a host's memory: all but an eighth,
// at least 512 MiB, which the host needs for itself.
func forMachines(totalMB int64) int64 {
	if totalMB == 0 {
		return 0
	}
	return max(1, totalMB-max(totalMB/8, 512))
}

// memInfo reads MiB out of the text of /proc/meminfo; 0 when it is not there.
func memInfo(meminfo, field string) int64 {
	for l := range strings.Lines(meminfo) {
		if f := strings.Fields(l); len(f) >= 2 && f[0] == field+":" {
			kb, _ := strconv.ParseInt(f[1], 10, 64)
			return kb >> 10
		}
	}
	return 0
}
