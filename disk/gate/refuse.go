package gate

import (
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"slipway/fault"
)

// Remedies that several refusals share.
const (
	flatten   = "Flatten it with `qemu-img convert` on the machine that has all its parts."
	exportNew = "Export it again after a clean shutdown of its machine."
	copyAgain = "Copy or download the file again and compare its checksum with the source."
	reexport  = "Write it anew with `qemu-img convert`, or export it again."
	asRaw     = "Convert it with `qemu-img convert -O raw`."
	unpackIt  = "Unpack it and give the disk image inside."
	packAgain = "Make the archive again from an OVF export."
	smaller   = "Make the disk smaller, or ask the operator for a higher limit."
)

// remedies names every refusal of this package: its code, and what a person
// does about it.
var remedies = map[string]string{
	"EMPTY_FILE": copyAgain, "TOO_LARGE": smaller, "FORMAT_MISMATCH": "Name the format that the file really has, or none.",
	"NOT_A_DISK": "Give a disk image: raw, qcow2, VMDK, VHD, VHDX or OVA.", "UNKNOWN_FORMAT": asRaw, "ENCRYPTED_DISK": "Decrypt it first and export the decrypted disk.",
	"ARCHIVE": unpackIt, "NESTED_TOO_DEEP": unpackIt, "DISK_CHANGED": copyAgain,

	"QCOW2_VERSION": asRaw, "QCOW2_BACKING_FILE": flatten, "QCOW2_DATA_FILE": flatten, "QCOW2_ENCRYPTED": "Decrypt it with `qemu-img convert` where the key is.",
	"QCOW2_SNAPSHOTS":   "Write it without its internal snapshots with `qemu-img convert -O qcow2`.",
	"QCOW2_CORRUPT":     "Repair it with `qemu-img check -r all` and convert the result.",
	"QCOW2_EXTENDED_L2": "Write it without extended L2 entries with `qemu-img convert -O qcow2`.", "QCOW2_UNKNOWN_FEATURE": reexport, "QCOW2_HEADER": reexport,
	"QCOW2_EXTENSION": reexport, "QCOW2_CLUSTER_SIZE": reexport, "QCOW2_L1_TABLE": reexport, "QCOW2_REFCOUNT_TABLE": reexport, "QCOW2_L2_TABLE": reexport,
	"QCOW2_CLUSTER": copyAgain, "QCOW2_COMPRESSION": reexport, "QCOW2_COMPRESSED_CLUSTER": copyAgain, "QCOW2_TRUNCATED": copyAgain,

	"VMDK_TEXT_DESCRIPTOR": "Give one file that holds everything: export it as streamOptimized or `qemu-img convert` it where all its parts are.",
	"VMDK_OLD_SPARSE":      flatten, "VMDK_VERSION": reexport, "VMDK_HEADER": reexport, "VMDK_FLAGS": reexport, "VMDK_DAMAGED_BY_TEXT_MODE": "Transfer it again in binary mode.",
	"VMDK_UNCLEAN": exportNew, "VMDK_NO_DESCRIPTOR": flatten, "VMDK_DESCRIPTOR": reexport, "VMDK_CREATE_TYPE": "Export it as streamOptimized, or flatten it with `qemu-img convert`.",
	"VMDK_EXTENT": flatten, "VMDK_PARENT": flatten, "VMDK_ENCRYPTED": "Remove the encryption in VMware and export it again.", "VMDK_COMPRESSION": reexport,
	"VMDK_GRAIN_SIZE": reexport, "VMDK_CAPACITY": reexport, "VMDK_GRAIN_DIRECTORY": copyAgain, "VMDK_GRAIN_TABLE": copyAgain, "VMDK_GRAIN": copyAgain,
	"VMDK_FOOTER": copyAgain, "VMDK_TRUNCATED": copyAgain,

	"VHD_FOOTER": copyAgain, "VHD_CHECKSUM": copyAgain, "VHD_TRUNCATED": copyAgain, "VHD_VERSION": reexport, "VHD_TYPE": reexport, "VHD_SAVED_STATE": exportNew,
	"VHD_DIFFERENCING": "Merge it into its parent in Hyper-V (Merge-VHD) and give the result.", "VHD_PARENT": "Merge it into its parent in Hyper-V (Merge-VHD) and give the result.",
	"VHD_SIZE": reexport, "VHD_BLOCK_SIZE": reexport, "VHD_HEADER": copyAgain, "VHD_TABLE": reexport, "VHD_BLOCK": copyAgain, "VHD_BITMAP": reexport,

	"VHDX_PARENT": "Merge it into its parent in Hyper-V (Merge-VHD) and give the result.", "VHDX_DIRTY_LOG": exportNew, "VHDX_HEADER": copyAgain, "VHDX_VERSION": reexport,
	"VHDX_LOG": reexport, "VHDX_REGION": copyAgain, "VHDX_UNKNOWN_REQUIRED": reexport, "VHDX_METADATA": copyAgain, "VHDX_BLOCK_SIZE": reexport, "VHDX_SECTOR_SIZE": reexport,
	"VHDX_SIZE": reexport, "VHDX_TABLE": reexport, "VHDX_BLOCK": copyAgain, "VHDX_TRUNCATED": copyAgain,

	"OVA_TAR": packAgain, "OVA_TRUNCATED": copyAgain, "OVA_MEMBER_NAME": packAgain, "OVA_MEMBER_TYPE": packAgain, "OVA_DUPLICATE_MEMBER": packAgain, "OVA_SPARSE_MEMBER": packAgain,
	"OVA_EXTENDED_HEADER": packAgain, "OVA_TOO_MANY_MEMBERS": packAgain, "OVA_NO_DESCRIPTOR": "Give an OVA with one .ovf file in it, or the disk image alone.",
	"OVA_SEVERAL_DESCRIPTORS": packAgain, "OVA_DOCTYPE": packAgain, "OVA_XML": packAgain, "OVA_HREF": "Export the machine with its disks inside of the OVA.",
	"OVA_NO_DISK":         "Export the machine with its disk.",
	"OVA_SEVERAL_DISKS":   "Name the disk to take, or give it alone.",
	"OVA_PARENT_DISK":     flatten,
	"OVA_COMPRESSED_DISK": "Export the OVA without compression.", "OVA_MANIFEST": packAgain, "OVA_DIGEST": copyAgain,

	"COMPRESSED_NEEDS_UNPACKING": "Unpack it first.", "COMPRESSED_NESTED": unpackIt, "COMPRESSION_BOMB": "Compress a disk image, or give it uncompressed.",
	"GZIP_DAMAGED": copyAgain, "ZSTD_DAMAGED": copyAgain, "XZ_DAMAGED": copyAgain, "ZSTD_WINDOW": "Compress it again without --long or --ultra.",
	"ZSTD_DICTIONARY": "Compress it again without a dictionary.", "XZ_DICTIONARY": "Compress it again with xz -9 or less.",
	"XZ_FILTER": "Compress it again without filters.",
}

// Codes lists the code of every refusal, in order.
func Codes() []string {
	var cs []string
	for c := range remedies {
		cs = append(cs, c)
	}
	slices.Sort(cs)
	return cs
}

// refuse says no: what was found, and by the code what to do about it.
func refuse(code, found string, args ...any) error {
	return fault.New(fault.Incompatible, found, args...).WithCode(code).WithHint("%s", remedies[code])
}

// orRefuse turns errOutside into a refusal and leaves every other error alone.
func orRefuse(err error, code, found string, args ...any) error {
	if errors.Is(err, errOutside) {
		return refuse(code, found, args...)
	}
	return err
}

// Code is the code of a refusal of this package; "" for every other error.
func Code(err error) string {
	var e *fault.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// quote makes text out of a file safe to show.
func quote[T string | []byte](raw T) string {
	s := strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) || r == '`' {
			return '?'
		}
		return r
	}, strings.TrimRight(string(raw[:min(len(raw), 1024)]), "\x00"))
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "…"
	}
	return "`" + s + "`"
}
