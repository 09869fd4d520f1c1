package rules

import (
	"strings"

	"slipway/disk/facts"
)

// noteRules never refuse a disk.
func noteRules() []Rule {
	linux := func(driver string) func(*facts.Facts) hit {
		return func(f *facts.Facts) hit {
			if l := f.Linux; l == nil || f.OS != facts.Linux || len(l.Kernels) == 0 || l.Driver(driver) {
				return hit{}
			}
			return hit{found: "Not every installed kernel has the driver " + driver + "."}
		}
	}
	const modules = "/lib/modules/…/modules.dep and modules.builtin"
	return []Rule{
		{Code: "gpt-copy", Text: "Both copies of the partition table are intact.", Detect: "GPT header and entries at both ends of the disk, with their checksums",
			Remedy: "Repair it with a partition tool (sgdisk -e).", Source: ownPage, AWS: Info, BYOL: Info, Open: Info, check: gptCopy},
		{Code: "unclean-shutdown", Text: "Windows was shut down cleanly.", Detect: "both sequence numbers of the hives SOFTWARE and SYSTEM are equal",
			Remedy: "Export again after a full shutdown (shutdown /s /t 0).", Source: ownPage, AWS: Info, BYOL: Info, Open: Info, check: func(f *facts.Facts) hit {
				if f.OS != facts.Windows || f.Windows == nil || !f.Windows.Unclean {
					return hit{}
				}
				return hit{found: "The registry was being written when the disk was taken."}
			}},
		{Code: "no-agent", Text: "A management agent is installed.", Detect: "service AmazonSSMAgent", Remedy: "Install it if you want to manage the machine from outside.", Source: importPage,
			AWS: Info, Open: Info, check: func(f *facts.Facts) hit {
				if _, ok := f.Windows.Service(facts.SvcSSM); ok || f.OS != facts.Windows || f.Windows == nil {
					return hit{}
				}
				return hit{found: "The Amazon SSM Agent is not installed."}
			}},
		{Code: "no-nvme", Text: "Linux has the driver nvme.", Detect: modules, Remedy: "Install a kernel that has it if the machine is to run on AWS, too.", Source: vmPage,
			AWS: Info, Open: Info, check: linux("nvme")},
		{Code: "no-ena", Text: "Linux has the driver ena.", Detect: modules, Remedy: "Install a kernel that has it if the machine is to run on AWS, too.", Source: vmPage,
			AWS: Info, Open: Info, check: linux("ena")},
		{Code: "initramfs", Text: "The initramfs has the driver nvme, where the kernel has it as a module.", Detect: "names of the modules in /boot/initrd.img-… or initramfs-….img of the last two kernels",
			Remedy: "Make it anew with the driver: dracut --force --add-drivers nvme, or MODULES=most in /etc/initramfs-tools/initramfs.conf and update-initramfs -u -k all.", Source: vmPage,
			AWS: Warn, Open: Info, check: func(f *facts.Facts) hit {
				version, i, lacking := f.Linux.Lacking("nvme")
				if !lacking || f.OS != facts.Linux {
					return hit{}
				}
				return hit{found: "The initramfs of kernel " + version + " leaves out the driver nvme; on AWS it would not find its root file system.", where: i.File, value: "has " + strings.Join(i.Drivers, ", ")}
			}},
		{Code: "secure-boot", Text: "The boot loader carries a signature that firmware knows.", Detect: "certificate table of the boot loader, names of the authorities in it; the signature itself is not verified",
			Remedy: "Nothing is needed here: machines start without Secure Boot. For machines with it, install a signed boot loader (shim, or bcdboot).", Source: ownAdvice,
			AWS: Info, BYOL: Info, Open: Info, check: func(f *facts.Facts) hit {
				if !hasLoader(f) || f.ESP.SecureBoot() != "" {
					return hit{}
				}
				return hit{found: "The boot loader has no signature of a known authority; it does not start under Secure Boot.", where: strings.Join(f.ESP.Loaders, ", ")}
			}},
		{Code: "gpu-driver", Text: "A driver for GPUs is installed.", Detect: "services nvlddmkm (NVIDIA GRID) and amdkmdag", Remedy: "Install the NVIDIA GRID driver if the image is for graphics instances; others need none.", Source: importPage,
			AWS: Info, check: func(f *facts.Facts) hit {
				if !server(f) || f.Windows.Has(facts.GPUDriver) {
					return hit{}
				}
				return hit{found: "No driver for GPUs is installed; graphics instances would stream without one."}
			}},
		{Code: "foreign-guest-tools", Text: "No guest tools of another hypervisor are left.", Detect: `services VMTools, VBoxService; directories below C:\Program Files`,
			Remedy: "Uninstall them in the source machine before the export.", Source: ownAdvice, AWS: Info, Open: Info, check: func(f *facts.Facts) hit {
				for _, fact := range []string{facts.VMwareTools, facts.VirtualBox} {
					if s, ok := f.Windows.Sign(fact); ok {
						return cite(s, "Guest tools of another hypervisor are installed.")
					}
				}
				return hit{}
			}},
	}
}

func gptCopy(f *facts.Facts) hit {
	if f.Table.Kind != facts.GPT || f.Table.PrimaryOK == f.Table.BackupOK {
		return hit{}
	}
	which := "backup"
	if f.Table.BackupOK {
		which = "primary"
	}
	return hit{found: "The " + which + " copy of the GPT partition table is missing or damaged."}
}

// unseenRules are asked of the running machine; a disk cannot answer.
func unseenRules() []Rule {
	byol := func(code, aws, text, remedy string) Rule {
		return Rule{Code: code, AWSCode: aws, Text: text, Detect: "needs a running machine", Remedy: remedy, Source: errorPage, BYOL: Info}
	}
	return []Rule{
		{Code: "ports", Text: "Nothing uses or blocks the TCP ports 8000, 8300 and 8443.", Detect: "needs a running machine", Remedy: "Look with netstat -ano in the source machine.", Source: importPage, AWS: Info},
		byol("rearm-zero", "ZeroRearmCount", "Windows can be rearmed at least once.", "Look with slmgr /dlv in the source machine."),
		byol("rearm-few", "InsufficientRearmCount", "Windows can be rearmed often enough.", "Look with slmgr /dlv in the source machine."),
		byol("updates-required", "WindowsUpdatesRequired", "Every update that Windows asks for is installed.", "Install all updates and restart before the export."),
		byol("address", "InvalidIp", "The machine gets a usable address.", "Start the image and look with ipconfig."),
		byol("protocol", "ProtocolOSIncompatibility", "The streaming protocol of the import fits the Windows.", "Choose DCV for Windows 11."),
		byol("unknown", "UnknownError", "The checker comes to its end.", "Run the BYOL checker in the source machine."),
	}
}
