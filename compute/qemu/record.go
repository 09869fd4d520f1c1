package qemu

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"slipway/compute"
	"slipway/fault"
)

// record is what is known of a machine by whoever comes after us. It is written
// before the first process starts and again after each.
type record struct {
	Version int
	ID      string
	// Nonce is in the environment of its processes (environ), so that a
	// process that was started but not yet recorded is found as well.
	Nonce    string
	Complete bool // false: Start has not come to its end
	Sockets  string
	Accel    string
	Started  time.Time
	Spec     compute.Spec
	QEMU     process
	TPM      process
	Net      process // started anew when it ends
}

const recordVersion = 1

// environ is the variable that carries record.Nonce.
const environ = "SLIPWAY_MACHINE"

func (r record) files(dir string) files {
	return files{dir: dir, socks: r.Sockets, state: r.Spec.StateDir}
}

func (r record) handle() compute.Handle {
	b, err := json.Marshal(handleData{Version: recordVersion, Nonce: r.Nonce})
	if err != nil {
		panic(err) // two plain fields
	}
	return compute.Handle{Driver: driverName, ID: r.ID, Data: b}
}

// handleData is inside compute.Handle: enough to tell this machine from a later
// one with the same ID; everything else is in the record.
type handleData struct {
	Version int    `json:"version"`
	Nonce   string `json:"nonce"`
}

// load reads the record; NotFound when there is no trace of the machine. A
// directory without a readable record gives an empty record: a start that died
// before it began.
func (d *Driver) load(id string) (record, files, error) {
	dir := d.path(id)
	b, err := os.ReadFile(files{dir: dir}.record())
	var r record
	switch {
	case err == nil:
		if json.Unmarshal(b, &r) != nil || r.Version != recordVersion || r.ID != id {
			r = record{}
		}
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(dir); err != nil {
			return r, files{}, fault.Wrap(fault.NotFound, err, "There is no machine %s.", id)
		}
	default:
		return r, files{}, fault.Wrap(fault.Internal, err, "The machine %s cannot be read.", id)
	}
	if r.Sockets == "" {
		r.Sockets = dir
	}
	return r, r.files(dir), nil
}

func (d *Driver) save(r record) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fault.Wrap(fault.Internal, err, "The machine %s cannot be kept.", r.ID)
	}
	p := r.files(d.path(r.ID)).record()
	if err := os.WriteFile(p+".new", b, 0o600); err != nil {
		return fault.Wrap(fault.Unavailable, err, "The machine %s cannot be kept.", r.ID)
	}
	if err := os.Rename(p+".new", p); err != nil {
		return fault.Wrap(fault.Unavailable, err, "The machine %s cannot be kept.", r.ID)
	}
	return nil
}

// uuid is derived from the ID, so that a guest sees the same one at every start.
func uuid(id string) string {
	h := sha256.Sum256([]byte("slipway machine " + id))
	h[6], h[8] = h[6]&0x0f|0x80, h[8]&0x3f|0x80 // version 8, RFC 9562
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// mac is derived from the ID as well, in QEMU's locally administered range.
func mac(id string) string {
	h := sha256.Sum256([]byte("slipway network card " + id))
	return fmt.Sprintf("52:54:00:%02x:%02x:%02x", h[0], h[1], h[2])
}
