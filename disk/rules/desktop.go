package rules

import (
	"fmt"
	"slices"
	"strings"

	"slipway/disk/facts"
)

const (
	byolMaxBytes  = 80 << 30 // exclusive
	byolFreeBytes = 20 << 30
	byolLeast     = 10 << 30
)

// byol makes a rule of the BYOL checker.
func byol(code, aws, text, detect, remedy string, check func(*facts.Facts) hit) Rule {
	return Rule{Code: code, AWSCode: aws, Text: text, Detect: detect, Remedy: remedy, Source: errorPage, BYOL: Block, check: onDesktop(check)}
}

// onDesktop keeps the later rules quiet about what is no desktop at all: the
// first one has said so.
func onDesktop(check func(*facts.Facts) hit) func(*facts.Facts) hit {
	return func(f *facts.Facts) hit {
		if !desktop(f) {
			return hit{}
		}
		return check(f)
	}
}

func warn(r Rule) Rule {
	r.BYOL = Warn
	return r
}

// desktopRules are those of the BYOL checker about disk and system.
func desktopRules() []Rule {
	const svc = `HKLM\SYSTEM\…\Services\`
	supported := byol("desktop-version", "OSNotSupported", "The operating system is a Windows 10 or 11 that WorkSpaces supports.", `HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion: CurrentBuildNumber, EditionID, InstallationType`,
		"Use Windows 10 22H2 or LTSC, or Windows 11 Enterprise 22H2 to 25H2, no N edition.", nil)
	supported.check, supported.Source = desktopVersion, byolPage
	return []Rule{
		supported,
		byol("desktop-64-bit", "Requires64BitOS", "Windows is a 64-bit one.", `HKLM\SYSTEM\…\Session Manager\Environment: PROCESSOR_ARCHITECTURE`, "Install the x64 edition.", func(f *facts.Facts) hit {
			if s, ok := f.Windows.Sign(facts.Architecture); ok && !strings.EqualFold(s.Value, "AMD64") {
				return cite(s, "Windows is made for another processor.")
			}
			return hit{}
		}),
		byol("desktop-firmware", "UEFINotSupported", "Windows 10 starts under a BIOS.", "UEFI boot loader on a disk of Windows 10", "Use Windows 11, or install Windows 10 in a machine with legacy BIOS.", func(f *facts.Facts) hit {
			if f.Windows.Name == "Windows 10" && hasLoader(f) {
				return hit{found: "Windows 10 starts under UEFI.", where: strings.Join(f.ESP.Loaders, ", ")}
			}
			return hit{}
		}),
		byol("desktop-partitioning", "IncompatiblePartitioning", "The partition table is MBR for Windows 10 and GPT for Windows 11.", "kind of the partition table", "Convert the disk (mbr2gpt.exe for Windows 11).", func(f *facts.Facts) hit {
			want := facts.GPT
			if f.Windows.Name == "Windows 10" {
				want = facts.MBR
			}
			if f.Table.Kind == want {
				return hit{}
			}
			return hit{found: fmt.Sprintf("The partition table of %s is %s.", or(f.Windows.Name, "Windows"), strings.ToUpper(f.Table.Kind))}
		}),
		byol("desktop-boot-partitions", "MultipleBootPartition", "One partition is for booting.", "number of EFI system partitions and of active MBR partitions", "Remove what other systems left.", bootPartitions),
		byol("desktop-disk-size", "DiskSizeExceeded", "The disk is smaller than 80 GiB.", "size of the image", "Shrink the system volume and the disk below 80 GiB.", func(f *facts.Facts) hit {
			if f.SizeBytes < byolMaxBytes {
				return hit{}
			}
			return hit{found: fmt.Sprintf("The disk has %d GiB.", f.SizeBytes>>30)}
		}),
		byol("desktop-free-space", "DiskFreeSpace", "More than 20 GiB of the Windows volume are free.", "free clusters in $Bitmap of the Windows volume", "Delete files, or enlarge the volume.", free(byolLeast, byolFreeBytes)),
		byol("desktop-least-space", "InsufficientDiskSpace", "There is room to generalise the image.", "free clusters in $Bitmap of the Windows volume: below 10 GiB", "Delete files, or enlarge the volume.", free(-1, byolLeast)),
		byol("desktop-second-volume", "AdditionalDrivesPresent", "C: is the only drive on the disk.", `HKLM\SYSTEM\MountedDevices: letters of partitions of this disk`, "Move the files to C: and delete the other volume.", func(f *facts.Facts) hit {
			for _, l := range f.Windows.Letters {
				if l.Partition != f.Windows.Partition {
					return hit{found: fmt.Sprintf("Partition %d is drive %s", l.Partition, l.Letter) + ".", where: `HKLM\SYSTEM\MountedDevices`, value: l.Letter}
				}
			}
			return hit{}
		}),
		warn(byol("desktop-second-disk", "AdditionalDrivesAttached", "The machine has one disk.", `HKLM\SYSTEM\MountedDevices: letters of volumes that are not on this disk; they may be remembered from long ago`, "Detach other disks before the export.", func(f *facts.Facts) hit {
			if len(f.Windows.OtherLetters) == 0 {
				return hit{}
			}
			return hit{found: "Windows knows volumes on another disk.", where: `HKLM\SYSTEM\MountedDevices`, value: strings.Join(f.Windows.OtherLetters, " ")}
		})),
		byol("desktop-letter-d", "RestrictedDriveLetterInUse", "The letter D: is free.", `HKLM\SYSTEM\MountedDevices: \DosDevices\D:`, "Give the volume another letter, or remove it; WorkSpaces needs D: for itself.", letterD),
		byol("desktop-automount", "AutoMountDisabled", "Windows mounts new volumes by itself.", svc+`mountmgr: NoAutoMount is 1`, "Run mountvol /E.", number(facts.AutoMount, "New volumes are not mounted.", func(n int64) bool { return n == 1 })),
		byol("desktop-reserved-storage", "ReservedStorageInUse", "Windows keeps no reserved storage.", `HKLM\SOFTWARE\…\ReserveManager: ShippedWithReserves is 1`, "Set ShippedWithReserves to 0 and run DISM /Online /Set-ReservedStorageState /State:Disabled.", number(facts.Reserves, "Windows keeps reserved storage.", func(n int64) bool { return n == 1 })),
		byol("desktop-memory-integrity", "MemoryIntegrityIncompatibility", "Memory integrity is off.", `HKLM\SYSTEM\…\DeviceGuard\Scenarios\HypervisorEnforcedCodeIntegrity: Enabled is 1`, "Turn off Core isolation, Memory integrity, in Windows Security and restart.", number(facts.MemoryIntegrity, "Memory integrity is on.", func(n int64) bool { return n == 1 })),
		byol("desktop-upgrade", "InPlaceUpgrade", "Windows was not upgraded in place.", `HKLM\SYSTEM\Setup\Upgrade exists`, "Install this version of Windows anew.", sees(facts.SetupUpgrade, "Windows Setup left the state of an upgrade in place.")),
		byol("desktop-old-version", "UnsupportedOsUpgrade", "Windows was installed as this version.", `HKLM\SYSTEM\Setup has keys "Source OS (…)"`, "Install this version of Windows anew.", sees(facts.SourceOS, "Windows was upgraded from an older version.")),
		byol("desktop-sysprep", "SysPrepFileMissing", "Sysprep is there.", `C:\Windows\System32\Sysprep\sysprep.exe`, "Repair Windows with sfc /scannow.", lacks(facts.SysprepTool, "sysprep.exe is missing.")),
		byol("desktop-default-profile", "UserProfileMissing", "The default user profile is there.", `C:\Users\Default`, "Repair Windows, or copy the profile from the same version of Windows.", lacks(facts.DefaultProfile, `The directory C:\Users\Default is missing.`)),
	}
}

// desktopEditions are the builds that WorkSpaces takes and the editions of
// each; none means every edition that is not an N edition.
func desktopEditions() map[int][]string {
	eleven := []string{"Enterprise", "Education"}
	return map[int][]string{
		19045: nil, 17763: {"EnterpriseS"}, 19044: {"EnterpriseS"},
		22621: eleven, 22631: eleven, 26100: append([]string{"EnterpriseS"}, eleven...), 26200: eleven,
	}
}

func desktopVersion(f *facts.Facts) hit {
	const where = `HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion: `
	w := f.Windows
	switch {
	case f.OS == facts.Unknown:
		return hit{} // said already
	case !desktop(f) && w != nil:
		return hit{found: fmt.Sprintf("The operating system is %s, not a Windows desktop.", or(w.Name, or(w.ProductName, "Windows"))), where: where + "InstallationType", value: w.InstallationType}
	case !desktop(f):
		return hit{found: "The operating system is Linux."}
	}
	editions, ok := desktopEditions()[w.Build]
	switch {
	case !ok:
		return hit{found: fmt.Sprintf("%s, build %d, is not among the supported ones.", or(w.Name, "Windows"), w.Build), where: where + "CurrentBuildNumber", value: fmt.Sprint(w.Build)}
	case strings.HasSuffix(w.EditionID, "N") && w.EditionID != "", editions != nil && !slices.Contains(editions, w.EditionID):
		return hit{found: fmt.Sprintf("The edition %s of %s is not supported.", or(w.EditionID, "unknown"), w.Name), where: where + "EditionID", value: w.EditionID}
	}
	return hit{}
}

func bootPartitions(f *facts.Facts) hit {
	efi, active := 0, 0
	for _, p := range f.Partitions {
		if p.Role == facts.RoleESP {
			efi++
		}
		if p.Active {
			active++
		}
	}
	if max(efi, active) < 2 {
		return hit{}
	}
	return hit{found: fmt.Sprintf("%d partitions are for booting.", max(efi, active))}
}

// free refuses a volume with more than over and at most upTo free bytes.
func free(over, upTo int64) func(*facts.Facts) hit {
	return func(f *facts.Facts) hit {
		if n := f.Windows.FreeBytes; f.Windows.FreeKnown && n > over && n <= upTo {
			return hit{found: fmt.Sprintf("%.1f GiB of the Windows volume are free.", float64(n)/(1<<30))}
		}
		return hit{}
	}
}

func letterD(f *facts.Facts) hit {
	const where = `HKLM\SYSTEM\MountedDevices: \DosDevices\D:`
	if slices.ContainsFunc(f.Windows.Letters, func(l facts.Letter) bool { return l.Letter == "D:" }) || slices.Contains(f.Windows.OtherLetters, "D:") {
		return hit{found: "A volume is drive D:.", where: where}
	}
	return hit{}
}

// number refuses what bad says of the number of a sign.
func number(fact, found string, bad func(int64) bool) func(*facts.Facts) hit {
	return func(f *facts.Facts) hit {
		if s, ok := f.Windows.Sign(fact); ok && bad(s.Number) {
			return cite(s, found)
		}
		return hit{}
	}
}

func lacks(fact, found string) func(*facts.Facts) hit {
	return func(f *facts.Facts) hit {
		if f.Windows.Has(fact) {
			return hit{}
		}
		return hit{found: found}
	}
}
