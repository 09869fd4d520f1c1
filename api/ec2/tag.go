package ec2

import (
	"context"
	"slices"
	"strings"

	"slipway/api/convert"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	"slipway/wire"
	aws "slipway/wire/ec2"
)

// tagTargets is how many resources one request may tag (EC2 API reference).
const tagTargets = 1000

func checkTargets(ids []string) error {
	if len(ids) > tagTargets {
		return fault.New(fault.BadValue, "The maximum number of resources in one request is %d", tagTargets)
	}
	return nil
}

func (a api) createTags(ctx context.Context, c *wire.Call, in *aws.CreateTagsRequest) (*aws.CreateTagsOutput, error) {
	if err := checkTargets(in.Resources); err != nil {
		return nil, err
	}
	tags := domain.Tags{}
	for _, t := range in.Tags {
		tags[convert.Val(t.Key)] = convert.Val(t.Value)
	}
	return nil, a.svc.TagIDs(ctx, convert.Caller(c), in.Resources, tags, convert.Val(in.DryRun))
}

func (a api) deleteTags(ctx context.Context, c *wire.Call, in *aws.DeleteTagsRequest) (*aws.DeleteTagsOutput, error) {
	if err := checkTargets(in.Resources); err != nil {
		return nil, err
	}
	var drops []service.TagDrop
	for _, t := range in.Tags {
		drops = append(drops, service.TagDrop{Key: convert.Val(t.Key), Value: t.Value})
	}
	return nil, a.svc.UntagIDs(ctx, convert.Caller(c), in.Resources, drops, convert.Val(in.DryRun))
}

func (a api) describeTags(ctx context.Context, c *wire.Call, in *aws.DescribeTagsRequest) (*aws.DescribeTagsResult, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	if err := checkFilters(in.Filters, func(n string) ([]string, bool) { return tagField(&aws.TagDescription{}, n) }); err != nil {
		return nil, err
	}
	all, err := a.svc.Taggings(ctx, convert.Caller(c), func(k domain.TagKind) bool { return k.Service == "ec2" })
	if err != nil {
		return nil, err
	}
	out := &aws.DescribeTagsResult{Tags: []aws.TagDescription{}}
	for _, r := range all {
		for k, v := range r.Tags {
			d := aws.TagDescription{Key: new(k), Value: new(v), ResourceId: new(r.Key.Name), ResourceType: new(r.Kind.Type)}
			if passes(in.Filters, func(n string) ([]string, bool) { return tagField(&d, n) }) {
				out.Tags = append(out.Tags, d)
			}
		}
	}
	id := func(d aws.TagDescription) string { return *d.ResourceId + " " + *d.Key }
	slices.SortFunc(out.Tags, func(a, b aws.TagDescription) int { return strings.Compare(id(a), id(b)) })
	out.Tags, out.NextToken, err = page(out.Tags, in.MaxResults, in.NextToken, id)
	return out, err
}

// tagField is the filters of DescribeTags; tag:KEY matches the value of one tag.
func tagField(d *aws.TagDescription, name string) ([]string, bool) {
	if key, ok := strings.CutPrefix(name, "tag:"); ok {
		if key == convert.Val(d.Key) {
			return []string{convert.Val(d.Value)}, true
		}
		return nil, true
	}
	switch name {
	case "key", "tag-key":
		return []string{convert.Val(d.Key)}, true
	case "value":
		return []string{convert.Val(d.Value)}, true
	case "resource-id":
		return []string{convert.Val(d.ResourceId)}, true
	case "resource-type":
		return []string{convert.Val(d.ResourceType)}, true
	}
	return nil, false
}
