package rules

import (
	"strings"
	"testing"

	"slipway/disk/facts"
)

// good is a disk that every set takes.
func good() facts.Facts {
	return facts.Facts{
		Version: facts.Version, SizeBytes: 30 << 30, OS: facts.Windows,
		Table:      facts.Table{Kind: facts.GPT, PrimaryOK: true, BackupOK: true},
		Partitions: []facts.Partition{{Number: 1, Role: facts.RoleESP, SizeBytes: 100 << 20, FileSystem: facts.FAT}, {Number: 2, StartBytes: 1 << 30, SizeBytes: 1 << 30, FileSystem: facts.NTFS}},
		ESP:        &facts.ESP{Partition: 1, Fallback: true, BootMgr: true, Loaders: []string{"a"}, Signed: []facts.Signed{{File: `\EFI\BOOT\BOOTX64.EFI`, Authorities: []string{"Microsoft"}}}},
		Windows: &facts.WindowsOS{Name: "Windows Server 2022", InstallationType: "Server", Build: 20348, Services: []facts.Service{
			{Name: facts.SvcNVMe, Start: 0, File: true}, {Name: facts.SvcENA, Start: 3, File: true}, {Name: facts.SvcSSM, Start: 2}},
			Signs: []facts.Sign{{Fact: facts.DotNet, Number: 528040}, {Fact: facts.PowerShell, Value: "5.1.1"}, {Fact: facts.EC2LaunchV2}, {Fact: facts.UpdatesOff, Number: 1}}},
	}
}

func linux(f *facts.Facts) {
	f.OS, f.Windows = facts.Linux, nil
	f.Linux = &facts.LinuxOS{ID: "debian", VersionID: "12", Kernels: []facts.Kernel{{Drivers: []string{"nvme", "ena", "virtio_net", "virtio_blk"}}}}
}

