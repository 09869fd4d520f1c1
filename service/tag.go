package service

import (
	"context"
	"maps"
	"slices"
	"sort"
	"strings"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// tagged finds a taggable resource of the caller's by ARN. Resources of other
// accounts and Regions are as good as absent.
func tagged(tx store.Tx, c domain.Caller, arn string) (domain.Tagged, error) {
	k, key, ok := domain.TagTarget(c.Account, arn)
	if !ok || key.Region != c.Region {
		return nil, noResource(arn)
	}
	n := k.New()
	err := tx.Get(key, n)
	if fault.Is(err, fault.NotFound) {
		return nil, noResource(arn)
	}
	return n, err
}

func noResource(arn string) error {
	return fault.New(fault.NotFound, "The resource %s does not exist.", arn).WithHint("Give the ARN of a resource of this account and Region.")
}

// appstreamOnly keeps AppStream's tag operations to AppStream's resources.
func appstreamOnly(arn string) error {
	if !strings.HasPrefix(arn, "arn:aws:appstream:") {
		return fault.New(fault.NotFound, "The resource %s does not exist.", arn).WithHint("ResourceArn must be the ARN of an AppStream resource.")
	}
	return nil
}

// setTags adds tags to a document within the limit.
func setTags(n domain.Tagged, tags domain.Tags) error {
	set := n.TagSet()
	if *set == nil {
		*set = domain.Tags{}
	}
	maps.Copy(*set, tags)
	if len(*set) > domain.TagsPerResource {
		return fault.New(fault.Quota, "A resource can have at most %d tags.", domain.TagsPerResource).
			WithHint("Remove some of its tags first.").WithCode("TagLimitExceeded")
	}
	return nil
}

// Tag adds tags to an AppStream resource, at any time of its life.
func (s *Service) Tag(ctx context.Context, c domain.Caller, arn string, tags domain.Tags) error {
	if err := appstreamOnly(arn); err != nil {
		return err
	}
	return s.changeTags(ctx, c, arn, func(n domain.Tagged) error { return setTags(n, tags) })
}

// Untag removes tags of an AppStream resource; keys that are not there are fine.
func (s *Service) Untag(ctx context.Context, c domain.Caller, arn string, keys []string) error {
	if err := appstreamOnly(arn); err != nil {
		return err
	}
	return s.changeTags(ctx, c, arn, func(n domain.Tagged) error { return dropTags(n, keys) })
}

func dropTags(n domain.Tagged, keys []string) error {
	for _, k := range keys {
		delete(*n.TagSet(), k)
	}
	return nil
}

func (s *Service) changeTags(ctx context.Context, c domain.Caller, arn string, change func(n domain.Tagged) error) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		n, err := tagged(tx, c, arn)
		if err != nil {
			return err
		}
		if err := change(n); err != nil {
			return err
		}
		return tx.Put(n)
	})
}

// Tags lists the tags of an AppStream resource.
func (s *Service) Tags(ctx context.Context, c domain.Caller, arn string) (domain.Tags, error) {
	if err := appstreamOnly(arn); err != nil {
		return nil, err
	}
	var tags domain.Tags
	err := s.Store.View(ctx, func(tx store.Tx) error {
		n, err := tagged(tx, c, arn)
		if err == nil {
			tags = *n.TagSet()
		}
		return err
	})
	return tags, err
}

// TagResource adds tags to a resource of any service.
func (s *Service) TagResource(ctx context.Context, c domain.Caller, arn string, tags domain.Tags) error {
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		if err := checkTag(k, tags[k]); err != nil {
			return err
		}
	}
	return s.changeTags(ctx, c, arn, func(n domain.Tagged) error { return setTags(n, tags) })
}

// UntagResource removes tags of a resource of any service.
func (s *Service) UntagResource(ctx context.Context, c domain.Caller, arn string, keys []string) error {
	return s.changeTags(ctx, c, arn, func(n domain.Tagged) error { return dropTags(n, keys) })
}

// checkTag holds a tag against EC2's restrictions (EC2 user guide, "Tag
// restrictions").
func checkTag(key, value string) error {
	switch {
	case key == "":
		return fault.New(fault.BadValue, "A tag's key cannot be empty.")
	case strings.HasPrefix(strings.ToLower(key), "aws:"):
		return fault.New(fault.BadValue, "Tag keys starting with 'aws:' are reserved for internal use")
	case len([]rune(key)) > 128:
		return fault.New(fault.BadValue, "Tag key exceeds the maximum length of 128 characters")
	case len([]rune(value)) > 256:
		return fault.New(fault.BadValue, "Tag value exceeds the maximum length of 256 characters")
	}
	return nil
}

