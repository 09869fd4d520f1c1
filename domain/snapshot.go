package domain

import "encoding/json"

// Snapshot is an EBS snapshot: first an upload that takes blocks, then a
// reference to a sealed disk.
type Snapshot struct {
	Meta `json:"-"` // Key.Name is the id, snap-…

	SizeGiB     int64
	Description string
	ClientToken string
	Tags        Tags
	Disk        string // digest once completed
	Blocks      int64  // ChangedBlocksCount the client declared
	Problem     string // why it is in state error

	Public bool     `json:",omitempty"` // everybody may make volumes of it
	Shared []string `json:",omitempty"` // accounts that may, sorted
}

func (s *Snapshot) Alias() string { return s.ClientToken }
func (*Snapshot) Schema() int     { return 1 }

const (
	SnapshotPending   State = "pending"
	SnapshotSealing   State = "sealing" // shown to clients as pending
	SnapshotCompleted State = "completed"
	SnapshotError     State = "error"
)

const (
	SnapshotAskComplete Event = "ask-complete"
	SnapshotSealed      Event = "sealed"
	SnapshotBroke       Event = "failed"
	SnapshotDiskLost    Event = "disk-lost"
)

// SnapshotMachine: blocks are taken in pending only. A seal that failed is not
// tried again: the upload is gone, and the client starts another.
// A completed snapshot whose sealed disk was found damaged or missing is in
// error, and keeps naming it.
var SnapshotMachine = &Machine{
	Kind: KindSnapshot, Initial: SnapshotPending,
	States: []State{SnapshotPending, SnapshotSealing, SnapshotCompleted, SnapshotError},
	Final:  []State{SnapshotCompleted, SnapshotError},
	Events: []Event{SnapshotAskComplete, SnapshotSealed, SnapshotBroke, SnapshotDiskLost},
	Rules: []Rule{
		{SnapshotPending, SnapshotAskComplete, Accept, SnapshotSealing},
		{SnapshotSealing, SnapshotAskComplete, Ignore, ""},
		{SnapshotCompleted, SnapshotAskComplete, Ignore, ""},
		{SnapshotSealing, SnapshotSealed, Accept, SnapshotCompleted},
		{SnapshotCompleted, SnapshotSealed, Ignore, ""},
		{SnapshotSealing, SnapshotBroke, Accept, SnapshotError},
		{SnapshotError, SnapshotBroke, Ignore, ""},
		{SnapshotCompleted, SnapshotDiskLost, Accept, SnapshotError},
		{SnapshotError, SnapshotDiskLost, Ignore, ""},
	},
}

// Disk is a sealed disk as the store knows it: its size and what the
// inspection saw. Key.Name is the digest.
type Disk struct {
	Meta `json:"-"`

	SizeBytes int64
	DataBytes int64
	Inspector int             // version of the inspector that wrote Facts; 0: not inspected
	Facts     json.RawMessage // disk/facts.Facts
	Problem   string          // why it could not be inspected
}

func (*Disk) Alias() string { return "" }
func (*Disk) Schema() int   { return 1 }

// What the log says of disks, which have no states.
const (
	DiskDamaged Event = "damaged" // a verification found something wrong
	DiskWhole   Event = "whole"   // one found nothing wrong any more
)

// DiskKey is the key of the sealed disk with this digest.
func DiskKey(digest string) Key { return Key{Kind: KindDisk, Name: digest} }