// What is changed about a good disk × the verdict of both sets.
func TestEvaluate(t *testing.T) {
	for _, c := range []struct {
		name      string
		edit      func(f *facts.Facts)
		aws, open string // "code" blocks, "~code" is waived, "+code" informs
	}{
		{"good", func(*facts.Facts) {}, "", ""},
		{"zeros", func(f *facts.Facts) { *f = facts.Facts{Empty: true, SizeBytes: 1} }, "disk-empty", "disk-empty"},
		{"no table", func(f *facts.Facts) { f.Table = facts.Table{Kind: facts.NoTable}; f.Partitions = nil }, "partition-table", "partition-table"},
		{"damaged table", func(f *facts.Facts) { f.Table.PrimaryOK, f.Table.BackupOK = false, false }, "partition-table", "partition-table"},
		{"primary lost", func(f *facts.Facts) { f.Table.PrimaryOK = false }, "+gpt-copy", "+gpt-copy"},
		{"backup lost", func(f *facts.Facts) { f.Table.BackupOK = false }, "+gpt-copy", "+gpt-copy"},
		{"cut off", func(f *facts.Facts) { f.Partitions[1].BeyondEnd = true }, "disk-truncated", "disk-truncated"},
		{"cut off and filled up", func(f *facts.Facts) { f.Table.BackupOK, f.Table.NeedsBytes = false, f.SizeBytes+1 }, "disk-truncated +gpt-copy", "disk-truncated +gpt-copy"},
		{"bitlocker", func(f *facts.Facts) { f.Partitions[1].FileSystem = facts.BitLocker }, "bitlocker", "bitlocker"},
		{"no ESP", func(f *facts.Facts) { f.ESP, f.Partitions = nil, f.Partitions[1:] }, "boot-loader", "boot-loader"},
		{"ESP unreadable", func(f *facts.Facts) { f.ESP = nil }, "esp-readable", "~esp-readable"},
		{"empty ESP", func(f *facts.Facts) { f.ESP = &facts.ESP{Partition: 1} }, "boot-loader", "boot-loader"},
		{"loader elsewhere", func(f *facts.Facts) { f.ESP = &facts.ESP{Partition: 1, Loaders: []string{`\EFI\debian\shimx64.efi`}} }, "boot-loader", "boot-loader"},
		{"fallback only", func(f *facts.Facts) { f.ESP.BootMgr = false }, "", ""},
		{"BIOS", func(f *facts.Facts) {
			f.Table, f.ESP, f.Partitions = facts.Table{Kind: facts.MBR, BootCode: true}, nil, f.Partitions[1:]
		}, "uefi", "uefi"},
		{"MBR without boot code", func(f *facts.Facts) {
			f.Table, f.ESP, f.Partitions = facts.Table{Kind: facts.MBR}, nil, f.Partitions[1:]
		}, "boot-loader", "boot-loader"},
		{"MBR with ESP", func(f *facts.Facts) { f.Table = facts.Table{Kind: facts.MBR} }, "gpt", "~gpt"},
		{"BIOS boot partition", func(f *facts.Facts) { f.ESP = nil; f.Partitions[0].Role = facts.RoleBIOSBoot }, "uefi", "uefi"},
		{"unknown system", func(f *facts.Facts) { f.OS, f.Windows = facts.Unknown, nil }, "operating-system", "~operating-system"},
		{"registry unreadable", func(f *facts.Facts) {
			*f.Windows = facts.WindowsOS{Services: f.Windows.Services, Signs: f.Windows.Signs}
		}, "operating-system", "~operating-system"},
		{"2025", func(f *facts.Facts) { f.Windows.Name = "Windows Server 2025" }, "", ""},
		{"2019", func(f *facts.Facts) { f.Windows.Name = "Windows Server 2019" }, "windows-version", "~windows-version"},
		{"no name", func(f *facts.Facts) { f.Windows.Name = "" }, "windows-version", "~windows-version"},
		{"Windows 11", func(f *facts.Facts) { f.Windows.Name, f.Windows.Client = "Windows 11", true }, "windows-version", "~windows-version"},
		{"Core", func(f *facts.Facts) { f.Windows.Core = true }, "windows-full", "~windows-full"},
		{"500 GiB", func(f *facts.Facts) { f.SizeBytes = MaxBytes }, "", ""},
		{"larger", func(f *facts.Facts) { f.SizeBytes = MaxBytes + 1 }, "disk-size", "~disk-size"},
		{"no NVMe", func(f *facts.Facts) { f.Windows.Services[0].Start = 3 }, "nvme-driver", "~nvme-driver"},
		{"NVMe without file", func(f *facts.Facts) { f.Windows.Services[0].File = false }, "nvme-driver", "~nvme-driver"},
		{"AWS NVMe", func(f *facts.Facts) { f.Windows.Services[0].Name = facts.SvcAWSNVMe }, "", ""},
		{"no ENA", func(f *facts.Facts) { f.Windows.Services[1].Name = "other" }, "ena-driver", "~ena-driver"},
		{"ENA disabled", func(f *facts.Facts) { f.Windows.Services[1].Start = facts.StartDisabled }, "ena-driver", "~ena-driver"},
		{"no agent", func(f *facts.Facts) { f.Windows.Services = f.Windows.Services[:2] }, "+no-agent", "+no-agent"},
		{"unclean", func(f *facts.Facts) { f.Windows.Unclean = true }, "+unclean-shutdown", "+unclean-shutdown"},
		{"Linux", linux, "windows-version", "~windows-version"},
		{"Linux without ENA", func(f *facts.Facts) { linux(f); f.Linux.Kernels[0].Drivers = []string{"nvme"} }, "windows-version +no-ena", "~windows-version +no-ena"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for set, want := range map[Set]string{AWS: c.aws, Open: c.open, "": c.aws} {
				f := good()
				c.edit(&f)
				fs := Evaluate(set, f)
				var got []string
				for _, x := range fs {
					if x.Code == "ports" || x.Code == "gpu-driver" { // every Windows is told
						continue
					}
					got = append(got, map[Severity]string{Block: "", Waived: "~", Info: "+", Warn: "!"}[x.Severity]+x.Code)
					if x.Rule == "" || x.Found == "" || x.Source == "" || !strings.HasSuffix(x.Found, ".") || x.Severity != Info && x.Remedy == "" {
						t.Errorf("incomplete: %+v", x)
					}
				}
				if g := strings.Join(got, " "); g != want {
					t.Errorf("%q: got %q, want %q", set, g, want)
				}
				if Blocked(fs) != (want != "" && !strings.HasPrefix(want, "~") && !strings.HasPrefix(want, "+")) {
					t.Errorf("%q: blocked is %v", set, Blocked(fs))
				}
			}
		})
	}
}

// Facts with nothing in them, or with holes, must not panic.
func TestThinFacts(t *testing.T) {
	for _, f := range []facts.Facts{{}, {OS: facts.Windows}, {OS: facts.Linux}, {Table: facts.Table{Kind: facts.GPT}}, {Table: facts.Table{Kind: facts.MBR}, OS: facts.Linux}} {
		for _, s := range Sets() {
			Evaluate(s, f)
		}
		if Platform(f) != "" || Bus(f) != BusNVMe || NIC(f) != NICE1000e {
			t.Errorf("guessed from nothing: %+v", f)
		}
	}
}

func TestPlatform(t *testing.T) {
	for want, l := range map[string]facts.LinuxOS{
		"AMAZON_LINUX2": {ID: "amzn", VersionID: "2"}, "RHEL8": {ID: "rhel", VersionID: "8.10"},
		"ROCKY_LINUX8": {ID: "rocky", VersionID: "8.9"}, "UBUNTU_PRO_2404": {ID: "ubuntu", VersionID: "24.04"},
		"": {ID: "amzn", VersionID: "2023"},
	} {
		if got := Platform(facts.Facts{OS: facts.Linux, Linux: &l}); got != want {
			t.Errorf("%+v is %q, want %q", l, got, want)
		}
	}
}
