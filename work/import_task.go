package work

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"slipway/disk"
	"slipway/disk/facts"
	"slipway/disk/gate"
	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

type intakeState struct {
	SnapshotID, AMIID string
	Source            version // of the file, so that a change is noticed
	Packed            bool    // the disk lies unpacked beside
	SizeGiB           int64
	Content           string // digest of what was written
	Seal              sealState
}

// importDisk makes a snapshot of a disk image of any format, and for ImportImage
// an AMI of it. Everything a client sees appears in the last step.
func (w *World) importDisk() Workflow {
	return Define(domain.FlowImportDisk, 1, []Step[intakeState]{
		{Name: "name", Do: w.intakeName, Undo: w.intakeFailed},
		{Name: "fetch", Do: w.intakeFetch, Undo: w.intakeForget},
		{Name: "check", Do: w.intakeCheck},
		{Name: "write", Do: w.intakeWrite, Undo: w.intakeDropUpload},
		{Name: "seal", Do: w.intakeSeal},
		{Name: "inspect", Do: w.intakeInspect},
		{Name: "publish", Do: w.intakePublish, NoReturn: true},
	})
}

// intakeSays shows clients what is being done, in EC2's words.
func (w *World) intakeSays(ctx context.Context, r *Run, message string, change func(t *domain.ImportTask)) (*domain.ImportTask, error) {
	return edit(ctx, w.Store, r.Job().Subject, func(_ store.Tx, t *domain.ImportTask) error {
		t.Message = message
		if change != nil {
			change(t)
		}
		return nil
	})
}

func (w *World) intakeName(_ context.Context, _ *Run, s *intakeState) error {
	s.SnapshotID, s.AMIID = w.IDs.Snapshot(), w.IDs.AMI()
	return nil
}

// intakeFailed says on the task why, in the form of EC2's messages.
func (w *World) intakeFailed(ctx context.Context, r *Run, _ *intakeState) error {
	why := taskMessage(r.Cause())
	return move(ctx, w.Store, r.Job().Subject, domain.TaskBroke, why, func(_ store.Tx, t *domain.ImportTask) error {
		t.Message, t.SnapshotID = why, ""
		return nil
	})
}

// Marks of faults that concern the whole task, not the disk in it.
const (
	codeOfPartitions = "NO_PARTITIONS"
	codeOfAccess     = "SOURCE_ACCESS"
)

// taskMessage is a task's StatusMessage: whose error it was, and what it was.
func taskMessage(cause error) string {
	text := strings.TrimSpace(fault.Public(cause))
	var f *fault.Error
	switch {
	case errors.As(cause, &f) && f.Code == codeOfPartitions:
		return "ClientError: " + text
	case fault.Is(cause, fault.Canceled):
		return "Canceled: " + text
	case fault.Is(cause, fault.Internal), fault.Is(cause, fault.Unavailable), fault.Is(cause, fault.Busy):
		return "ServerError: " + text
	}
	return "ClientError: Disk validation failed [" + text + "]"
}

// intakeCheck holds the file against the gate, whole, and unpacks it when it is
// compressed: nothing else ever reads what a stranger wrote.
func (w *World) intakeCheck(ctx context.Context, r *Run, s *intakeState) error {
	t, err := w.intakeSays(ctx, r, "validating", nil)
	if err != nil {
		return err
	}
	f, err := w.openSource(t, s)
	if err != nil {
		return err
	}
	defer f.Close()
	d, err := gate.Open(f, f.Size(), gate.Options{Declared: declared(t.Source.Format)})
	if err != nil {
		return sourceFault(err)
	}
	if s.Packed = d.Packed(); s.Packed {
		r.Progress(0, 0, "unpacking")
		if err := w.unpack(ctx, d, t.Key); err != nil {
			return err
		}
	}
	in, chain, err := w.openDisk(t, s)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := chain.Check(ctx); err != nil {
		return sourceFault(err)
	}
	s.SizeGiB = (chain.VirtualSize + 1<<30 - 1) >> 30
	if chain.Exact {
		if err := w.roomFor(chain.Allocated); err != nil {
			return err
		}
	}
	_, err = w.intakeSays(ctx, r, "validated", func(t *domain.ImportTask) {
		t.Format, t.FileBytes, t.DiskBytes, t.Warnings = strings.ToUpper(string(chain.Chain[0].Format)), f.Size(), chain.VirtualSize, chain.Warnings
	})
	return err
}

