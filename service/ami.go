package service

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"

	"slipway/disk/facts"
	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

var amiName = regexp.MustCompile(`^[a-zA-Z0-9()\[\] ./\-'@_]{3,128}$`)

// RegisterAMI makes an AMI of completed snapshots. What the guest is (Platform)
// is read from the root disk; the caller's word for it does not count.
func (s *Service) RegisterAMI(ctx context.Context, c domain.Caller, ami domain.AMI, dryRun bool) (*domain.AMI, error) {
	if !amiName.MatchString(ami.Label) {
		return nil, fault.New(fault.BadValue, "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, '(', ')', '[', ']', ' ', '.', '/', '-', ''', '@' and '_'.").WithCode("InvalidAMIName.Malformed")
	}
	if ami.RootDevice == "" {
		ami.RootDevice = "/dev/sda1"
	}
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		if err := s.checkAMI(tx, c, &ami); err != nil {
			return err
		}
		if dryRun {
			return fault.New(fault.DryRun, "Request would have succeeded, but DryRun flag is set.")
		}
		ami.Key = c.Key(domain.KindAMI, s.IDs.AMI())
		return insertAMI(tx, &ami)
	})
	if err != nil {
		return nil, err
	}
	return &ami, nil
}

func insertAMI(tx store.Tx, ami *domain.AMI) error {
	if err := tx.Insert(ami); err != nil {
		return err
	}
	for _, m := range ami.Mappings {
		if m.SnapshotID == "" {
			continue
		}
		if err := tx.Refer(ami.Key, domain.Key{Scope: ami.Key.Scope, Kind: domain.KindSnapshot, Name: m.SnapshotID}); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) checkAMI(tx store.Tx, c domain.Caller, ami *domain.AMI) error {
	same, err := tx.Count(store.Query{Kind: domain.KindAMI, Account: c.Account, Region: c.Region, Alias: ami.Label})
	if err != nil {
		return err
	}
	if same > 0 {
		return fault.New(fault.Exists, "AMI name %s is already in use by AMI in account %s.", ami.Label, c.Account).WithCode("InvalidAMIName.Duplicate")
	}
	root := false
	seen := map[string]bool{}
	for i := range ami.Mappings {
		m := &ami.Mappings[i]
		if m.Device == "" || seen[m.Device] {
			return fault.New(fault.BadValue, "Block device mapping %d has no device name of its own.", i+1).WithCode("InvalidBlockDeviceMapping")
		}
		seen[m.Device] = true
		if err := s.checkMapping(tx, c, ami, m); err != nil {
			return err
		}
		root = root || m.Device == ami.RootDevice && m.SnapshotID != ""
	}
	if !root {
		return fault.New(fault.BadCombination, "No snapshot is mapped to the root device %s.", ami.RootDevice).
			WithHint("Map the root disk's snapshot to that device name.").WithCode("InvalidBlockDeviceMapping")
	}
	return nil
}

func (s *Service) checkMapping(tx store.Tx, c domain.Caller, ami *domain.AMI, m *domain.Mapping) error {
	if m.VolumeType == "" {
		m.VolumeType = "gp2"
	}
	if m.SnapshotID == "" {
		if m.SizeGiB < 1 {
			return fault.New(fault.BadCombination, "Device %s needs a snapshot or a volume size.", m.Device).WithCode("MissingParameter")
		}
		return nil
	}
	snap := new(domain.Snapshot)
	err := tx.Get(c.Key(domain.KindSnapshot, m.SnapshotID), snap)
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.NotFound, "The snapshot '%s' does not exist.", m.SnapshotID).WithCode("InvalidSnapshot.NotFound")
	} else if err != nil {
		return err
	}
	if snap.State != domain.SnapshotCompleted {
		return fault.New(fault.WrongState, "Snapshot %s is %s; wait until it is completed.", m.SnapshotID, PublicSnapshotState(snap.State)).WithCode("IncorrectState")
	}
	if m.SizeGiB == 0 {
		m.SizeGiB = snap.SizeGiB
	}
	if m.SizeGiB < snap.SizeGiB {
		return fault.New(fault.BadValue, "Volume of size %dGB is smaller than snapshot '%s', expect size >= %dGB.", m.SizeGiB, m.SnapshotID, snap.SizeGiB).WithCode("InvalidBlockDeviceMapping")
	}
	if m.Device != ami.RootDevice {
		return nil
	}
	f, err := diskFacts(tx, snap.Disk)
	if err != nil {
		return err
	}
	ami.Platform, ami.Details = PlatformOf(f)
	return nil
}

// diskFacts reads what the inspection saw of a sealed disk; nil when it could
// not be inspected.
func diskFacts(tx store.Tx, digest string) (*facts.Facts, error) {
	d := new(domain.Disk)
	if err := tx.Get(domain.DiskKey(digest), d); err != nil {
		return nil, fmt.Errorf("disk behind the snapshot: %w", err)
	}
	if d.Inspector == 0 || len(d.Facts) == 0 {
		return nil, nil
	}
	f := new(facts.Facts)
	return f, json.Unmarshal(d.Facts, f)
}

// PlatformOf is EC2's Platform and PlatformDetails for a disk. An unknown
// guest is no Windows: EC2 calls everything else Linux/UNIX.
func PlatformOf(f *facts.Facts) (platform, details string) {
	if f != nil && f.OS == facts.Windows {
		return "windows", "Windows"
	}
	return "", "Linux/UNIX"
}

// AMIs lists the caller's AMIs, all or those named. A name that is not there
// is fault.NotFound.
func (s *Service) AMIs(ctx context.Context, c domain.Caller, ids []string) ([]*domain.AMI, error) {
	var out []*domain.AMI
	err := s.Store.View(ctx, func(tx store.Tx) (err error) {
		out, err = store.List[domain.AMI](tx, store.Query{Kind: domain.KindAMI, Account: c.Account, Region: c.Region, Names: ids, States: []domain.State{domain.AMIAvailable}})
		return err
	})
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, a := range out {
		found[a.Key.Name] = true
	}
	for _, id := range ids {
		if !found[id] {
			return nil, fault.New(fault.NotFound, "The image id '[%s]' does not exist", id).WithCode("InvalidAMIID.NotFound")
		}
	}
	return out, nil
}

// DeregisterAMI removes an AMI; its snapshots stay.
func (s *Service) DeregisterAMI(ctx context.Context, c domain.Caller, id string, dryRun bool) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		ami := new(domain.AMI)
		err := tx.Get(c.Key(domain.KindAMI, id), ami)
		if fault.Is(err, fault.NotFound) {
			return fault.New(fault.NotFound, "The image id '[%s]' does not exist", id).WithCode("InvalidAMIID.NotFound")
		} else if err != nil {
			return err
		}
		if dryRun {
			return fault.New(fault.DryRun, "Request would have succeeded, but DryRun flag is set.")
		}
		if _, err := tx.Move(ami.Key, domain.AMIAskDeregister, "", nil); err != nil {
			return err
		}
		return tx.Delete(ami.Key)
	})
}
