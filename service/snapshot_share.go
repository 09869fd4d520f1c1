package service

import (
	"context"
	"slices"
	"strings"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// readable tells whether somebody may make volumes, and copies, of a snapshot.
func readable(n *domain.Snapshot, c domain.Caller) bool {
	return n.Public || n.Key.Account == c.Account || slices.Contains(n.Shared, c.Account)
}

// visibleSnapshot finds a snapshot that the caller owns or may use.
func visibleSnapshot(tx store.Tx, c domain.Caller, id string) (*domain.Snapshot, error) {
	n := new(domain.Snapshot)
	err := tx.Get(c.Key(domain.KindSnapshot, id), n)
	if !fault.Is(err, fault.NotFound) {
		return n, err
	}
	all, err := store.List[domain.Snapshot](tx, store.Query{Kind: domain.KindSnapshot, Region: c.Region, Names: []string{id}})
	if err != nil {
		return nil, err
	}
	for _, n := range all {
		if readable(n, c) {
			return n, nil
		}
	}
	return nil, noID(domain.KindSnapshot, id)
}

// SnapshotQuery selects snapshots that the caller may know of.
type SnapshotQuery struct {
	IDs        []string // a miss is fault.NotFound
	Owners     []string // account ids and "self"; empty means any
	Restorable []string // by whom: account ids, "self", "all"; empty means any
}

// Snapshots lists snapshots in order of id: the caller's, and those of others
// that they may use.
func (s *Service) Snapshots(ctx context.Context, c domain.Caller, q SnapshotQuery) ([]*domain.Snapshot, error) {
	var out []*domain.Snapshot
	err := s.Store.View(ctx, func(tx store.Tx) error {
		if len(q.IDs) > 0 {
			for _, id := range slices.Compact(slices.Sorted(slices.Values(q.IDs))) {
				n, err := visibleSnapshot(tx, c, id)
				if err != nil {
					return err
				}
				out = append(out, n)
			}
			return nil
		}
		var err error
		out, err = store.List[domain.Snapshot](tx, store.Query{Kind: domain.KindSnapshot, Account: c.Account, Region: c.Region})
		if err != nil {
			return err
		}
		keys, err := sharedWith(tx, c, domain.KindSnapshot)
		for _, k := range keys {
			n := new(domain.Snapshot)
			if err := tx.Get(k, n); fault.Is(err, fault.NotFound) {
				continue
			} else if err != nil {
				return err
			}
			if readable(n, c) {
				out = append(out, n)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	out = slices.DeleteFunc(out, func(n *domain.Snapshot) bool {
		return !ownedBy(q.Owners, n.Key.Account, c) || !usableBy(q.Restorable, n.Shared, n.Public, c)
	})
	slices.SortFunc(out, func(a, b *domain.Snapshot) int { return strings.Compare(a.Key.Name, b.Key.Name) })
	for _, n := range out {
		if n.Key.Account != c.Account {
			n.Tags = nil
		}
	}
	return out, nil
}

func ownSnapshot(tx store.Tx, c domain.Caller, id string) (*domain.Snapshot, error) {
	n, err := visibleSnapshot(tx, c, id)
	if err == nil && n.Key.Account != c.Account {
		return nil, fault.New(fault.Denied, "Not authorized for snapshot:%s.", id).
			WithHint("Only account %s, which owns it, may do this.", n.Key.Account).WithCode("AuthFailure")
	}
	return n, err
}

// ShareSnapshot changes who may make volumes of a snapshot of the caller's.
func (s *Service) ShareSnapshot(ctx context.Context, c domain.Caller, id string, g Grant, dryRun bool) error {
	if err := g.check(); err != nil {
		return err
	}
	return s.Store.Update(ctx, func(tx store.Tx) error {
		n, err := ownSnapshot(tx, c, id)
		if err != nil {
			return err
		}
		if err := g.apply(tx, n.Key, &n.Shared, &n.Public); err != nil {
			return err
		}
		if dryRun {
			return errDryRun()
		}
		return tx.Put(n)
	})
}

// OwnSnapshot finds a snapshot of the caller's for its attributes.
func (s *Service) OwnSnapshot(ctx context.Context, c domain.Caller, id string) (*domain.Snapshot, error) {
	var n *domain.Snapshot
	err := s.Store.View(ctx, func(tx store.Tx) (err error) {
		n, err = ownSnapshot(tx, c, id)
		return err
	})
	return n, err
}

// DeleteSnapshot removes a snapshot that no AMI uses; an upload under way is
// given up. Its disk goes when nothing refers to it any more.
func (s *Service) DeleteSnapshot(ctx context.Context, c domain.Caller, id string, dryRun bool) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		n, err := ownSnapshot(tx, c, id)
		if err != nil {
			return err
		}
		if n.State == domain.SnapshotSealing {
			return fault.New(fault.WrongState, "Snapshot %s is being completed.", id).WithHint("Try again when it is completed.").WithCode("IncorrectState")
		}
		amis, err := tx.Referrers(n.Key, domain.KindAMI)
		if err != nil {
			return err
		}
		if len(amis) > 0 {
			return fault.New(fault.InUse, "The snapshot %s is currently in use by %s.", id, amis[0].Name).
				WithHint("Deregister that AMI first.").WithCode("InvalidSnapshot.InUse")
		}
		if err := unshareAll(tx, n.Key); err != nil {
			return err
		}
		if dryRun {
			return errDryRun()
		}
		return tx.Delete(n.Key)
	})
}
