// Package disk keeps disk images as bytes: uploads that fill block by block,
// sealed disks that never change again, and the overlays that running guests
// write into.
//
// What lives here: block storage under one directory, its digests and its
// crash safety. What may not: accounts, AWS nouns, who may see which disk,
// what a guest operating system is (disk/facts, disk/inspect) or whether it
// may be imported (disk/rules), and how a machine runs (compute).
//
// # On disk
//
//	layout.json                the version of all this; a newer one is refused
//	uploads/<id>/upload.json   block count; the boot during which blocks were written
//	uploads/<id>/leaves        32 bytes a block; zeros: not uploaded yet
//	uploads/<id>/disk/raw      the bytes so far, sparse
//	uploads/<id>/sealed.json   appears when a seal is decided; stays until DropUpload
//	sealed/<hex>/raw           read-only bytes, sparse
//	sealed/<hex>/leaves        32 bytes a block; zeros: the block is a hole
//	sealed/<hex>/disk.json     size and data bytes
//	sealed/<hex>/checked.json  when it was last verified and what was wrong
//	overlays/<id>/disk.qcow2   what a guest wrote over overlays/<id>/overlay.json's base
//	tmp/                       being made or being removed; emptied by Open
//
// Everything that appears under its final name got there by one rename, so a
// crash leaves either the old state or the new one. One process owns the
// directory at a time; the caller sees to that.
package disk
