// Package tagging answers the Resource Groups Tagging API: the tags of every
// service's resources in one place.
//
// Which resources have tags is the domain's table (domain.TagKinds); only
// shapes, filters and pages are made here.
package tagging

import (
	"context"
	"maps"
	"slices"
	"strings"

	"slipway/api/convert"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	"slipway/wire"
	aws "slipway/wire/tagging"
)

type api struct{ svc *service.Service }

// Rows is one row per operation that is built. IAM's word for the service is
// tag, not its signing name.
func Rows(s *service.Service) []convert.Row {
	a := api{s}
	rows := []convert.Row{
		convert.On(aws.OpGetResources, a.getResources, nil),
		convert.On(aws.OpGetTagKeys, a.getTagKeys, nil),
		convert.On(aws.OpGetTagValues, a.getTagValues, nil),
		convert.On(aws.OpTagResources, a.tagResources, nil),
		convert.On(aws.OpUntagResources, a.untagResources, nil),
	}
	for i := range rows {
		rows[i].Action = "tag:" + rows[i].Op.Name
	}
	return rows
}

// Errors maps kinds to the service's exceptions: what is wrong with one
// resource is told in FailedResourcesMap, so few are left.
var Errors = convert.Table{
	Kinds: map[fault.Kind]string{
		fault.BadValue:       "InvalidParameterException",
		fault.BadCombination: "InvalidParameterException",
		fault.NotFound:       "InvalidParameterException",
		fault.Quota:          "InvalidParameterException",
		fault.Denied:         "AccessDeniedException",
		fault.Busy:           "InternalServiceException",
		fault.Unavailable:    "InternalServiceException",
	},
}

const (
	pageDefault = 50
	pageMax     = 100
	tagsMin     = 100
	tagsMax     = 500
)

// position reads a token; AWS takes and gives "" for none.
func position(token *string) (string, error) {
	if convert.Val(token) == "" {
		return "", nil
	}
	return convert.Position(token)
}

func tokenOf(after string) *string {
	if after == "" {
		return new("")
	}
	return convert.Token(after)
}

// cut is the page of a sorted list of words that comes after a position.
func cut(all []string, after string) (page []string, next string) {
	start, found := slices.BinarySearch(all, after)
	if found {
		start++
	}
	all = all[start:]
	if len(all) > pageMax {
		return all[:pageMax], all[pageMax-1]
	}
	return slices.Concat([]string{}, all), ""
}

func (a api) getResources(ctx context.Context, c *wire.Call, in *aws.GetResourcesInput) (*aws.GetResourcesOutput, error) {
	if err := checkSelection(in); err != nil {
		return nil, err
	}
	after, err := position(in.PaginationToken)
	if err != nil {
		return nil, err
	}
	limit := int(convert.Val(in.ResourcesPerPage))
	if limit == 0 {
		limit = pageDefault
	}
	found, err := a.svc.Taggings(ctx, convert.Caller(c), func(k domain.TagKind) bool { return wanted(k, in.ResourceTypeFilters) })
	if err != nil {
		return nil, err
	}
	out := &aws.GetResourcesOutput{ResourceTagMappingList: []aws.ResourceTagMapping{}, PaginationToken: new("")}
	tags := 0
	for _, r := range found {
		arn := r.ARN()
		if arn <= after || convert.Val(in.ExcludeCompliantResources) || !passes(in.TagFilters, r.Tags) || !listed(in.ResourceARNList, c, r) {
			continue
		}
		n := len(out.ResourceTagMappingList)
		tags += len(r.Tags)
		if n == limit || n > 0 && in.TagsPerPage != nil && tags > int(*in.TagsPerPage) {
			out.PaginationToken = tokenOf(*out.ResourceTagMappingList[n-1].ResourceARN)
			break
		}
		m := aws.ResourceTagMapping{ResourceARN: new(arn), Tags: tagList(r.Tags)}
		if convert.Val(in.IncludeComplianceDetails) {
			// Without tag policies everything complies.
			m.ComplianceDetails = &aws.ComplianceDetails{ComplianceStatus: new(true), NoncompliantKeys: []string{}, KeysWithNoncompliantValues: []string{}}
		}
		out.ResourceTagMappingList = append(out.ResourceTagMappingList, m)
	}
	return out, nil
}

// checkSelection refuses what the API reference of GetResources excludes.
func checkSelection(in *aws.GetResourcesInput) error {
	n, t := in.ResourcesPerPage, in.TagsPerPage
	switch {
	case n != nil && (*n < 1 || *n > pageMax):
		return fault.New(fault.BadValue, "ResourcesPerPage must be between 1 and %d.", pageMax)
	case t != nil && (*t < tagsMin || *t > tagsMax || *t%100 != 0):
		return fault.New(fault.BadValue, "TagsPerPage must be a multiple of 100 between %d and %d.", tagsMin, tagsMax)
	case n != nil && t != nil:
		return fault.New(fault.BadCombination, "Specify either ResourcesPerPage or TagsPerPage, not both.")
	case len(in.ResourceARNList) > 0 && (len(in.TagFilters)+len(in.ResourceTypeFilters) > 0 || n != nil || t != nil || convert.Val(in.PaginationToken) != ""):
		return fault.New(fault.BadCombination, "ResourceARNList cannot be used with another filter or with pages.")
	case convert.Val(in.ExcludeCompliantResources) && !convert.Val(in.IncludeComplianceDetails):
		return fault.New(fault.BadCombination, "ExcludeCompliantResources needs IncludeComplianceDetails.")
	}
	for _, f := range in.TagFilters {
		if f.Key == nil {
			return fault.New(fault.BadValue, "Every one of TagFilters needs a Key.")
		}
	}
	for _, f := range in.ResourceTypeFilters {
		if f == "" || strings.HasPrefix(f, ":") {
			return fault.New(fault.BadValue, "%q is not a resource type.", f).WithHint("Such as ec2 or ec2:image.")
		}
	}
	return nil
}

