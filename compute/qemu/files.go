package qemu

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"os"
	"path/filepath"
)

// Everything a machine has on disk. No other file of this package names one.
// One directory per machine, private to us:
//
//	machine.json   what the machine is and which processes are its own
//	vars.fd        firmware variables, from the template unless they are kept
//	tpm/           state of the software TPM
//	commands       what QEMU reads as its first monitor: one line, then nothing
//	events         what that monitor says: every event since the start
//	qemu.log       what QEMU prints; tpm.log what swtpm prints
//	serial         the serial console, newest part; serial.1 the part before
//	frames         how many frames the guest has sent, 8 bytes (guestnet.Frames)
//	net.json       what the network process is told; net.log what it prints
//	shot-*.png     a screenshot on its way
//
// and sockets, here or, when the path would be too long for a socket, in a
// short directory that machine.json names:
//
//	q monitor, a guest agent, c channel to our tool in the guest, v display, t TPM,
//	n frames to its network process, m QEMU's own end, h visits of the guest to us
//
// vars.fd and tpm/ are in the caller's directory instead when he keeps them.
type files struct{ dir, socks, state string }

const (
	// maxSocket is what fits into sockaddr_un on Linux, without its final zero.
	maxSocket = 107
	// serialKeep is the size at which the serial log is turned over, in bytes.
	serialKeep = 4 << 20
)

func (f files) record() string    { return filepath.Join(f.dir, "machine.json") }
func (f files) vars() string      { return filepath.Join(cmp.Or(f.state, f.dir), "vars.fd") }
func (f files) tpmState() string  { return filepath.Join(cmp.Or(f.state, f.dir), "tpm") }
func (f files) commands() string  { return filepath.Join(f.dir, "commands") }
func (f files) events() string    { return filepath.Join(f.dir, "events") }
func (f files) qemuLog() string   { return filepath.Join(f.dir, "qemu.log") }
func (f files) tpmLog() string    { return filepath.Join(f.dir, "tpm.log") }
func (f files) serial() string    { return filepath.Join(f.dir, "serial") }
func (f files) serialOld() string { return filepath.Join(f.dir, "serial.1") }
func (f files) frames() string    { return filepath.Join(f.dir, "frames") }
func (f files) netConfig() string { return filepath.Join(f.dir, "net.json") }
func (f files) netLog() string    { return filepath.Join(f.dir, "net.log") }
func (f files) shot() string      { return filepath.Join(f.dir, "shot-"+token(6)+".png") }

func (f files) monitor() string { return filepath.Join(f.socks, "q") }
func (f files) agent() string   { return filepath.Join(f.socks, "a") }
func (f files) channel() string { return filepath.Join(f.socks, "c") }
func (f files) display() string { return filepath.Join(f.socks, "v") }
func (f files) tpm() string     { return filepath.Join(f.socks, "t") }
func (f files) net() string     { return filepath.Join(f.socks, "n") }
func (f files) host() string    { return filepath.Join(f.socks, "h") }
func (f files) netPeer() string { return filepath.Join(f.socks, "m") }

// socketDir chooses where the sockets of a machine live: in its directory when
// the longest path fits, else in a new short one. The name is not guessable and
// the directory is made with Mkdir, so nobody can be there first.
func socketDir(dir string) string {
	if len(files{socks: dir}.monitor()) <= maxSocket {
		return dir
	}
	base := os.TempDir()
	if st, err := os.Stat("/run"); err == nil && st.IsDir() && os.Geteuid() == 0 {
		base = "/run"
	}
	return filepath.Join(base, "slipway-"+token(8))
}

// token is n random bytes in hexadecimal.
func token(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
