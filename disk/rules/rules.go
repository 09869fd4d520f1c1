// Package rules judges facts about a disk: may it become an image, and what
// does its owner have to change. It is pure; it reads no disks (disk/inspect)
// and knows nothing of machines that run, of accounts or of the AMI around a
// disk.
package rules

import (
	"fmt"
	"strings"

	"slipway/disk/facts"
)

// Set is a set of rules.
type Set string

const (
	// AWS is what AWS publishes for importing an image, as far as a disk shows it.
	AWS Set = "aws"
	// Open takes every disk that has a chance to start and tells what it waived.
	Open Set = "open"
)

// Severity is what a finding means for the import.
type Severity string

const (
	Block  Severity = "block"  // the disk is refused
	Waived Severity = "waived" // AWS would refuse or is not known to accept it; this server does not
	Info   Severity = "info"   // worth knowing
)

// Finding is one thing that a rule noticed. Texts are whole sentences for people.
type Finding struct {
	Rule     string   `json:"rule"` // what is asked
	Severity Severity `json:"severity"`
	Found    string   `json:"found"`            // what the disk has instead
	Remedy   string   `json:"remedy,omitempty"` // what its owner can do
	Source   string   `json:"source"`           // where the rule is published
	Code     string   `json:"code"`             // stable word for programs
}

const (
	importPage = "AWS: WorkSpaces Applications Administration Guide, Import Image (docs.aws.amazon.com/appstream2/latest/developerguide/import-image.html)"
	vmPage     = "AWS: VM Import/Export User Guide, Requirements (docs.aws.amazon.com/vm-import/latest/userguide/prerequisites.html)"
	drvPage    = "AWS: EC2 User Guide, Drivers for Windows instances (docs.aws.amazon.com/AWSEC2/latest/UserGuide)"
	ownPage    = "Slipway: a disk without it cannot start"
)

// MaxBytes is the largest disk that AWS imports: 500 GiB.
const MaxBytes = 500 << 30

// rule looks at the facts and returns nothing or what is wrong. always: it
// blocks under every set, because the disk cannot start.
type rule struct {
	code, text, source string
	always             bool
	check              func(f *facts.Facts) (found, remedy string)
}

// rulebook lists every rule, the ones that no set waives first.
func rulebook() []rule {
	return []rule{
		{"disk-empty", "The disk holds something.", ownPage, true, notEmpty},
		{"partition-table", "The disk has a partition table that can be read.", ownPage, true, table},
		{"disk-truncated", "The disk is as large as its partition table says.", ownPage, true, inside},
		{"bitlocker", "No volume is encrypted with BitLocker.", vmPage, true, noBitLocker},
		{"boot-loader", "The disk has a boot loader.", ownPage, true, bootable},
		{"uefi", "The disk starts under UEFI.", importPage, true, uefi},
		{"gpt", "The disk has a GPT partition table.", importPage, false, gpt},
		{"esp-readable", "The EFI system partition can be read.", importPage, false, readable},
		{"operating-system", "The operating system can be told.", importPage, false, known},
		{"windows-version", "The operating system is Windows Server 2022 or Windows Server 2025.", importPage, false, version},
		{"windows-full", "Windows Server is installed in full, with desktop.", importPage, false, full},
		{"disk-size", "The disk has at most 500 GiB.", importPage, false, size},
		{"nvme-driver", "Windows has a driver for NVMe disks that starts at boot.", drvPage, false, nvme},
		{"ena-driver", "Windows has the Elastic Network Adapter driver.", importPage, false, ena},
	}
}

// Evaluate applies a set to the facts of one disk. The findings come in the
// order of the rules; without one of severity Block the disk may be imported.
// A set that is not Open counts as AWS.
func Evaluate(set Set, f facts.Facts) []Finding {
	var out []Finding
	for _, r := range rulebook() {
		found, remedy := r.check(&f)
		if found == "" {
			continue
		}
		sev := Block
		if set == Open && !r.always {
			sev = Waived
		}
		out = append(out, Finding{Rule: r.text, Severity: sev, Found: found, Remedy: remedy, Source: r.source, Code: r.code})
		if r.code == "disk-empty" || r.code == "partition-table" {
			break // everything else follows from it
		}
	}
	return append(out, notes(&f)...)
}

// Blocked tells whether any finding refuses the disk.
func Blocked(fs []Finding) bool {
	for _, f := range fs {
		if f.Severity == Block {
			return true
		}
	}
	return false
}

