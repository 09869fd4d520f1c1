package service

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"slipway/disk/facts"
	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

var amiName = regexp.MustCompile(`^[a-zA-Z0-9()\[\] ./\-'@_]{3,128}$`)

// RegisterAMI makes an AMI of completed snapshots. What the guest is (Platform)
// is read from the root disk; the caller's word for it does not count.
func (s *Service) RegisterAMI(ctx context.Context, c domain.Caller, ami domain.AMI, dryRun bool) (*domain.AMI, error) {
	if err := checkAMIName(ami.Label); err != nil {
		return nil, err
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

func checkAMIName(name string) error {
	if !amiName.MatchString(name) {
		return fault.New(fault.BadValue, "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, '(', ')', '[', ']', ' ', '.', '/', '-', ''', '@' and '_'.").WithCode("InvalidAMIName.Malformed")
	}
	return nil
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
	if err := freeAMIName(tx, c, ami.Label); err != nil {
		return err
	}
	if err := roomFor(tx, c.Scope(), domain.KindAMI, domain.QuotaAMIs, "ResourceLimitExceeded"); err != nil {
		return err
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

func freeAMIName(tx store.Tx, c domain.Caller, name string) error {
	same, err := tx.Count(store.Query{Kind: domain.KindAMI, Account: c.Account, Region: c.Region, Alias: name})
	if err != nil {
		return err
	}
	if same > 0 {
		return fault.New(fault.Exists, "AMI name %s is already in use by AMI in account %s.", name, c.Account).WithCode("InvalidAMIName.Duplicate")
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
	ami.SetPlatform(f != nil && f.OS == facts.Windows)
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

// AMIQuery selects AMIs that the caller may know of.
type AMIQuery struct {
	IDs    []string // a miss is fault.NotFound
	Owners []string // account ids and "self"; empty means any
	// Executable keeps AMIs with explicit permission for one of these: account
	// ids, "self", and "all" for the public ones. Empty means any.
	Executable []string
}

// AMIs lists AMIs in order of id: the caller's, and those of others that they
// may launch.
func (s *Service) AMIs(ctx context.Context, c domain.Caller, q AMIQuery) ([]*domain.AMI, error) {
	var out []*domain.AMI
	err := s.Store.View(ctx, func(tx store.Tx) error {
		if len(q.IDs) > 0 {
			for _, id := range slices.Compact(slices.Sorted(slices.Values(q.IDs))) {
				ami, err := visibleAMI(tx, c, id)
				if err != nil {
					return err
				}
				out = append(out, ami)
			}
			return nil
		}
		var err error
		out, err = store.List[domain.AMI](tx, store.Query{Kind: domain.KindAMI, Account: c.Account, Region: c.Region, States: []domain.State{domain.AMIAvailable, domain.AMIError}})
		if err != nil {
			return err
		}
		keys, err := sharedWith(tx, c, domain.KindAMI)
		for _, k := range keys {
			ami := new(domain.AMI)
			if err := tx.Get(k, ami); fault.Is(err, fault.NotFound) {
				continue
			} else if err != nil {
				return err
			}
			if launchable(ami, c) {
				out = append(out, ami)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	out = slices.DeleteFunc(out, func(a *domain.AMI) bool { return !q.keeps(a, c) })
	slices.SortFunc(out, func(a, b *domain.AMI) int { return strings.Compare(a.Key.Name, b.Key.Name) })
	for i := range out {
		out[i] = seenAMI(out[i], c)
	}
	return out, nil
}

func (q AMIQuery) keeps(a *domain.AMI, c domain.Caller) bool {
	return ownedBy(q.Owners, a.Key.Account, c) && usableBy(q.Executable, a.Shared, a.Public, c)
}

// ownedBy tells whether an owner is among those asked for.
func ownedBy(owners []string, account string, c domain.Caller) bool {
	return len(owners) == 0 || slices.Contains(owners, account) || account == c.Account && slices.Contains(owners, "self")
}

// usableBy tells whether one of the users asked for has explicit permission.
func usableBy(users, shared []string, public bool, c domain.Caller) bool {
	for _, u := range users {
		if u == "self" {
			u = c.Account
		}
		if u == "all" && public || slices.Contains(shared, u) {
			return true
		}
	}
	return len(users) == 0
}

// DeregisterAMI removes an AMI; its snapshots stay.
func (s *Service) DeregisterAMI(ctx context.Context, c domain.Caller, id string, dryRun bool) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		ami, err := ownAMI(tx, c, id)
		if err != nil {
			return err
		}
		if dryRun {
			return fault.New(fault.DryRun, "Request would have succeeded, but DryRun flag is set.")
		}
		if _, err := tx.Move(ami.Key, domain.AMIAskDeregister, "", nil); err != nil {
			return err
		}
		if err := unshareAll(tx, ami.Key); err != nil {
			return err
		}
		return tx.Delete(ami.Key)
	})
}
