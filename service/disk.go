package service

import (
	"cmp"
	"context"
	"slices"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// DiskUse is a sealed disk and the resources that stand on it: snapshots,
// images and tasks, and the AMIs of those snapshots.
type DiskUse struct {
	Digest    string
	SizeBytes int64
	DataBytes int64
	Created   time.Time
	Users     []domain.Key
	accounts  int // that use it, those left out of Users too
}

// holds tells whether users of a kind make a disk theirs; an AMI stands on a
// snapshot that does.
func holds(k domain.Kind) bool { return k != domain.KindAMI }

// DiskUses lists the sealed disks that an account's resources stand on, with
// those resources alone: that the same content is used elsewhere is not told.
// For "" all disks with all their users are listed.
func (s *Service) DiskUses(ctx context.Context, account string) ([]DiskUse, error) {
	var out []DiskUse
	err := s.Store.View(ctx, func(tx store.Tx) error {
		disks, err := store.List[domain.Disk](tx, store.Query{Kind: domain.KindDisk})
		if err != nil {
			return err
		}
		for _, d := range disks {
			u, err := useOf(tx, d, account)
			if err != nil {
				return err
			}
			if account == "" || len(u.Users) > 0 {
				out = append(out, u)
			}
		}
		return nil
	})
	return out, err
}

// DiskUse finds one disk as DiskUses lists it. To an account that uses no such
// disk it is fault.NotFound, whether or not there is one.
func (s *Service) DiskUse(ctx context.Context, account, digest string) (DiskUse, error) {
	var u DiskUse
	err := s.Store.View(ctx, func(tx store.Tx) error {
		d := new(domain.Disk)
		err := tx.Get(domain.DiskKey(digest), d)
		if err == nil {
			u, err = useOf(tx, d, account)
		}
		if fault.Is(err, fault.NotFound) || err == nil && account != "" && len(u.Users) == 0 {
			return fault.New(fault.NotFound, "There is no sealed disk %s.", digest).WithHint("`slipway disk ls` lists yours.")
		}
		return err
	})
	return u, err
}

func useOf(tx store.Tx, d *domain.Disk, account string) (DiskUse, error) {
	u := DiskUse{Digest: d.Key.Name, SizeBytes: d.SizeBytes, DataBytes: d.DataBytes, Created: d.Created}
	users, err := tx.Referrers(d.Key)
	if err != nil {
		return u, err
	}
	seen := map[string]bool{}
	for _, k := range users {
		seen[k.Account] = true
		if account != "" && k.Account != account {
			continue
		}
		u.Users = append(u.Users, k)
		if k.Kind != domain.KindSnapshot {
			continue
		}
		amis, err := tx.Referrers(k, domain.KindAMI)
		if err != nil {
			return u, err
		}
		u.Users = append(u.Users, amis...)
	}
	u.accounts = len(seen)
	return u, nil
}

// AccountUse is what an account takes of the store of sealed disks.
type AccountUse struct {
	Account string
	Holders int // snapshots, images and tasks
	Disks   int // different ones
	// Virtual counts the size of the disk for each of the holders.
	Virtual int64
	// Data counts the data of each disk once.
	Data int64
	// Own is the part of Data in disks that no other account uses; Share also
	// has the account's equal part of each disk that several use. The Shares of
	// all accounts add up to what there is.
	Own, Share int64
}

// Usage tells what each account takes; for an account, what it alone takes,
// with Own and Share left out, since they would tell what others have.
func (s *Service) Usage(ctx context.Context, account string) ([]AccountUse, error) {
	uses, err := s.DiskUses(ctx, account)
	if err != nil {
		return nil, err
	}
	by := map[string]*AccountUse{}
	for _, u := range uses {
		mine := map[string]bool{}
		for _, k := range u.Users {
			if !holds(k.Kind) {
				continue
			}
			a := by[k.Account]
			if a == nil {
				a = &AccountUse{Account: k.Account}
				by[k.Account] = a
			}
			a.Holders++
			a.Virtual += u.SizeBytes
			if mine[k.Account] {
				continue
			}
			mine[k.Account] = true
			a.Disks++
			a.Data += u.DataBytes
			if account != "" {
				continue
			}
			a.Share += u.DataBytes / int64(u.accounts)
			if u.accounts == 1 {
				a.Own += u.DataBytes
			}
		}
	}
	if account != "" && by[account] == nil {
		by[account] = &AccountUse{Account: account}
	}
	out := make([]AccountUse, 0, len(by))
	for _, a := range by {
		out = append(out, *a)
	}
	slices.SortFunc(out, func(a, b AccountUse) int { return cmp.Compare(a.Account, b.Account) })
	return out, nil
}
