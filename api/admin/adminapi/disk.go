package adminapi

import "time"

// Disks answers GET /disks.
type Disks struct {
	Disks []Disk `json:"disks"`
}

// Disk is a sealed disk: content that never changes, named by its digest. It
// answers GET /disks/{digest} and POST /disks/{digest}/verify, which begins to
// verify it and does not wait.
type Disk struct {
	Digest         string    `json:"digest"`
	SizeBytes      int64     `json:"size_bytes"`      // as a guest sees it
	DataBytes      int64     `json:"data_bytes"`      // in blocks that are not all zeros
	AllocatedBytes int64     `json:"allocated_bytes"` // as the server's file system counts
	State          string    `json:"state"`           // ok, unverified, damaged, missing
	Damage         string    `json:"damage,omitempty"`
	Verified       time.Time `json:"verified,omitzero"`
	Verifying      *Progress `json:"verifying,omitempty"` // absent when it is not being verified
	Users          []Subject `json:"users"`
	Created        time.Time `json:"created"`
}

// Usage answers GET /usage.
type Usage struct {
	Accounts []AccountUsage `json:"accounts"`
}

// AccountUsage is what an account takes of the store of sealed disks. Only the
// account that runs the server is told OwnBytes and ShareBytes.
type AccountUsage struct {
	Account      string `json:"account"`
	Holders      int    `json:"holders"`               // snapshots, images and tasks
	Disks        int    `json:"disks"`                 // different ones
	VirtualBytes int64  `json:"virtual_bytes"`         // the disk's size, for each holder
	DataBytes    int64  `json:"data_bytes"`            // the data of each disk once
	OwnBytes     *int64 `json:"own_bytes,omitempty"`   // of it, in disks that no other account uses
	ShareBytes   *int64 `json:"share_bytes,omitempty"` // of it, a disk that n accounts use counted as 1/n
}

// FsckRequest is the body of POST /fsck, which begins a check and does not
// wait; both it and GET /fsck answer a Fsck.
type FsckRequest struct {
	Repair bool `json:"repair,omitempty"` // do what is safe
	Quick  bool `json:"quick,omitempty"`  // do not read the data of disks
}

// Fsck is the check that runs, or the last one since the server started.
type Fsck struct {
	Running  bool        `json:"running"`
	Progress Progress    `json:"progress"`
	Error    string      `json:"error,omitempty"` // what kept it from looking
	Report   *FsckReport `json:"report,omitempty"`
}

// FsckReport is what a check found.
type FsckReport struct {
	At       time.Time   `json:"at"`
	Clean    bool        `json:"clean"` // nothing but notes
	Repaired bool        `json:"repaired"`
	Disks    int         `json:"disks"`
	Bytes    int64       `json:"bytes"`
	Findings []FsckFound `json:"findings"`
}

// FsckFound is one finding.
type FsckFound struct {
	Code     string    `json:"code"`
	Severity string    `json:"severity"` // error, warning, note
	Subject  string    `json:"subject"`
	Text     string    `json:"text"`
	Remedy   string    `json:"remedy,omitempty"`
	Users    []Subject `json:"users,omitempty"`
	Repaired bool      `json:"repaired"`
}
