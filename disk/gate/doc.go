// Package gate decides what a file is before anything else touches it: which
// container, which disk inside, how large, and whether it may come in. It is the
// one place where a format is decided; whoever runs a program on the file names
// the format to it (qemu-img -f, QEMU driver=). It also reads the raw bytes out of
// every format that it takes, so that a client needs no other program.
//
// What lives here: the parsers of containers, their bounds and refusals, and the
// readers of their data. What may not: opening files or connections (the input
// is one io.ReaderAt, and nothing else is read), running programs, and what is
// on the disk (disk/inspect).
//
// # Accepted, read, refused
//
//	format  accepted and read                         refused, with a code and a remedy for each
//	raw     any size that is not 0                    CD images, archives, programs, web pages, LUKS, VDI, QED, DMG, …
//	qcow2   v2, v3; plain, zlib and zstd clusters     backing and data files, encryption, internal snapshots, corrupt bit,
//	                                                  extended L2, unknown features; tables or clusters outside of the file,
//	                                                  over its tables or over one another
//	VMDK    monolithicSparse, streamOptimized         descriptions whose data is elsewhere (flat, device, VMFS, split, …),
//	        (directory in front or in the footer)     parents, encryption, unclean shutdown, COWD, seSparse; as above
//	VHD     fixed, dynamic                            differencing, parents, saved state, checksums, sizes that disagree,
//	                                                  sectors that the bitmap says are empty and are not; as above
//	VHDX    fixed, dynamic                            parents, logs that were not applied, unknown required regions; as above
//	OVA     one disk of the above, in place, or the   links, devices, directories, paths, duplicates, sparse members, large
//	        one that is named                         extended headers, DOCTYPE, references out of the archive, parents,
//	                                                  compressed disks, manifests that do not hold
//	gzip, zstd, xz around any of those; read after    compression twice, large windows and dictionaries, filters, bombs,
//	Unpack                                            damage
//
// Every count in a file is bounded by the file's own size before it is used, and
// tables are read page by page: memory does not depend on what a file claims.
// Reading never makes bytes up: where the file is inconsistent, it fails.
//
// # Ambiguities
//
// A raw disk whose guest wrote the header of another format into its first
// sector is taken for that format and refused when that is not whole: a boot
// sector only wins over signatures of two bytes. The size of a VHD is that of
// its size field, not of its geometry (for qemu-img: force_size_calc=current_size).
// Open looks at as many table entries as take a moment; Check looks at all.
package gate
