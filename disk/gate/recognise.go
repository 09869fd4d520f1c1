package gate

import (
	"bytes"
	"errors"
)

// magic is a signature at an offset; a negative one counts from the end.
type magic struct {
	off    int64
	bytes  string
	format Format // what it is; "" : refused by code
	code   string
	name   string
	weak   bool // a boot sector wins over it: the signature may be there by chance
}

// magics are looked at in this order. Those of disk images win over a boot
// sector: a raw disk whose guest wrote such a header into its first sector must
// not be taken for a raw disk here and for something else elsewhere.
var magics = []magic{
	{0, "QFI\xfb", QCOW2, "", "", false},
	{0, "KDMV", VMDK, "", "", false},
	{0, "# Disk DescriptorFile", VMDK, "", "", false},
	{0, "COWD", "", "VMDK_OLD_SPARSE", "a VMDK of the old sparse kind (COWD)", false},
	{0, "\xbe\xba\xfe\xca\x00\x00\x00\x00", "", "VMDK_OLD_SPARSE", "a VMDK of the seSparse kind", false},
	{0, "vhdxfile", VHDX, "", "", false},
	{0, "conectix", VHD, "", "", false},
	{0x40, "\x7f\x10\xda\xbe", "", "UNKNOWN_FORMAT", "a VDI image", false},
	{0, "QED\x00", "", "UNKNOWN_FORMAT", "a QED image", false},
	{0, "WithoutFreeSpace", "", "UNKNOWN_FORMAT", "a Parallels image", false},
	{0, "WithouFreSpacExt", "", "UNKNOWN_FORMAT", "a Parallels image", false},
	{0, "Bochs Virtual HD Image", "", "UNKNOWN_FORMAT", "a Bochs image", false},
	{0, "#!/bin/sh\n#V2.0 Format\n", "", "UNKNOWN_FORMAT", "a cloop image", false},
	{0, "OOOM", "", "UNKNOWN_FORMAT", "a User Mode Linux COW file", false},
	{0, "LUKS\xba\xbe", "", "ENCRYPTED_DISK", "a disk encrypted by LUKS", false},
	{0, "\xfd7zXZ\x00", XZ, "", "", false},
	{0, "\x28\xb5\x2f\xfd", Zstd, "", "", false},
	{0, "\x1f\x8b", Gzip, "", "", true},
	{0, "BZh", "", "ARCHIVE", "compressed by bzip2", true},
	{0, "7z\xbc\xaf\x27\x1c", "", "ARCHIVE", "a 7-Zip archive", false},
	{0, "Rar!\x1a\x07", "", "ARCHIVE", "a RAR archive", false},
	{0, "PK\x03\x04", "", "ARCHIVE", "a ZIP archive", false},
	{0, "\x04\x22\x4d\x18", "", "ARCHIVE", "compressed by LZ4", true},
	{0, "MSWIM\x00\x00\x00", "", "NOT_A_DISK", "a WIM archive, which holds files and no disk", false},
	{0, "\x7fELF", "", "NOT_A_DISK", "a Linux program", false},
	{0, "<!DOCTYPE", "", "NOT_A_DISK", "a web page, perhaps an error in place of a download", false},
	{0, "<html", "", "NOT_A_DISK", "a web page, perhaps an error in place of a download", false},
	{0, "<?xml", "", "NOT_A_DISK", "an XML document, perhaps an OVF description without its disks or an error in place of a download", false},
	{0, "%PDF-", "", "NOT_A_DISK", "a PDF document", false},
	{257, "ustar", OVA, "", "", true},
	{-512, "conectix", VHD, "", "", false},
	{-512, "koly\x00\x00\x00\x04", "", "UNKNOWN_FORMAT", "a DMG image", false},
}

// recognise decides the format by the file's first and last bytes. What nothing
// else claims is raw.
func recognise(f *input) (Format, error) {
	head, err := f.at(0, min(f.size, 512))
	if err != nil {
		return "", err
	}
	boot := len(head) == 512 && head[510] == 0x55 && head[511] == 0xAA
	for _, m := range magics {
		off, in := m.off, head
		if off < 0 {
			if f.size == unbounded || f.size < -off {
				continue
			}
			in, err = f.at(f.size+off, int64(len(m.bytes)))
			if errors.Is(err, errBeyond) { // the end of a file is not there to be sniffed
				continue
			} else if err != nil {
				return "", err
			}
			off = 0
		}
		if boot && m.weak || off > int64(len(in)) || !bytes.HasPrefix(in[off:], []byte(m.bytes)) {
			continue
		}
		if m.code != "" {
			return "", refuse(m.code, "The file is %s.", m.name)
		}
		return m.format, nil
	}
	return Raw, nil
}

func (d *Disk) openRaw(f *input) error {
	if f.size == unbounded {
		d.VirtualSize = -1
		return nil
	}
	if err := d.setSize(f.size); err != nil {
		return err
	}
	head, err := f.at(0, min(f.size, 1024))
	if err != nil {
		return err
	}
	if len(head) < 1024 || !(head[510] == 0x55 && head[511] == 0xAA) && string(head[512:520]) != "EFI PART" {
		if b, err := f.at(0x8001, 5); err == nil && string(b) == "CD001" {
			return refuse("NOT_A_DISK", "The file is an image of a CD or DVD.")
		}
		d.warn("The first sector holds no partition table and no boot code.")
	}
	d.serve(f, flat{f, 0, f.size})
	return nil
}
