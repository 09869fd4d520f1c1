// Package compute is the contract between Slipway and whatever runs virtual
// machines: Driver, its vocabulary (Spec, Handle, Status), what makes a Spec
// valid for all drivers (spec.go), and nothing else.
//
// A driver knows no AWS noun, no account, no database and no image: it is given
// file names, sizes and an ID, and gives back what it saw; what that means is
// decided in work/. compute/computetest is the one suite that all drivers pass.
package compute

import (
	"context"
	"net"
	"time"
)

// Driver runs machines. Every method may be called again after a crash of the
// caller: calls are idempotent by machine ID, and a call for a machine that
// does not exist is fault.NotFound unless the method says otherwise.
// Machines outlive the process that started them.
type Driver interface {
	// Features tells what this driver and host can do. Cheap; never fails.
	Features() Features

	// Start makes the machine and lets it run. If a machine of this ID already
	// runs, its handle is returned and nothing else happens; one that is off, or
	// left over, is made anew on the disk given now. Errors: Unavailable (a
	// missing program, too little memory), BadValue (spec), ctx.Err().
	// On error nothing is left behind: no process, socket or file.
	Start(ctx context.Context, spec Spec) (Handle, error)

	// Recover re-attaches to a machine after a restart of the caller. A handle
	// whose processes are gone (or whose pid now belongs to someone else) gives
	// a Status with State Gone and no error, and so does the handle of an earlier
	// machine with this ID. Recovering twice is harmless. BadValue: the handle is
	// another driver's.
	Recover(ctx context.Context, h Handle) (Status, error)

	// Status says what the machine does now. A machine that is not there has
	// State Gone and no error.
	Status(ctx context.Context, id string) (Status, error)

	// List names every machine this driver has a trace of, also half-started
	// and half-removed ones, so that orphans can be found.
	List(ctx context.Context) ([]Status, error)

	// Shutdown asks the guest to power off (agent when it answers, ACPI button
	// otherwise) and waits until it has, or ctx ends (ctx.Err()). A machine that
	// is off already is success; WrongState: the guest has crashed.
	Shutdown(ctx context.Context, id string) error

	// Destroy ends the machine at once and removes its run directory and
	// processes; nothing to do is success.
	Destroy(ctx context.Context, id string) error

	// Screenshot returns the screen as a PNG. NotAvailable: the machine is off;
	// the same holds for Display and Agent.
	Screenshot(ctx context.Context, id string) ([]byte, error)

	// Display opens a connection that speaks RFB (RFC 6143), the server's
	// greeting first. The caller closes it. Several may be open at once.
	Display(ctx context.Context, id string) (net.Conn, error)

	// Observe reads the cheap signs of life: see Signs. It never changes the
	// guest and also tells of one that is off or has crashed. Drivers may keep
	// their logs short in it: call it now and then for every machine.
	Observe(ctx context.Context, id string) (Signs, error)

	// Agent asks the guest agent who it is. fault.NotAvailable while it does
	// not answer; ctx bounds the wait.
	Agent(ctx context.Context, id string) (GuestInfo, error)

	// Channel opens the byte stream between us and our tool inside the guest; the
	// guest's end is a serial port named ChannelPort. Bytes wait while nobody in
	// the guest listens, and what a caller before left half said may come first:
	// both ends must find their feet in a stream. The caller closes it. One at a
	// time: a second connection may stay silent until the first is closed.
	// NotAvailable: the machine is off.
	Channel(ctx context.Context, id string) (net.Conn, error)

	// SerialLog returns the last max bytes of the serial console.
	SerialLog(ctx context.Context, id string, max int64) ([]byte, error)
}

// Teller is a Driver that notices by itself when a machine has ended, so that
// nobody has to look at all of them all the time.
type Teller interface {
	Driver
	// Ends sends the ids of machines that do not run any more, soon after they
	// ended, until ctx does; then the channel is closed. It tells of most, and
	// perhaps of one twice: who must not miss any looks at all of them now and then.
	Ends(ctx context.Context) (<-chan string, error)
}

// Features is what callers decide by.
type Features struct {
	Name     string // "qemu", "fake"
	Accel    string // "kvm", "tcg", "none": callers stretch their deadlines for tcg
	TPM      bool   // a TPM 2.0 can be given to a guest
	UEFI     bool
	Missing  []string // programs or files that are absent; Start would be Unavailable
	MemoryMB int64    // memory a new machine may take now; 0: unknown
	TotalMB  int64    // memory all machines together may take on this host; 0: unknown
	CPUs     int
}

type (
	Bus   string // how a disk is attached
	Model string // the network card a guest sees
)

const (
	// ChannelPort is the name that a guest finds the port of Driver.Channel by.
	ChannelPort = "io.slipway.guest.0"

	NVMe      Bus   = "nvme"
	VirtioBlk Bus   = "virtio-blk"
	E1000e    Model = "e1000e"
	VirtioNet Model = "virtio-net"
)

// Spec is the machine wanted. ID is chosen by the caller, recorded before
// Start, 1–40 characters of [a-z0-9-].
type Spec struct {
	ID       string
	CPUs     int
	MemoryMB int64
	Disk     Disk
	Bus      Bus   // NVMe when empty
	NIC      Model // E1000e when empty
	TPM      bool  // TPM 2.0
	// StateDir keeps what a machine's board remembers while it is off: firmware
	// variables and the TPM's state. The caller owns the directory, which
	// exists; one machine uses it at a time; Destroy leaves it as it is. Empty:
	// fresh at every Start.
	StateDir string
	Network  Network
	CD       string // an ISO 9660 image in a drive that only reads; "" for no drive
	Labels   map[string]string
}

// Disk is a chain of files, the writable top first. Formats are always given
// by the caller and never guessed from the bytes.
type Disk struct {
	Chain []File
}

// File is one layer of a disk.
type File struct {
	Path   string
	Format string // "raw" or "qcow2"
}

// Handle finds a machine again after a restart; the caller stores it as it is.
type Handle struct {
	Driver string
	ID     string
	Data   []byte // JSON, private to the driver, versioned by it
}

// State of a machine.
type State string

const (
	Running State = "running"
	Off     State = "off"  // the guest powered off; the run directory is still there
	Gone    State = "gone" // no trace, or only leftovers that Destroy removes
	Paniced State = "paniced"
)

// Status of a machine.
type Status struct {
	ID       string
	State    State
	PID      int
	Started  time.Time
	MemoryMB int64
	CPUs     int
	Labels   map[string]string
	Detail   string // for people
	// NoTPM: it runs and was given a TPM, whose process has ended; what needs it
	// inside fails until the machine is started anew.
	NoTPM bool
}

// Signs are what can be seen from outside without help from the guest.
type Signs struct {
	State State
	// HandedOver: an operating system runs, not firmware or a boot loader (the
	// interrupt table is in the upper half, as in 64-bit kernels and never in UEFI).
	HandedOver bool
	// Frames the guest has sent since its start, a lower bound; firmware sends none.
	Frames int64
	Resets int // resets of the machine since its start
}

// GuestInfo is what the guest agent says.
type GuestInfo struct {
	OSID    string // "mswindows", "debian"
	Name    string
	Version string
	Kernel  string
}