// Tagging is a resource with its tags.
type Tagging struct {
	Kind domain.TagKind
	Key  domain.Key
	Tags domain.Tags
}

// ARN names the resource.
func (t Tagging) ARN() string { return t.Kind.ARN(t.Key) }

// Taggings lists the caller's resources of the kinds wanted that have tags, in
// order of ARN.
func (s *Service) Taggings(ctx context.Context, c domain.Caller, want func(domain.TagKind) bool) ([]Tagging, error) {
	var out []Tagging
	err := s.Store.View(ctx, func(tx store.Tx) error {
		for _, k := range domain.TagKinds {
			if !want(k) {
				continue
			}
			err := tx.Query(store.Query{Kind: k.Kind, Account: c.Account, Region: c.Region}, func(r store.Row) (bool, error) {
				n := k.New()
				if err := r.Decode(n); err != nil {
					return false, err
				}
				if t := *n.TagSet(); len(t) > 0 {
					out = append(out, Tagging{Kind: k, Key: r.Key(), Tags: t})
				}
				return true, nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	sort.Slice(out, func(i, j int) bool { return out[i].ARN() < out[j].ARN() })
	return out, err
}

// TagIDs adds tags to resources by EC2 id, to all or to none.
func (s *Service) TagIDs(ctx context.Context, c domain.Caller, ids []string, tags domain.Tags, dryRun bool) error {
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		if err := checkTag(k, tags[k]); err != nil {
			return err
		}
	}
	return s.changeIDs(ctx, c, ids, dryRun, func(n domain.Tagged) error { return setTags(n, tags) })
}

// TagDrop is a tag to remove: whatever its value, or only with that value.
type TagDrop struct {
	Key   string
	Value *string
}

// UntagIDs removes tags of resources by EC2 id; no drops means all tags.
func (s *Service) UntagIDs(ctx context.Context, c domain.Caller, ids []string, drops []TagDrop, dryRun bool) error {
	return s.changeIDs(ctx, c, ids, dryRun, func(n domain.Tagged) error {
		set := *n.TagSet()
		if len(drops) == 0 {
			clear(set)
		}
		for _, d := range drops {
			if v, ok := set[d.Key]; ok && (d.Value == nil || *d.Value == v) {
				delete(set, d.Key)
			}
		}
		return nil
	})
}

func (s *Service) changeIDs(ctx context.Context, c domain.Caller, ids []string, dryRun bool, change func(domain.Tagged) error) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		seen := map[string]bool{}
		for _, id := range ids {
			if seen[id] {
				continue
			}
			seen[id] = true
			k, ok := domain.TagKindOf(id)
			if !ok {
				return fault.New(fault.BadValue, "The ID '%s' is not valid", id).WithCode("InvalidID")
			}
			n := k.New()
			err := tx.Get(c.Key(k.Kind, id), n)
			if fault.Is(err, fault.NotFound) {
				return noID(k.Kind, id)
			} else if err != nil {
				return err
			}
			if err := change(n); err != nil {
				return err
			}
			if err := tx.Put(n); err != nil {
				return err
			}
		}
		if dryRun {
			return errDryRun()
		}
		return nil
	})
}

// errDryRun rolls back what was tried.
func errDryRun() error {
	return fault.New(fault.DryRun, "Request would have succeeded, but DryRun flag is set.")
}

// noIDCodes are EC2's words for ids that are not there.
var noIDCodes = map[domain.Kind]struct{ code, text string }{
	domain.KindAMI:           {"InvalidAMIID.NotFound", "The image id '[%s]' does not exist"},
	domain.KindSnapshot:      {"InvalidSnapshot.NotFound", "The snapshot '%s' does not exist."},
	domain.KindVPC:           {"InvalidVpcID.NotFound", "The vpc ID '%s' does not exist"},
	domain.KindSubnet:        {"InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist"},
	domain.KindSecurityGroup: {"InvalidGroup.NotFound", "The security group '%s' does not exist"},
}

// noID says that an EC2 resource is not there.
func noID(k domain.Kind, id string) error {
	w := noIDCodes[k]
	return fault.New(fault.NotFound, w.text, id).WithCode(w.code)
}
