// Package facts is what an inspection saw on a disk, as plain data that is
// stored as JSON. Nothing that reads disks (disk/inspect) or judges them
// (disk/rules) may live here, and nothing is ever filled in by guessing: what
// could not be seen is absent and named in Problems.
package facts

import (
	"slices"
	"strings"
)

// Version is the inspector that writes the facts of today. It grows when new
// facts appear or old ones change their meaning, so that disks can be
// inspected again.
const Version = 3

// Facts is everything known about one disk.
type Facts struct {
	Version    int         `json:"version"`
	SizeBytes  int64       `json:"sizeBytes"`
	Empty      bool        `json:"empty,omitempty"` // nothing but zeros
	Table      Table       `json:"table"`
	Partitions []Partition `json:"partitions,omitempty"`
	ESP        *ESP        `json:"esp,omitempty"` // nil: no EFI system partition, or it could not be read
	OS         string      `json:"os"`            // Windows | Linux | Unknown
	Windows    *WindowsOS  `json:"windows,omitempty"`
	Linux      *LinuxOS    `json:"linux,omitempty"`
	Problems   []string    `json:"problems,omitempty"` // what could not be inspected, one sentence each
}

// Families of operating systems.
const (
	Windows = "windows"
	Linux   = "linux"
	Unknown = "unknown"
)

// Kinds of partition tables.
const (
	GPT     = "gpt"
	MBR     = "mbr"
	NoTable = "none"
)

// Table is the partition table.
type Table struct {
	Kind          string `json:"kind"`                    // GPT | MBR | NoTable
	SectorSize    int    `json:"sectorSize,omitempty"`    // bytes
	PrimaryOK     bool   `json:"primaryOk,omitempty"`     // GPT: both checksums of the primary copy hold
	BackupOK      bool   `json:"backupOk,omitempty"`      // GPT: a valid copy stands at the end of the disk
	ProtectiveMBR bool   `json:"protectiveMbr,omitempty"` // GPT: the MBR in front says so
	BootCode      bool   `json:"bootCode,omitempty"`      // MBR: code for BIOS machines and an active partition
	NeedsBytes    int64  `json:"needsBytes,omitempty"`    // how large the disk has to be for what the table says
}

// Partition is one entry of the table; a disk without a table that holds a
// file system has one with number 0.
type Partition struct {
	Number     int    `json:"number"`
	Type       string `json:"type"` // GUID in upper case, or "0x07" of an MBR
	Role       string `json:"role,omitempty"`
	Name       string `json:"name,omitempty"`
	StartBytes int64  `json:"startBytes"`
	SizeBytes  int64  `json:"sizeBytes"`
	Active     bool   `json:"active,omitempty"`    // MBR: marked for boot
	BeyondEnd  bool   `json:"beyondEnd,omitempty"` // reaches behind the end of the disk
	FileSystem string `json:"fileSystem,omitempty"`
	GUID       string `json:"guid,omitempty"` // GPT: of this one partition
}

// Roles of partitions that the type tells.
const (
	RoleESP      = "esp"
	RoleMSR      = "msr"
	RoleRecovery = "recovery"
	RoleBIOSBoot = "bios-boot"
)

// File systems and volumes known by their magic bytes.
const (
	FAT       = "fat"
	ExFAT     = "exfat"
	NTFS      = "ntfs"
	ReFS      = "refs"
	BitLocker = "bitlocker"
	Ext       = "ext"
	XFS       = "xfs"
	Btrfs     = "btrfs"
	LVM       = "lvm"
	LUKS      = "luks"
	Swap      = "swap"
	SquashFS  = "squashfs"
)

// ESP is the EFI system partition.
type ESP struct {
	Partition int      `json:"partition"`
	Fallback  bool     `json:"fallback,omitempty"` // \EFI\BOOT\BOOTX64.EFI, what firmware starts without boot entries
	BootMgr   bool     `json:"bootMgr,omitempty"`  // \EFI\Microsoft\Boot\bootmgfw.efi
	Loaders   []string `json:"loaders,omitempty"`  // all *.efi below \EFI, at most 32
	Signed    []Signed `json:"signed,omitempty"`   // those of Loaders that carry a signature
}

// Signed is an executable with a signature. Whether that is valid was not
// checked; Authorities are well-known ones that its certificates name.
type Signed struct {
	File        string   `json:"file"`
	Authorities []string `json:"authorities,omitempty"`
}

// SecureBoot names a loader that firmware with Microsoft's usual keys may take:
// the first that firmware starts and that is signed; "" when there is none.
func (e *ESP) SecureBoot() string {
	if e == nil {
		return ""
	}
	for _, s := range e.Signed {
		n := strings.ToUpper(s.File)
		if len(s.Authorities) > 0 && (n == `\EFI\BOOT\BOOTX64.EFI` || n == `\EFI\MICROSOFT\BOOT\BOOTMGFW.EFI`) {
			return s.File
		}
	}
	return ""
}

