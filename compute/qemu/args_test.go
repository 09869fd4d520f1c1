package qemu

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway/compute"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestCommandLines holds the shape of every kind of machine as text, so that a
// change of hardware, which guests notice, is seen in a review.
func TestCommandLines(t *testing.T) {
	f := files{dir: "/data/run/m-1", socks: "/data/run/m-1"}
	raw := compute.File{Path: "/data/base.raw", Format: "raw"}
	q := func(n string) compute.File { return compute.File{Path: "/data/" + n + ".qcow2", Format: "qcow2"} }
	for name, p := range map[string]plan{
		"default": {accel: "tcg", clipboard: true, spec: compute.Spec{CPUs: 2, MemoryMB: 4096, TPM: true,
			Disk: compute.Disk{Chain: []compute.File{q("top"), raw}}}},
		"virtio": {accel: "kvm", spec: compute.Spec{CPUs: 1, MemoryMB: 512, Bus: compute.VirtioBlk, NIC: compute.VirtioNet, CD: "/data/guest/tools.iso",
			Disk: compute.Disk{Chain: []compute.File{raw}}}},
		"chain": {accel: "tcg", files: files{socks: "/run/slipway-0011223344556677"}, spec: compute.Spec{CPUs: 4, MemoryMB: 1024,
			Disk: compute.Disk{Chain: []compute.File{q("top"), q("middle"), q("low")}}}},
	} {
		p.spec.ID, p.code = "m-1", "/usr/share/OVMF/OVMF_CODE_4M.fd"
		p.files.dir = f.dir
		if p.files.socks == "" {
			p.files.socks = f.socks
		}
		spec, err := p.spec.Checked()
		if err != nil {
			t.Fatal(err)
		}
		p.spec = spec
		got := lines(commandLine(p)) + "\nswtpm " + lines(tpmCommandLine(p.files))
		golden := filepath.Join("testdata", name+".args")
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s differs from %s (go test -update writes it anew):\n%s", name, golden, got)
		}
	}
}

// lines prints one option with its value per line.
func lines(args []string) string {
	return strings.TrimPrefix(strings.ReplaceAll(" "+strings.Join(args, " "), " -", "\n-"), "\n") + "\n"
}

func TestLayersWithoutBackingSaySo(t *testing.T) {
	spec := compute.Spec{ID: "a", CPUs: 1, MemoryMB: 512,
		Disk: compute.Disk{Chain: []compute.File{{Path: "/evil.qcow2", Format: "qcow2"}}}}
	s := strings.Join(commandLine(plan{spec: spec}), " ")
	if !strings.Contains(s, `"backing":null`) {
		t.Error("the header of an image could name a file to read")
	}
}