// declared is gate's word for what a client said; what is none of its words is
// not held against the file.
func declared(format string) gate.Format {
	switch f := gate.Format(strings.ToLower(format)); f {
	case gate.Raw, gate.QCOW2, gate.VMDK, gate.VHD, gate.VHDX, gate.OVA:
		return f
	}
	return ""
}

// unpack writes the disk out of a compressed file.
func (w *World) unpack(ctx context.Context, d *gate.Disk, task domain.Key) error {
	path := filepath.Join(w.transferDir(task), unpackedFile)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fault.Wrap(fault.Internal, err, "The disk could not be unpacked.")
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "The disk could not be unpacked.")
	}
	size, err := d.Unpack(ctx, &disk.SparingFile{File: f})
	if err == nil {
		err = f.Truncate(size)
	}
	return sourceFault(errors.Join(err, f.Close()))
}

// openDisk opens the disk itself for reading: the file, or what was unpacked.
func (w *World) openDisk(t *domain.ImportTask, s *intakeState) (*disk.SparseFile, *gate.Disk, error) {
	f, err := w.openSource(t, s)
	if s.Packed && err == nil {
		f.Close()
		f, err = disk.OpenSparse(filepath.Join(w.transferDir(t.Key), unpackedFile))
	}
	if err != nil {
		return nil, nil, err
	}
	o := gate.Options{}
	if !s.Packed {
		o.Declared = declared(t.Source.Format)
	}
	d, err := gate.Open(f, f.Size(), o)
	if err == nil && d.Packed() {
		err = fault.New(fault.Incompatible, "The file is compressed twice.").WithHint("Unpack it and give the disk image inside.").WithCode("COMPRESSED_NESTED")
	}
	if err != nil {
		f.Close()
		return nil, nil, sourceFault(err)
	}
	return f, d, nil
}

// intakeWrite puts the disk's blocks into an upload. Its snapshot takes no
// blocks from anybody else and is shown as pending.
func (w *World) intakeWrite(ctx context.Context, r *Run, s *intakeState) error {
	t, err := w.intakeSays(ctx, r, "converting", func(t *domain.ImportTask) { t.SnapshotID = s.SnapshotID })
	if err != nil {
		return err
	}
	if err := w.intakeSnapshot(ctx, t, s); err != nil {
		return err
	}
	f, d, err := w.openDisk(t, s)
	if err != nil {
		return err
	}
	defer f.Close()
	size := s.SizeGiB << 30
	if err := w.Disks.CreateUpload(ctx, s.SnapshotID, size/disk.BlockSize); err != nil {
		return sourceFault(err)
	}
	sum, err := disk.Sum(ctx, d, size, func(i int64, block []byte, sum [32]byte) error {
		r.Progress(i, size/disk.BlockSize, "writing blocks")
		return w.Disks.PutBlock(ctx, s.SnapshotID, i, block, sum)
	})
	if err != nil {
		return sourceFault(err)
	}
	if err := w.unchanged(t, s); err != nil {
		return err
	}
	s.Content = sum.Digest.String()
	return nil
}

func (w *World) intakeSnapshot(ctx context.Context, t *domain.ImportTask, s *intakeState) error {
	n := &domain.Snapshot{SizeGiB: s.SizeGiB, Description: t.Description}
	if t.Key.Kind == domain.KindImportImage || n.Description == "" {
		n.Description = "Created by AWS-VMImport service for " + t.Key.Name
	}
	n.Key = domain.Key{Scope: t.Key.Scope, Kind: domain.KindSnapshot, Name: s.SnapshotID}
	return w.Store.Update(ctx, func(tx store.Tx) error {
		if err := tx.Insert(n); fault.Is(err, fault.Exists) {
			return nil // this step ran before
		} else if err != nil {
			return err
		}
		_, err := tx.Move(n.Key, domain.SnapshotAskComplete, "import", n)
		return err
	})
}

func (w *World) intakeDropUpload(ctx context.Context, r *Run, s *intakeState) error {
	if s.SnapshotID == "" {
		return nil
	}
	key := domain.Key{Scope: r.Job().Subject.Scope, Kind: domain.KindSnapshot, Name: s.SnapshotID}
	if err := w.Store.Update(ctx, func(tx store.Tx) error { return tx.Delete(key) }); err != nil {
		return err
	}
	return w.Disks.DropUpload(ctx, s.SnapshotID)
}

