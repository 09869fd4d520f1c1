package rules

import (
	"fmt"
	"strings"

	"slipway/disk/facts"
)

// MaxBytes is the largest disk that AWS imports: 500 GiB.
const MaxBytes = 500 << 30

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

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
