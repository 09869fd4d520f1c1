package service

import (
	"context"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// ImageCopy is what AppStream's CopyImage asks for.
type ImageCopy struct {
	Source      string
	Name        string
	Region      string // where the copy will be
	Description string // "" keeps the source's
}

// CopyImage makes another image of the same disk in any Region of the caller's
// account. The copy is there, COPYING, when it returns; tags and permissions
// stay behind.
func (s *Service) CopyImage(ctx context.Context, c domain.Caller, in ImageCopy) (*domain.Image, error) {
	if err := checkRegion(c, in.Region); err != nil {
		return nil, err
	}
	if domain.ReservedImageName(in.Name) {
		return nil, fault.New(fault.BadValue, "The image name %s begins with a reserved prefix (aws, appstream, amazon).", in.Name)
	}
	to := c
	to.Region = in.Region
	var img *domain.Image
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		from, err := ownImage(tx, c, in.Source)
		if err != nil {
			return err
		}
		if err := mustBeAvailable(from); err != nil {
			return err
		}
		if err := s.checkImageName(tx, to, in.Name); err != nil {
			return err
		}
		copying, err := tx.Count(store.Query{Kind: domain.KindImage, Account: to.Account, Region: to.Region, States: []domain.State{domain.ImageCopying}})
		if err != nil {
			return err
		}
		if err := room(tx, to.Scope(), domain.QuotaImageCopies, "", copying); err != nil {
			return err
		}
		img = from
		img.Meta = domain.Meta{Key: to.Key(domain.KindImage, in.Name)}
		img.Tags, img.Shares, img.Visibility = nil, nil, domain.VisibilityPrivate
		if in.Description != "" {
			img.Description = in.Description
		}
		img.Builder = "" // AWS names none for copies
		img.CopyOf = domain.ImageARN(c.Key(domain.KindImage, in.Source))
		if err := tx.Insert(img); err != nil {
			return err
		}
		if err := tx.Refer(img.Key, domain.DiskKey(img.Disk)); err != nil {
			return err
		}
		if _, err := tx.Move(img.Key, domain.ImageCopyBegun, img.CopyOf, img); err != nil {
			return err
		}
		return s.enqueue(tx, domain.FlowImageCopy, img.Key)
	})
	if err != nil {
		return nil, err
	}
	return img, nil
}

// checkRegion refuses names that are no Region's. Here every Region is served;
// a typing mistake must not make a copy that is never found again.
func checkRegion(c domain.Caller, name string) error {
	if name != c.Region && !domain.KnownRegion(name) {
		return fault.New(fault.BadValue, "There is no Region %s.", name).WithHint("DescribeRegions of EC2 lists them.")
	}
	return nil
}
