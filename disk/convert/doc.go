// Package convert writes a raw disk in other formats: qcow2, VMDK, VHD, VHDX,
// OVA, and raw. It is the only place that runs qemu-img, and gives it nothing
// but raw disks, named as such.
//
// What lives here: the command lines, the sandbox and the limits around the
// program, the archive around a VMDK, and the proof that what came out is what
// went in. What may not: reading foreign formats (disk/gate does, and checks
// every file that was written here), and who may convert what.
//
// Nothing appears under its final name that was not read back whole and
// compared with its source.
package convert
