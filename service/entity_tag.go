package service

import (
	"context"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// TagEntity adds tags to a user or role; no keys and tags nil removes none.
func (s *Service) TagEntity(ctx context.Context, c domain.Caller, h Holder, tags domain.Tags) error {
	return s.changeEntity(ctx, c, h, func(_ store.Tx, e entity) error { return addTags(e, tags) })
}

// UntagEntity removes tags of a user or role; keys that are not there are fine.
func (s *Service) UntagEntity(ctx context.Context, c domain.Caller, h Holder, keys []string) error {
	return s.changeEntity(ctx, c, h, func(_ store.Tx, e entity) error {
		for _, k := range keys {
			delete(*e.TagSet(), k)
		}
		return nil
	})
}

// EntityTags lists the tags of a user or role.
func (s *Service) EntityTags(ctx context.Context, c domain.Caller, h Holder) (domain.Tags, error) {
	e, err := s.readEntity(ctx, c, h)
	if err != nil {
		return nil, err
	}
	return *e.TagSet(), nil
}

// TagPolicy adds tags to a managed policy and removes others.
func (s *Service) TagPolicy(ctx context.Context, c domain.Caller, arn string, tags domain.Tags, remove []string) error {
	return s.changePolicy(ctx, c, arn, func(_ store.Tx, p *domain.Policy) error {
		for _, k := range remove {
			delete(p.Tags, k)
		}
		return addTags(p, tags)
	})
}

func addTags(n domain.Tagged, tags domain.Tags) error {
	have := n.TagSet()
	if *have == nil {
		*have = domain.Tags{}
	}
	for k, v := range tags {
		(*have)[k] = v
	}
	if len(*have) > domain.TagsPerEntity {
		return fault.New(fault.Quota, "A resource can have at most %d tags.", domain.TagsPerEntity)
	}
	return nil
}
