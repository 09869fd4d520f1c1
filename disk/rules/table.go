package rules

import (
	"fmt"

	"slipway/disk/facts"
)

const (
	importPage = "AWS: WorkSpaces Applications Administration Guide, Import Image (docs.aws.amazon.com/appstream2/latest/developerguide/import-image.html)"
	vmPage     = "AWS: VM Import/Export User Guide, Requirements (docs.aws.amazon.com/vm-import/latest/userguide/prerequisites.html)"
	drvPage    = "AWS: EC2 User Guide, Drivers for Windows instances (docs.aws.amazon.com/AWSEC2/latest/UserGuide)"
	byolPage   = "AWS: WorkSpaces Administration Guide, Bring Your Own Windows desktop licenses (docs.aws.amazon.com/workspaces/latest/adminguide/byol-windows-images.html)"
	errorPage  = "AWS: WorkSpaces Administration Guide, Common errors of Windows images (docs.aws.amazon.com/workspaces/latest/adminguide/windows-images-common-errors.html)"
	ownPage    = "Slipway: a disk without it cannot start"
	ownAdvice  = "Slipway: advice"
)

// plain adapts a check that cites nothing.
func plain(check func(f *facts.Facts) (found, remedy string)) func(*facts.Facts) hit {
	return func(f *facts.Facts) hit {
		found, remedy := check(f)
		return hit{found: found, remedy: remedy}
	}
}

// diskRules are about the disk and the boot loader.
func diskRules() []Rule {
	return []Rule{
		{Code: "disk-empty", Text: "The disk holds something.", Detect: "every byte of the image is zero", Remedy: "Check the export.", Source: ownPage,
			AWS: Block, BYOL: Block, Open: Block, check: plain(notEmpty)},
		{Code: "partition-table", Text: "The disk has a partition table that can be read.", Detect: "GPT header and entries with their checksums, MBR signature",
			Remedy: "Export the disk again as a whole.", Source: ownPage, AWS: Block, BYOL: Block, Open: Block, check: plain(table)},
		{Code: "disk-truncated", Text: "The disk is as large as its partition table says.", Detect: "ends of partitions and place of the backup table against the size of the image",
			Remedy: "Upload the file again and compare the size.", Source: ownPage, AWS: Block, BYOL: Block, Open: Block, check: plain(inside)},
		{Code: "bitlocker", Text: "No volume is encrypted with BitLocker.", Detect: "boot sector of each partition: OEM name -FVE-FS-",
			Remedy: "Turn BitLocker off in the source machine and wait until decryption is complete.", Source: vmPage, AWS: Block, BYOL: Block, Open: Block, check: plain(noBitLocker)},
		{Code: "boot-loader", Text: "The disk has a boot loader.", Detect: `EFI system partition: \EFI\BOOT\BOOTX64.EFI or \EFI\Microsoft\Boot\bootmgfw.efi; otherwise boot code in the MBR`,
			Remedy: "Install a boot loader in the source machine, under Windows with bcdboot.", Source: ownPage, AWS: Block, BYOL: Block, Open: Block, check: plain(bootable)},
		{Code: "uefi", Text: "The disk starts under UEFI.", Detect: "a BIOS boot loader and none for UEFI", Remedy: "Convert the machine to UEFI (mbr2gpt.exe).", Source: importPage,
			AWS: Block, Open: Block, check: plain(uefi)},
		{Code: "gpt", Text: "The disk has a GPT partition table.", Detect: "kind of the partition table", Remedy: "Convert it to GPT in the source machine.", Source: importPage,
			AWS: Block, Open: Waived, check: plain(gpt)},
		{Code: "esp-readable", Text: "The EFI system partition can be read.", Detect: "FAT file system of the EFI system partition", Remedy: "Check the partition in the source machine.",
			Source: importPage, AWS: Block, BYOL: Block, Open: Waived, check: plain(readable)},
		{Code: "operating-system", Text: "The operating system can be told.", Detect: `HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion; /etc/os-release`,
			Remedy: "Shut the source machine down cleanly and export again.", Source: importPage, AWS: Block, BYOL: Block, Open: Waived, check: plain(known)},
		{Code: "disk-size", Text: "The disk has at most 500 GiB.", Detect: "size of the image", Remedy: "Shrink the system volume and the disk.", Source: importPage,
			AWS: Block, Open: Waived, check: plain(size)},
	}
}