func notEmpty(f *facts.Facts) (string, string) {
	if !f.Empty {
		return "", ""
	}
	return "The disk holds nothing but zeros.", "Check the export: the bytes of the machine are not in this file."
}

func table(f *facts.Facts) (string, string) {
	const again = "Export the disk again as a whole; a single partition or a file of another format is not enough."
	switch {
	case f.Table.Kind == facts.GPT && !f.Table.PrimaryOK && !f.Table.BackupOK:
		return "The GPT partition table is damaged and has no usable backup.", again
	case f.Table.Kind != facts.NoTable:
		return "", ""
	case len(f.Partitions) == 1:
		return fmt.Sprintf("The disk has no partition table; it is one %s file system.", f.Partitions[0].FileSystem), again
	}
	return "The disk has no partition table.", again
}

func inside(f *facts.Facts) (string, string) {
	for _, p := range f.Partitions {
		if p.BeyondEnd {
			return fmt.Sprintf("The disk has %d bytes; partition %d ends at byte %d.", f.SizeBytes, p.Number, p.StartBytes+p.SizeBytes),
				"The file is cut off: upload it again and compare the size."
		}
	}
	// An upload is filled up to whole GiB, so what was cut off may lie inside of
	// the disk again, as zeros; the table still knows where its end was.
	if f.Table.NeedsBytes > f.SizeBytes {
		return fmt.Sprintf("The disk has %d bytes; its partition table was made for a disk of %d.", f.SizeBytes, f.Table.NeedsBytes),
			"The file is cut off: upload it again and compare the size. If the disk was made smaller on purpose, write its table anew (sgdisk -e)."
	}
	return "", ""
}

func noBitLocker(f *facts.Facts) (string, string) {
	for _, p := range f.Partitions {
		if p.FileSystem == facts.BitLocker {
			return fmt.Sprintf("Partition %d is encrypted with BitLocker.", p.Number),
				"Turn BitLocker off in the source machine (manage-bde -off C:), wait until decryption is complete, and export again."
		}
	}
	return "", ""
}

func hasLoader(f *facts.Facts) bool { return f.ESP != nil && (f.ESP.Fallback || f.ESP.BootMgr) }

// bios tells whether a BIOS could start the disk.
func bios(f *facts.Facts) bool {
	return f.Table.Kind == facts.MBR && f.Table.BootCode || hasRole(f, facts.RoleBIOSBoot)
}

// bootable asks for anything that firmware of either kind could start.
func bootable(f *facts.Facts) (string, string) {
	const remedy = "Install a boot loader in the source machine, under Windows with bcdboot, and export again."
	switch {
	case hasLoader(f), bios(f), unread(f): // an ESP that could not be read is not known to lack one
		return "", ""
	case f.ESP == nil:
		return "The disk has no EFI system partition and nothing else that could start.", remedy
	case len(f.ESP.Loaders) > 0:
		return `The EFI system partition has boot loaders, but neither \EFI\BOOT\BOOTX64.EFI nor \EFI\Microsoft\Boot\bootmgfw.efi, and the boot entries of the source machine do not travel with the disk.`,
			`Copy the boot loader to \EFI\BOOT\BOOTX64.EFI.`
	}
	return "The EFI system partition holds no boot loader.", remedy
}

func hasRole(f *facts.Facts, role string) bool {
	for _, p := range f.Partitions {
		if p.Role == role {
			return true
		}
	}
	return false
}

func unread(f *facts.Facts) bool { return f.ESP == nil && hasRole(f, facts.RoleESP) }

// uefi refuses what only a BIOS starts: machines here have UEFI firmware, too.
func uefi(f *facts.Facts) (string, string) {
	if hasLoader(f) || unread(f) || !bios(f) {
		return "", ""
	}
	return "The disk starts under a BIOS only.", "Convert the machine to UEFI (Windows: mbr2gpt.exe /convert /allowFullOS) and export again."
}

func gpt(f *facts.Facts) (string, string) {
	if f.Table.Kind != facts.MBR || !hasLoader(f) && !unread(f) {
		return "", ""
	}
	return "The disk has an MBR partition table.", "Convert it to GPT in the source machine and export again."
}

func readable(f *facts.Facts) (string, string) {
	if !unread(f) {
		return "", ""
	}
	return "The EFI system partition could not be read.", "Check the partition in the source machine and export again after a clean shutdown."
}

