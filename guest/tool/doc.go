// Package tool is our program inside a guest: the daemon that owns the port to
// the host, the Image Assistant's command line that talks to the daemon, and what
// a guest does to itself when it starts, such as growing its file system.
//
// It runs on Linux and Windows, on systems that nobody here has made, with nothing
// beside it: no C, no other programs where the kernel can be asked itself. Nothing
// here trusts the host with more than the machine's own catalogue and disk, and
// nothing of the host's side belongs here.
package tool