// serverRules are what AppStream asks of a Windows Server.
func serverRules() []Rule {
	const cv = `HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion`
	return []Rule{
		{Code: "windows-version", Text: "The operating system is Windows Server 2022 or Windows Server 2025.", Detect: cv + ": CurrentBuildNumber, InstallationType",
			Remedy: "Use Windows Server 2022 or 2025.", Source: importPage, AWS: Block, Open: Waived, check: plain(version)},
		{Code: "windows-full", Text: "Windows Server is installed in full, with desktop.", Detect: cv + ": InstallationType", Remedy: "Install Windows Server with Desktop Experience.",
			Source: importPage, AWS: Block, Open: Waived, check: plain(full)},
		{Code: "nvme-driver", Text: "Windows has a driver for NVMe disks that starts at boot.", Detect: `HKLM\SYSTEM\…\Services\stornvme or AWSNVMe: Start is 0; System32\drivers has the file`,
			Remedy: "Install the AWS NVMe driver, or set the start type of stornvme to 0.", Source: drvPage, AWS: Block, BYOL: Warn, Open: Waived, check: plain(nvme)},
		{Code: "ena-driver", Text: "Windows has the Elastic Network Adapter driver.", Detect: `HKLM\SYSTEM\…\Services\ena: Start below 4; System32\drivers\ena.sys`,
			Remedy: "Install the AWS ENA driver in the source machine.", Source: importPage, AWS: Block, BYOL: Warn, Open: Waived, check: plain(ena)},
		{Code: "sql-server", Text: "No SQL Server is part of the image.", Detect: `HKLM\SOFTWARE\Microsoft\Microsoft SQL Server\Instance Names\SQL; services MSSQLSERVER, MSSQL$…`,
			Remedy: "Remove SQL Server, or install it on a machine of its own.", Source: importPage, AWS: Block, Open: Waived, check: sees(facts.SQLServer, "An instance of SQL Server is installed.")},
		{Code: "rds-session-host", Text: "The role Remote Desktop Session Host is not installed.", Detect: `HKLM\SOFTWARE\Microsoft\ServerManager\…\RDS-RD-Server: InstallState is 1`,
			Remedy: "Remove the role: Uninstall-WindowsFeature RDS-RD-Server -Restart.", Source: importPage, AWS: Block, Open: Waived, check: sees(facts.RDSSessionHost, "The role Remote Desktop Session Host is installed.")},
		{Code: "rds-licensing", Text: "The role Remote Desktop Licensing is not installed.", Detect: `HKLM\SOFTWARE\Microsoft\ServerManager\…\RDS-Licensing: InstallState is 1; service TermServLicensing`,
			Remedy: "Remove the role: Uninstall-WindowsFeature RDS-Licensing -Restart.", Source: importPage, AWS: Block, Open: Waived, check: sees(facts.RDSLicensing, "The role Remote Desktop Licensing is installed.")},
		{Code: "ec2launch", Text: "EC2Launch v2 is installed.", Detect: `service "Amazon EC2Launch"; C:\Program Files\Amazon\EC2Launch\EC2Launch.exe`,
			Remedy: "Install EC2Launch v2 in the source machine (AmazonEC2Launch.msi).", Source: importPage, AWS: Block, Open: Waived, check: ec2launch},
		{Code: "dotnet", Text: ".NET Framework is 4.8 or newer.", Detect: `HKLM\SOFTWARE\Microsoft\NET Framework Setup\NDP\v4\Full: Release is at least 528040`,
			Remedy: "Install .NET Framework 4.8 in the source machine.", Source: importPage, AWS: Block, Open: Waived, check: dotnet},
		{Code: "powershell", Text: "Windows PowerShell is 5.1 or newer.", Detect: `HKLM\SOFTWARE\Microsoft\PowerShell\3\PowerShellEngine: PowerShellVersion`,
			Remedy: "Install Windows Management Framework 5.1.", Source: importPage, AWS: Block, Open: Waived, check: powershell(5, 1)},
		{Code: "windows-update", Text: "Windows Update is off before the import.", Detect: `HKLM\SOFTWARE\Policies\…\WindowsUpdate\AU: NoAutoUpdate, AUOptions; service wuauserv: Start`,
			Remedy: "Turn it off until the import is over: set NoAutoUpdate to 1, or disable the service wuauserv.", Source: importPage, AWS: Warn, check: updates},
		{Code: "generalized", Text: "The machine was not left in the middle of Windows Setup.", Detect: `HKLM\SYSTEM\Setup: SystemSetupInProgress; HKLM\SOFTWARE\…\Setup\State: ImageState`,
			Remedy: "Start the source machine, let Setup finish, and shut it down; or make sure that its answer file leaves no question open.", Source: ownAdvice, AWS: Warn, BYOL: Warn, Open: Warn, check: generalized},
		{Code: "restart-pending", Text: "No restart is pending.", Detect: "as PendingReboot below", Remedy: "Restart the source machine until Windows asks no more, then shut it down.", Source: ownAdvice,
			AWS: Warn, Open: Warn, check: pendingReboot},
	}
}

