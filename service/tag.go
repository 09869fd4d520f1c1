package service

import (
	"context"
	"strings"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// MaxTags is how many tags a resource may have.
const MaxTags = 50

// tagged finds a taggable resource by ARN. Resources of other accounts and
// Regions are as good as absent.
func tagged(tx store.Tx, c domain.Caller, arn string) (*domain.Image, error) {
	name, ok := imageNameOf(c, arn)
	if !ok {
		if !strings.HasPrefix(arn, "arn:aws:appstream:") {
			return nil, fault.New(fault.NotFound, "The resource %s does not exist.", arn).WithHint("ResourceArn must be the ARN of an AppStream resource.")
		}
		return nil, fault.New(fault.NotFound, "The resource %s does not exist.", arn)
	}
	img := new(domain.Image)
	err := tx.Get(c.Key(domain.KindImage, name), img)
	if fault.Is(err, fault.NotFound) {
		return nil, fault.New(fault.NotFound, "The resource %s does not exist.", arn)
	}
	return img, err
}

// Tag adds tags to a resource, at any time of its life.
func (s *Service) Tag(ctx context.Context, c domain.Caller, arn string, tags domain.Tags) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		img, err := tagged(tx, c, arn)
		if err != nil {
			return err
		}
		if img.Tags == nil {
			img.Tags = domain.Tags{}
		}
		for k, v := range tags {
			img.Tags[k] = v
		}
		if len(img.Tags) > MaxTags {
			return fault.New(fault.Quota, "A resource can have at most %d tags.", MaxTags)
		}
		return tx.Put(img)
	})
}

// Untag removes tags; keys that are not there are fine.
func (s *Service) Untag(ctx context.Context, c domain.Caller, arn string, keys []string) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		img, err := tagged(tx, c, arn)
		if err != nil {
			return err
		}
		for _, k := range keys {
			delete(img.Tags, k)
		}
		return tx.Put(img)
	})
}

// Tags lists a resource's tags.
func (s *Service) Tags(ctx context.Context, c domain.Caller, arn string) (domain.Tags, error) {
	var tags domain.Tags
	err := s.Store.View(ctx, func(tx store.Tx) error {
		img, err := tagged(tx, c, arn)
		if err == nil {
			tags = img.Tags
		}
		return err
	})
	return tags, err
}
