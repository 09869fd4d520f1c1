package service

import (
	"context"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// AMIDisk is the sealed disk behind an AMI that the caller may launch, with what
// the inspection saw of it.
func (s *Service) AMIDisk(ctx context.Context, c domain.Caller, id string) (*domain.Disk, error) {
	d := new(domain.Disk)
	err := s.Store.View(ctx, func(tx store.Tx) error {
		ami, err := visibleAMI(tx, c, id)
		if err != nil {
			return err
		}
		snapshot := ""
		for _, m := range ami.Mappings {
			if m.Device == ami.RootDevice {
				snapshot = m.SnapshotID
			}
		}
		snap := new(domain.Snapshot)
		key := ami.Key
		key.Kind, key.Name = domain.KindSnapshot, snapshot
		if err := tx.Get(key, snap); err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		if snap.Disk == "" {
			return fault.New(fault.WrongState, "The AMI %s has no disk that is sealed here.", id).
				WithHint("Wait until its snapshot is completed: `slipway job ls` shows the work.")
		}
		return tx.Get(domain.DiskKey(snap.Disk), d)
	})
	return d, err
}