// sees refuses what there is a sign of.
func sees(fact, found string) func(*facts.Facts) hit {
	return func(f *facts.Facts) hit {
		if s, ok := f.Windows.Sign(fact); ok {
			return cite(s, found)
		}
		return hit{}
	}
}

// cite is a hit with its proof.
func cite(s facts.Sign, found string) hit {
	h := hit{found: found, where: s.Where, value: s.Value}
	if s.Name != "" {
		h.where += ": " + s.Name
	}
	return h
}

func server(f *facts.Facts) bool {
	return f.OS == facts.Windows && f.Windows != nil && !f.Windows.Client
}
func desktop(f *facts.Facts) bool {
	return f.OS == facts.Windows && f.Windows != nil && f.Windows.Client
}

func ec2launch(f *facts.Facts) hit {
	if !server(f) || f.Windows.Has(facts.EC2LaunchV2) {
		return hit{}
	}
	if s, ok := f.Windows.Sign(facts.EC2LaunchV1); ok {
		return cite(s, "The older EC2Launch is installed, and EC2Launch v2 is not.")
	}
	return hit{found: "EC2Launch v2 is not installed."}
}

// release480 is what .NET Framework 4.8 says of itself on the oldest Windows
// that comes with it (Microsoft Learn, "How to determine which .NET Framework
// versions are installed").
const release480 = 528040

func dotnet(f *facts.Facts) hit {
	if !server(f) {
		return hit{}
	}
	s, ok := f.Windows.Sign(facts.DotNet)
	switch {
	case !ok:
		return hit{found: "The registry names no .NET Framework 4."}
	case s.Number < release480:
		return cite(s, fmt.Sprintf(".NET Framework is older than 4.8: its release is %d.", s.Number))
	}
	return hit{}
}

func powershell(major, minor int) func(*facts.Facts) hit {
	return func(f *facts.Facts) hit {
		if f.OS != facts.Windows || f.Windows == nil {
			return hit{}
		}
		s, ok := f.Windows.Sign(facts.PowerShell)
		if !ok {
			return hit{found: "The registry names no Windows PowerShell 3 or newer."}
		}
		var a, b int
		if n, _ := fmt.Sscanf(s.Value, "%d.%d", &a, &b); n < 1 || a < major || a == major && b < minor {
			return cite(s, fmt.Sprintf("Windows PowerShell is version %s.", or(s.Value, "unknown")))
		}
		return hit{}
	}
}

// updates: any of three settings turns automatic updates off.
func updates(f *facts.Facts) hit {
	w := f.Windows
	if f.OS != facts.Windows || w == nil {
		return hit{}
	}
	off, _ := w.Number(facts.UpdatesOff)
	option, _ := w.Number(facts.UpdatesOption)
	const never = 1
	s, ok := w.Sign(facts.UpdatesService)
	if off == 1 || option == never || ok && s.Number == facts.StartDisabled {
		return hit{}
	}
	if ok {
		return cite(s, "Windows Update is on: no policy turns it off and its service is not disabled.")
	}
	return hit{found: "Windows Update is on: no policy turns it off and its service is not disabled."}
}

func generalized(f *facts.Facts) hit {
	if f.Windows == nil {
		return hit{}
	}
	if s, ok := f.Windows.Sign(facts.SetupRunning); ok && s.Number != 0 {
		return cite(s, "Windows starts with Windows Setup, as after Sysprep; without an answer file it waits for somebody.")
	}
	if s, ok := f.Windows.Sign(facts.ImageState); ok && s.Value != "" && s.Value != "IMAGE_STATE_COMPLETE" {
		return cite(s, "Windows Setup is not complete.")
	}
	return hit{}
}

func pendingReboot(f *facts.Facts) hit {
	for _, x := range []struct{ fact, found string }{
		{facts.RebootServicing, "Windows has components to install at the next start."},
		{facts.RebootUpdate, "Windows Update asks for a restart."},
		{facts.RebootRename, "Files are to be replaced at the next start."},
	} {
		if s, ok := f.Windows.Sign(x.fact); ok && (x.fact != facts.RebootRename || s.Value != "") {
			return cite(s, x.found)
		}
	}
	return hit{}
}