// WindowsOS is what the registry says.
type WindowsOS struct {
	Partition        int       `json:"partition"`
	Name             string    `json:"name,omitempty"`        // by build and installation type, "Windows Server 2022"; "" if unknown
	ProductName      string    `json:"productName,omitempty"` // as found: Windows 11 says "Windows 10 …"
	EditionID        string    `json:"editionId,omitempty"`
	InstallationType string    `json:"installationType,omitempty"` // "Server", "Server Core", "Client"
	Build            int       `json:"build,omitempty"`
	UBR              int       `json:"ubr,omitempty"`
	DisplayVersion   string    `json:"displayVersion,omitempty"`
	Core             bool      `json:"core,omitempty"`
	Client           bool      `json:"client,omitempty"`
	Unclean          bool      `json:"unclean,omitempty"`      // a hive was not written out: newest changes are in its log
	Services         []Service `json:"services,omitempty"`     // those of interest that exist
	Signs            []Sign    `json:"signs,omitempty"`        // what else the registry and the files tell
	FreeBytes        int64     `json:"freeBytes,omitempty"`    // free clusters of the Windows volume
	FreeKnown        bool      `json:"freeKnown,omitempty"`    // FreeBytes was counted
	Letters          []Letter  `json:"letters,omitempty"`      // drive letters of volumes on this disk
	OtherLetters     []string  `json:"otherLetters,omitempty"` // letters of volumes on other disks
}

// Letter is a drive letter of a partition.
type Letter struct {
	Letter    string `json:"letter"` // "C:"
	Partition int    `json:"partition"`
}

// Service is a Windows driver or service.
type Service struct {
	Name  string `json:"name"`
	Start int    `json:"start"` // 0 boot, 1 system, 2 automatic, 3 on demand, 4 disabled; StartOverride counts
	File  bool   `json:"file"`  // drivers: System32\drivers has the file
}

// Start types of Service.
const (
	StartBoot     = 0
	StartDisabled = 4
)

// Service finds a service by its exact name.
func (w *WindowsOS) Service(name string) (Service, bool) {
	if w != nil {
		for _, s := range w.Services {
			if s.Name == name {
				return s, true
			}
		}
	}
	return Service{}, false
}

// Driver tells whether a driver is registered, not disabled, and its file exists.
func (w *WindowsOS) Driver(name string) bool {
	s, ok := w.Service(name)
	return ok && s.File && s.Start < StartDisabled
}

// LinuxOS is what /etc/os-release and /lib/modules say.
type LinuxOS struct {
	Partition  int      `json:"partition"`
	ID         string   `json:"id,omitempty"`
	IDLike     string   `json:"idLike,omitempty"`
	VersionID  string   `json:"versionId,omitempty"`
	Codename   string   `json:"codename,omitempty"`
	Name       string   `json:"name,omitempty"`
	PrettyName string   `json:"prettyName,omitempty"`
	Kernels    []Kernel `json:"kernels,omitempty"`
	Agents     []string `json:"agents,omitempty"` // AgentSSM and so on
	CloudInit  bool     `json:"cloudInit,omitempty"`
	SELinux    string   `json:"selinux,omitempty"`    // the mode of /etc/selinux/config
	RootDevice string   `json:"rootDevice,omitempty"` // what /etc/fstab mounts as /
}

// Linux agents that are looked for.
const (
	AgentSSM    = "amazon-ssm-agent"
	AgentQEMU   = "qemu-ga"
	AgentVMware = "open-vm-tools"
	AgentDCV    = "dcvserver"
)

// Kernel is one directory of /lib/modules.
type Kernel struct {
	Version string   `json:"version"`
	Drivers []string `json:"drivers,omitempty"` // of DriverNames, loadable or built in
	Builtin []string `json:"builtin,omitempty"` // those of Drivers that are built in

	Initramfs *Initramfs `json:"initramfs,omitempty"` // nil when there is none, or nobody looked
}

// Initramfs is what a kernel has before it has its root file system.
type Initramfs struct {
	File    string   `json:"file"`              // on its partition
	Drivers []string `json:"drivers,omitempty"` // of DriverNames
	Problem string   `json:"problem,omitempty"` // why Drivers is not known: a sentence
}

// DriverNames are the Linux drivers that are looked for.
func DriverNames() []string { return []string{"nvme", "ena", "virtio_net", "virtio_blk"} }

// Driver tells whether every kernel has the driver; false without kernels.
func (l *LinuxOS) Driver(name string) bool {
	if l == nil || len(l.Kernels) == 0 {
		return false
	}
	for _, k := range l.Kernels {
		found := false
		for _, d := range k.Drivers {
			found = found || d == name
		}
		if !found {
			return false
		}
	}
	return true
}

// Lacking is the first initramfs that leaves out a driver which its kernel has
// as a module: a machine that needs it to reach its root file system does not
// start. ok is false when there is none, as far as that is known.
func (l *LinuxOS) Lacking(driver string) (version string, missing Initramfs, ok bool) {
	if l == nil {
		return "", Initramfs{}, false
	}
	for _, k := range l.Kernels {
		if i := k.Initramfs; i != nil && i.Problem == "" && slices.Contains(k.Drivers, driver) && !slices.Contains(k.Builtin, driver) && !slices.Contains(i.Drivers, driver) {
			return k.Version, *i, true
		}
	}
	return "", Initramfs{}, false
}

// HasFileSystem tells whether any partition carries the file system.
func (f *Facts) HasFileSystem(fs string) bool {
	for _, p := range f.Partitions {
		if p.FileSystem == fs {
			return true
		}
	}
	return false
}