// intakeSeal seals the upload; the digest of the sealed disk is that of what
// was read, or something is broken here.
func (w *World) intakeSeal(ctx context.Context, r *Run, s *intakeState) error {
	key := domain.Key{Scope: r.Job().Subject.Scope, Kind: domain.KindSnapshot, Name: s.SnapshotID}
	if err := w.sealUpload(ctx, r, key.Name, key, &s.Seal); err != nil {
		return sourceFault(err)
	}
	if s.Seal.Digest != s.Content {
		return GiveUp(fault.New(fault.Internal, "The sealed disk differs from what was read.").WithHint("Check the server's disk and memory, then import it again."))
	}
	return nil
}

func (w *World) intakeInspect(ctx context.Context, r *Run, s *intakeState) error {
	t, err := w.intakeSays(ctx, r, "updating", nil)
	if err != nil {
		return err
	}
	f, _, err := w.facts(ctx, s.Seal.Digest)
	if err != nil || t.Key.Kind != domain.KindImportImage || f == nil {
		return err
	}
	if f.Table.Kind == "" || len(f.Partitions) == 0 {
		return GiveUp(fault.New(fault.Incompatible, "No valid partitions. Not a valid volume.").
			WithHint("A disk to boot from has a partition table; import any other with ImportSnapshot.").WithCode(codeOfPartitions))
	}
	return nil
}

func (w *World) intakePublish(ctx context.Context, r *Run, s *intakeState) error {
	key := r.Job().Subject
	snapKey := domain.Key{Scope: key.Scope, Kind: domain.KindSnapshot, Name: s.SnapshotID}
	f, err := w.seenBefore(ctx, s.Seal.Digest)
	if err != nil {
		return err
	}
	err = w.Store.Update(ctx, func(tx store.Tx) error {
		t := new(domain.ImportTask)
		if err := tx.Get(key, t); err != nil || t.State == domain.TaskCompleted {
			return err
		}
		n := new(domain.Snapshot)
		if err := tx.Get(snapKey, n); err != nil {
			return err
		}
		n.Disk = s.Seal.Digest
		if _, err := tx.Move(snapKey, domain.SnapshotSealed, s.Seal.Digest, n); err != nil {
			return err
		}
		if key.Kind == domain.KindImportImage {
			ami := importedAMI(t, s, f)
			if err := tx.Insert(ami); err != nil {
				return err
			}
			if err := tx.Refer(ami.Key, snapKey); err != nil {
				return err
			}
			t.ImageID, t.Platform = s.AMIID, "Linux"
			if ami.Platform == "windows" {
				t.Platform = "Windows"
			}
			t.BootMode = ami.BootMode
		}
		t.Message = "completed"
		_, err := tx.Move(key, domain.TaskDone, s.AMIID, t)
		return err
	})
	if err != nil {
		return err
	}
	return errors.Join(w.Disks.DropUpload(ctx, s.SnapshotID), w.intakeForget(ctx, r, s))
}

// seenBefore is what the inspection of a sealed disk recorded; nil for nothing.
func (w *World) seenBefore(ctx context.Context, digest string) (*facts.Facts, error) {
	d, err := read[domain.Disk](ctx, w.Store, domain.DiskKey(digest))
	if err != nil || len(d.Facts) == 0 {
		return nil, err
	}
	f := new(facts.Facts)
	return f, json.Unmarshal(d.Facts, f)
}

// importedAMI is named after its task, as EC2 names it. How it boots is what
// the disk has, unless the client said otherwise; a UEFI machine gets a TPM,
// which current Windows wants and nothing else minds.
func importedAMI(t *domain.ImportTask, s *intakeState, f *facts.Facts) *domain.AMI {
	ami := &domain.AMI{
		Label: t.Key.Name, Description: t.Description, Architecture: "x86_64", VirtType: "hvm", BootMode: t.BootMode, ENA: true,
		RootDevice: "/dev/sda1",
		Mappings:   []domain.Mapping{{Device: "/dev/sda1", SnapshotID: s.SnapshotID, SizeGiB: s.SizeGiB, VolumeType: "gp2"}},
	}
	ami.Key = domain.Key{Scope: t.Key.Scope, Kind: domain.KindAMI, Name: s.AMIID}
	if ami.Description == "" {
		ami.Description = fmt.Sprintf("AWS-VMImport service: %s", t.Key.Name)
	}
	if t.Architecture != "" {
		ami.Architecture = t.Architecture
	}
	if ami.BootMode == "" {
		ami.BootMode = "legacy-bios"
		if f != nil && f.ESP != nil {
			ami.BootMode = "uefi"
		}
	}
	if ami.BootMode != "legacy-bios" {
		ami.TPM = "v2.0"
	}
	ami.SetPlatform(f != nil && f.OS == facts.Windows)
	return ami
}
