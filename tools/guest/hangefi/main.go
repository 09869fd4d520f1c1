// Command hangefi writes a UEFI application that starts and then waits for
// ever: the boot loader of an image that never comes up. Nothing else may live
// here.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: hangefi OUT.efi")
		os.Exit(2)
	}
	if err := os.WriteFile(os.Args[1], image(), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "hangefi:", err)
		os.Exit(1)
	}
}

// image is a PE32+ file with one section of code: halt until an interrupt, and
// again. A busy loop would hang as well, but burn a processor of the host.
func image() []byte {
	const align, file = 0x1000, 0x200
	code := []byte{0xf4, 0xeb, 0xfd} // hlt; jmp -3
	b := make([]byte, 2*file)
	le := binary.LittleEndian
	copy(b, "MZ")
	le.PutUint32(b[0x3c:], 0x40)
	h := b[0x40:]
	copy(h, "PE\x00\x00")
	le.PutUint16(h[4:], 0x8664)  // machine: x86-64
	le.PutUint16(h[6:], 1)       // sections
	le.PutUint16(h[20:], 240)    // size of the optional header
	le.PutUint16(h[22:], 0x0022) // executable, large addresses
	o := h[24:]
	le.PutUint16(o[0:], 0x20b)  // PE32+
	le.PutUint32(o[4:], file)   // size of code
	le.PutUint32(o[16:], align) // entry point
	le.PutUint32(o[20:], align) // base of code
	le.PutUint32(o[32:], align)
	le.PutUint32(o[36:], file)
	le.PutUint32(o[56:], 2*align) // size of image
	le.PutUint32(o[60:], file)    // size of headers
	le.PutUint16(o[68:], 10)      // subsystem: EFI application
	le.PutUint32(o[108:], 16)     // data directories, all empty
	s := o[240:]
	copy(s, ".text")
	le.PutUint32(s[8:], uint32(len(code)))
	le.PutUint32(s[12:], align)
	le.PutUint32(s[16:], file)
	le.PutUint32(s[20:], file)
	le.PutUint32(s[36:], 0x60000020) // code, execute, read
	copy(b[file:], code)
	return b
}