// wanted tells whether a kind is of one of the types, service or service:type.
func wanted(k domain.TagKind, types []string) bool {
	return len(types) == 0 || slices.Contains(types, k.Service) || slices.Contains(types, k.Service+":"+k.Type)
}

// passes tells whether each filter has its key, with one of its values where it
// has values.
func passes(filters []aws.TagFilter, tags domain.Tags) bool {
	for _, f := range filters {
		v, ok := tags[*f.Key]
		if !ok || len(f.Values) > 0 && !slices.Contains(f.Values, v) {
			return false
		}
	}
	return true
}

func listed(arns []string, c *wire.Call, r service.Tagging) bool {
	if len(arns) == 0 {
		return true
	}
	return slices.ContainsFunc(arns, func(arn string) bool {
		_, key, ok := domain.TagTarget(c.Identity.Account, arn)
		return ok && key == r.Key
	})
}

func tagList(tags domain.Tags) []aws.Tag {
	var out []aws.Tag
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, aws.Tag{Key: new(k), Value: new(tags[k])})
	}
	return out
}

func everything(domain.TagKind) bool { return true }

func (a api) getTagKeys(ctx context.Context, c *wire.Call, in *aws.GetTagKeysInput) (*aws.GetTagKeysOutput, error) {
	keys := func(t domain.Tags) []string { return slices.Collect(maps.Keys(t)) }
	page, next, err := a.words(ctx, c, in.PaginationToken, keys)
	if err != nil {
		return nil, err
	}
	return &aws.GetTagKeysOutput{TagKeys: page, PaginationToken: tokenOf(next)}, nil
}

func (a api) getTagValues(ctx context.Context, c *wire.Call, in *aws.GetTagValuesInput) (*aws.GetTagValuesOutput, error) {
	values := func(t domain.Tags) []string {
		if v, ok := t[convert.Val(in.Key)]; ok {
			return []string{v}
		}
		return nil
	}
	page, next, err := a.words(ctx, c, in.PaginationToken, values)
	if err != nil {
		return nil, err
	}
	return &aws.GetTagValuesOutput{TagValues: page, PaginationToken: tokenOf(next)}, nil
}

// words is a page of the distinct words that all tags have.
func (a api) words(ctx context.Context, c *wire.Call, token *string, of func(domain.Tags) []string) (page []string, next string, err error) {
	after, err := position(token)
	if err != nil {
		return nil, "", err
	}
	found, err := a.svc.Taggings(ctx, convert.Caller(c), everything)
	if err != nil {
		return nil, "", err
	}
	set := map[string]bool{}
	for _, r := range found {
		for _, w := range of(r.Tags) {
			set[w] = true
		}
	}
	all := slices.Sorted(maps.Keys(set))
	if convert.Val(token) == "" && len(all) > 0 && all[0] == "" {
		// The empty value sorts before every position.
		page, next = cut(all[1:], "")
		return append([]string{""}, page...), next, nil
	}
	page, next = cut(all, after)
	return page, next, nil
}

func (a api) tagResources(ctx context.Context, c *wire.Call, in *aws.TagResourcesInput) (*aws.TagResourcesOutput, error) {
	failed := a.each(c, in.ResourceARNList, func(who domain.Caller, arn string) error {
		return a.svc.TagResource(ctx, who, arn, in.Tags)
	})
	return &aws.TagResourcesOutput{FailedResourcesMap: failed}, nil
}

func (a api) untagResources(ctx context.Context, c *wire.Call, in *aws.UntagResourcesInput) (*aws.UntagResourcesOutput, error) {
	failed := a.each(c, in.ResourceARNList, func(who domain.Caller, arn string) error {
		return a.svc.UntagResource(ctx, who, arn, in.TagKeys)
	})
	return &aws.UntagResourcesOutput{FailedResourcesMap: failed}, nil
}

// each does something to every resource; what fails with one stops no other.
func (a api) each(c *wire.Call, arns []string, do func(who domain.Caller, arn string) error) map[string]aws.FailureInfo {
	failed := map[string]aws.FailureInfo{}
	for _, arn := range arns {
		err := do(convert.Caller(c), arn)
		if err == nil {
			continue
		}
		info := aws.FailureInfo{StatusCode: new(int64(400)), ErrorCode: new("InvalidParameterException"), ErrorMessage: new(fault.Public(err))}
		switch fault.KindOf(err) {
		case fault.Internal, fault.Unavailable, fault.Busy:
			info.StatusCode, info.ErrorCode = new(int64(500)), new("InternalServiceException")
		}
		failed[arn] = info
	}
	return failed
}
