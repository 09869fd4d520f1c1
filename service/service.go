// Package service holds the use cases: who may do what, in which state, within
// which limits. A use case looks up, checks, and writes resource, event and
// job in one transaction; it answers in milliseconds and never does the work.
//
// No AWS shape, no SQL, no virtual machine and no disk file belongs here. What
// it needs from elsewhere it declares as a small interface (Blocks).
package service

import (
	"context"
	"time"

	"slipway/disk/rules"
	"slipway/domain"
	"slipway/store"
)

// Service is all use cases over one store.
type Service struct {
	Store  store.Store
	IDs    domain.IDs
	Blocks Blocks
	Host   Host // nil: nothing is known about this host
	Config Config

	policies policyCache
	guests   guestKeys
}

// Config is what an operator decided.
type Config struct {
	Rules rules.Set // which image requirements hold: rules.AWS or rules.Open
	// Operator is the account whose root runs the server: makes accounts, reads
	// every job.
	Operator string
	// ExportHours is the deadline of an export task; 0 means 6 (AWS publishes
	// none).
	ExportHours int
	// Icons signs the addresses of applications' icons; nil: they have none.
	Icons *Icons
	// Streaming makes the addresses of screens; nil: there are none.
	Streaming *Streaming
	// Transfers is where EC2 tasks may read and write disks.
	Transfers Transfers
	// Instances is the catalogue of instance types; nil means the published one.
	Instances *domain.Catalogue
	// Installers is the software that the operator provides; nil: none.
	Installers *domain.Installers
	// ImageBegun is told of every image that began to be made on an image builder,
	// and who asked for it; nil: nobody is.
	ImageBegun func(c domain.Caller, img *domain.Image)
	// Tool is the version of the guest tool that this server carries; "": none.
	Tool string
	// AskPatience is how long a request waits for a guest's answer; 0: 20 seconds,
	// less than the clients that are known wait for one of ours.
	AskPatience time.Duration
}

// Blocks is the block data behind EBS snapshots: uploads that take blocks of
// 512 KiB in any order, and sealed disks, named by digest, that are read.
type Blocks interface {
	// CreateUpload makes room for an upload of that many blocks; repeatable.
	// fault.Unavailable when it cannot fit.
	CreateUpload(ctx context.Context, id string, blocks int64) error
	// PutBlock stores one block after checking its SHA-256; repeatable, the
	// last write wins. fault.BadValue for a wrong checksum or index,
	// fault.NotFound without such an upload.
	PutBlock(ctx context.Context, id string, index int64, data []byte, sum [32]byte) error
	// Present counts the distinct blocks an upload has.
	Present(id string) (int64, error)
	// Checksum is the SHA-256 over the SHA-256s (32 bytes each) of all blocks an
	// upload has, in order of index.
	Checksum(ctx context.Context, id string) ([32]byte, error)
	// ReadBlock reads a block of a sealed disk; zeros where nothing was written.
	ReadBlock(ctx context.Context, digest string, index int64) ([]byte, [32]byte, error)
	// DataBlocks lists at most max indexes ≥ from of blocks that hold data.
	DataBlocks(digest string, from int64, max int) ([]int64, error)
	// ChangedBlocks lists at most max blocks, from an index, in which two sealed
	// disks of one size differ.
	ChangedBlocks(first, second string, from int64, max int) ([]Change, error)
}

// Change is a block in which two disks differ; a side that is false has nothing
// there and reads as zeros.
type Change struct {
	Index         int64
	First, Second bool
}

// Host says what this host has for machines. Quick; never fails.
type Host interface{ Room() domain.HostRoom }

func (s *Service) instances() *domain.Catalogue {
	if s.Config.Instances != nil {
		return s.Config.Instances
	}
	return domain.Instances()
}

func (s *Service) room() domain.HostRoom {
	if s.Host == nil {
		return domain.HostRoom{}
	}
	return s.Host.Room()
}

// BlockBytes is the size of an EBS block (EBS direct APIs: always 512 KiB).
const BlockBytes = 512 << 10

const gib = 1 << 30

// blocksOf counts the blocks of a volume.
func blocksOf(sizeGiB int64) int64 { return sizeGiB * (gib / BlockBytes) }

// enqueue starts a workflow over a subject in the transaction that writes it.
// The state starts empty: every step finds what it needs from the subject.
func (s *Service) enqueue(tx store.Tx, flow string, subject domain.Key) error {
	j, err := domain.NewJob(s.IDs, tx.Now(), flow, 1, subject, struct{}{})
	if err != nil {
		return err
	}
	return tx.PutJob(j)
}