func known(f *facts.Facts) (string, string) {
	if f.OS != facts.Unknown && !(f.OS == facts.Windows && f.Windows != nil && f.Windows.Build == 0) {
		return "", ""
	}
	found := "No operating system was recognised on the disk."
	if len(f.Problems) > 0 {
		found += " " + strings.Join(f.Problems, " ")
	}
	return found, "Shut the source machine down cleanly, check that its system volume is not encrypted, and export again."
}

func version(f *facts.Facts) (string, string) {
	const remedy = "Use Windows Server 2022 or 2025, or let this server take other systems (import rules \"open\")."
	switch {
	case f.OS == facts.Linux && f.Linux != nil:
		return fmt.Sprintf("The operating system is %s.", or(f.Linux.PrettyName, or(f.Linux.ID, "Linux"))), remedy
	case f.OS != facts.Windows || f.Windows == nil || f.Windows.Build == 0:
		return "", "" // the rule operating-system has spoken
	case f.Windows.Name == "Windows Server 2022", f.Windows.Name == "Windows Server 2025":
		return "", ""
	}
	w := f.Windows
	return fmt.Sprintf("The operating system is %s, build %d.", or(w.Name, or(w.ProductName, "Windows")), w.Build), remedy
}

func full(f *facts.Facts) (string, string) {
	if f.Windows == nil || !f.Windows.Core {
		return "", ""
	}
	return "Windows is installed as Server Core.", "Install Windows Server with Desktop Experience; Server Core cannot be turned into it."
}

func size(f *facts.Facts) (string, string) {
	if f.SizeBytes <= MaxBytes {
		return "", ""
	}
	return fmt.Sprintf("The disk has %d GiB.", (f.SizeBytes+1<<30-1)>>30), "Shrink the system volume and the disk to 500 GiB or less."
}

func nvme(f *facts.Facts) (string, string) {
	w := f.Windows
	if f.OS != facts.Windows || w == nil {
		return "", ""
	}
	for _, n := range []string{facts.SvcNVMe, facts.SvcAWSNVMe} {
		if s, ok := w.Service(n); ok && s.File && s.Start == facts.StartBoot {
			return "", ""
		}
	}
	return "Neither stornvme nor the AWS NVMe driver is installed and starts at boot.",
		"Install the AWS NVMe driver in the source machine, or set the start type of stornvme to 0."
}

func ena(f *facts.Facts) (string, string) {
	if f.OS != facts.Windows || f.Windows == nil || f.Windows.Driver(facts.SvcENA) {
		return "", ""
	}
	return "The ENA driver is not installed.", "Install the AWS ENA driver in the source machine and export again."
}

// notes are findings that never refuse a disk.
func notes(f *facts.Facts) []Finding {
	var out []Finding
	add := func(code, rule, found, remedy, source string) {
		out = append(out, Finding{Rule: rule, Severity: Info, Found: found, Remedy: remedy, Source: source, Code: code})
	}
	if f.Table.Kind == facts.GPT && f.Table.PrimaryOK != f.Table.BackupOK {
		which := "backup"
		if f.Table.BackupOK {
			which = "primary"
		}
		add("gpt-copy", "Both copies of the partition table are intact.", "The "+which+" copy of the GPT partition table is missing or damaged.",
			"Repair it with a partition tool (sgdisk -e).", ownPage)
	}
	if w := f.Windows; w != nil && f.OS == facts.Windows {
		if w.Unclean {
			add("unclean-shutdown", "Windows was shut down cleanly.", "The registry was being written when the disk was taken.",
				"Export again after a full shutdown (shutdown /s /t 0).", ownPage)
		}
		if _, ok := w.Service(facts.SvcSSM); !ok {
			add("no-agent", "A management agent is installed.", "The Amazon SSM Agent is not installed.", "Install it if you want to manage the machine from outside.", importPage)
		}
	}
	if l := f.Linux; l != nil && f.OS == facts.Linux && len(l.Kernels) > 0 {
		for _, d := range []string{"nvme", "ena"} {
			if !l.Driver(d) {
				add("no-"+d, "Linux has the driver "+d+".", "Not every installed kernel has the driver "+d+".", "Install a kernel that has it if the machine is to run on AWS, too.", vmPage)
			}
		}
	}
	return out
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
