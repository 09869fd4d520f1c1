package transfer

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// pushState is what a push remembers, so that the next one of the same disk
// goes on where it was. The services cannot tell which blocks a pending
// snapshot has, so this file alone knows.
type pushState struct {
	Version     int     `json:"version"`
	Disk        string  `json:"disk"` // for people who read the file
	Name        string  `json:"name"`
	Endpoint    string  `json:"endpoint"`
	ClientToken string  `json:"client_token"` // recorded before the snapshot is asked for: asking again gives the same one
	Snapshot    string  `json:"snapshot,omitempty"`
	Done        *bitmap `json:"done"`
	AMI         string  `json:"ami,omitempty"`

	path string
	lock *os.File
}

const stateVersion = 1

// openState takes the state of one push, made anew when there is none, and
// keeps other pushes of the same disk out until it is closed.
func openState(dir, disk string, s *source, endpoint, name string) (*pushState, error) {
	abs, err := filepath.Abs(disk)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a place to remember uploads in: %w", err)
	}
	key := sha256.Sum256(fmt.Appendf(nil, "%s|%s|%s", s.identity(abs), endpoint, name))
	path := filepath.Join(dir, hex.EncodeToString(key[:12])+".json")
	// The lock is a file of its own, since the state is replaced by renaming.
	lock, err := os.OpenFile(strings.TrimSuffix(path, ".json")+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, refusal("%s is being pushed as %q by another process: wait for it, or end it", disk, name)
	}
	st := &pushState{path: path, lock: lock, Disk: abs, Name: name, Endpoint: endpoint}
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		lock.Close()
		return nil, err
	}
	// A damaged file is forgotten: it only saves time.
	if err != nil || json.Unmarshal(b, st) != nil || st.Version != stateVersion || !st.Done.fits(blocksOf(s.size)) {
		st.reset(blocksOf(s.size))
	}
	return st, nil
}

// reset forgets everything: the next snapshot is a new one.
func (st *pushState) reset(blocks int) {
	var token [16]byte
	rand.Read(token[:])
	st.Version, st.ClientToken = stateVersion, "slipway-"+hex.EncodeToString(token[:])
	st.Snapshot, st.AMI, st.Done = "", "", newBitmap(blocks)
}

func (st *pushState) save() error {
	b, err := json.Marshal(st)
	if err != nil {
		return err
	}
	return replaceFile(st.path, b)
}

func (st *pushState) close() { st.lock.Close() }

// replaceFile writes a file whole or not at all. It is not synced: it only
// remembers work that can be repeated.
func replaceFile(path string, b []byte) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
