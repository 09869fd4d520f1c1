package tagging_test

import (
	"context"
	"fmt"
	"testing"

	"slipway/api/tagging"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	"slipway/store"
	"slipway/store/sqlite"
	"slipway/wire"
	aws "slipway/wire/tagging"
)

var me = domain.Caller{Account: "123456789012", Region: "us-east-1"}

func newService(t *testing.T) *service.Service {
	t.Helper()
	st, err := sqlite.Open(t.TempDir(), sqlite.Options{Clock: domain.WallClock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	s := &service.Service{Store: st, IDs: domain.RandomIDs}
	err = st.Update(context.Background(), func(tx store.Tx) error {
		img := &domain.Image{Tags: domain.Tags{"env": "prod", "empty": ""}}
		img.Key = me.Key(domain.KindImage, "img")
		ami := &domain.AMI{Label: "a", Tags: domain.Tags{"env": "test"}}
		ami.Key = me.Key(domain.KindAMI, "ami-1")
		bare := &domain.Snapshot{}
		bare.Key = me.Key(domain.KindSnapshot, "snap-1")
		other := &domain.Image{Tags: domain.Tags{"env": "secret"}}
		other.Key = domain.Key{Scope: domain.Scope{Account: "210987654321", Region: me.Region}, Kind: domain.KindImage, Name: "theirs"}
		for _, n := range []domain.Noun{img, ami, bare, other} {
			if err := tx.Insert(n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// call sends an operation to its row.
func call[O any](t *testing.T, s *service.Service, op *wire.Op, in any) (*O, error) {
	t.Helper()
	for _, r := range tagging.Rows(s) {
		if r.Op == op {
			out, err := r.Handle(context.Background(), &wire.Call{Op: op, Input: in, Region: me.Region, Identity: wire.Identity{Account: me.Account}})
			if err != nil {
				return nil, err
			}
			return out.(*O), nil
		}
	}
	t.Fatal("no row for", op.Name)
	return nil, nil
}

const (
	imageARN = "arn:aws:appstream:us-east-1:123456789012:image/img"
	amiARN   = "arn:aws:ec2:us-east-1:123456789012:image/ami-1"
)

func TestGetResources(t *testing.T) {
	s := newService(t)
	filter := func(key string, values ...string) []aws.TagFilter {
		return []aws.TagFilter{{Key: new(key), Values: values}}
	}
	for _, c := range []struct {
		name string
		in   aws.GetResourcesInput
		want []string
	}{
		{"everything with tags", aws.GetResourcesInput{}, []string{imageARN, amiARN}},
		{"a key", aws.GetResourcesInput{TagFilters: filter("env")}, []string{imageARN, amiARN}},
		{"one of two values", aws.GetResourcesInput{TagFilters: filter("env", "prod", "none")}, []string{imageARN}},
		{"two keys", aws.GetResourcesInput{TagFilters: append(filter("env"), filter("empty", "")...)}, []string{imageARN}},
		{"a service", aws.GetResourcesInput{ResourceTypeFilters: []string{"ec2"}}, []string{amiARN}},
		{"a type", aws.GetResourcesInput{ResourceTypeFilters: []string{"ec2:snapshot", "appstream:image"}}, []string{imageARN}},
		{"ARNs", aws.GetResourcesInput{ResourceARNList: []string{"arn:aws:ec2:us-east-1::image/ami-1", "arn:aws:ec2:us-east-1::image/ami-2"}}, []string{amiARN}},
	} {
		out, err := call[aws.GetResourcesOutput](t, s, aws.OpGetResources, &c.in)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var got []string
		for _, m := range out.ResourceTagMappingList {
			got = append(got, *m.ResourceARN)
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) || *out.PaginationToken != "" {
			t.Errorf("%s: %v %q, want %v", c.name, got, *out.PaginationToken, c.want)
		}
	}
	for name, in := range map[string]aws.GetResourcesInput{
		"page of nothing":   {ResourcesPerPage: new(int64(0))},
		"both sizes":        {ResourcesPerPage: new(int64(1)), TagsPerPage: new(int64(100))},
		"ARNs and a filter": {ResourceARNList: []string{amiARN}, ResourceTypeFilters: []string{"ec2"}},
		"a wrong token":     {PaginationToken: new("?")},
		"values, no key":    {TagFilters: []aws.TagFilter{{Values: []string{"x"}}}},
	} {
		if _, err := call[aws.GetResourcesOutput](t, s, aws.OpGetResources, &in); !fault.Is(err, fault.BadValue) && !fault.Is(err, fault.BadCombination) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPagesJoin(t *testing.T) {
	s := newService(t)
	first, err := call[aws.GetResourcesOutput](t, s, aws.OpGetResources, &aws.GetResourcesInput{ResourcesPerPage: new(int64(1))})
	if err != nil || len(first.ResourceTagMappingList) != 1 || *first.PaginationToken == "" {
		t.Fatal(first, err)
	}
	last, err := call[aws.GetResourcesOutput](t, s, aws.OpGetResources, &aws.GetResourcesInput{ResourcesPerPage: new(int64(1)), PaginationToken: first.PaginationToken})
	if err != nil || len(last.ResourceTagMappingList) != 1 || *last.PaginationToken != "" || *last.ResourceTagMappingList[0].ResourceARN != amiARN {
		t.Fatal(last, err)
	}
	many := map[string]string{}
	for i := range 48 {
		many[fmt.Sprintf("k%02d", i)] = fmt.Sprint(i)
	}
	if out, err := call[aws.TagResourcesOutput](t, s, aws.OpTagResources, &aws.TagResourcesInput{ResourceARNList: []string{imageARN}, Tags: many}); err != nil || len(out.FailedResourcesMap) != 0 {
		t.Fatal(out, err)
	}
	keys, err := call[aws.GetTagKeysOutput](t, s, aws.OpGetTagKeys, &aws.GetTagKeysInput{})
	if err != nil || len(keys.TagKeys) != 50 || *keys.PaginationToken != "" {
		t.Errorf("keys: %d %v", len(keys.TagKeys), err)
	}
	values, err := call[aws.GetTagValuesOutput](t, s, aws.OpGetTagValues, &aws.GetTagValuesInput{Key: new("env")})
	if err != nil || fmt.Sprint(values.TagValues) != "[prod test]" {
		t.Errorf("values: %v %v", values, err)
	}
	values, err = call[aws.GetTagValuesOutput](t, s, aws.OpGetTagValues, &aws.GetTagValuesInput{Key: new("empty")})
	if err != nil || len(values.TagValues) != 1 || values.TagValues[0] != "" {
		t.Errorf("the empty value: %v %v", values, err)
	}
}

func TestPartialFailures(t *testing.T) {
	s := newService(t)
	theirs := "arn:aws:appstream:us-east-1:210987654321:image/theirs"
	elsewhere := "arn:aws:ec2:eu-west-1:123456789012:image/ami-1"
	out, err := call[aws.TagResourcesOutput](t, s, aws.OpTagResources, &aws.TagResourcesInput{
		ResourceARNList: []string{theirs, amiARN, elsewhere, "nonsense"}, Tags: map[string]string{"k": "v"},
	})
	if err != nil || len(out.FailedResourcesMap) != 3 {
		t.Fatal(out, err)
	}
	for _, arn := range []string{theirs, elsewhere, "nonsense"} {
		if f, ok := out.FailedResourcesMap[arn]; !ok || *f.ErrorCode != "InvalidParameterException" || *f.StatusCode != 400 {
			t.Errorf("%s: %+v", arn, f)
		}
	}
	if out, err := call[aws.TagResourcesOutput](t, s, aws.OpTagResources, &aws.TagResourcesInput{ResourceARNList: []string{amiARN}, Tags: map[string]string{"aws:k": "v"}}); err != nil || len(out.FailedResourcesMap) != 1 {
		t.Errorf("a reserved key: %v %v", out, err)
	}
	un, err := call[aws.UntagResourcesOutput](t, s, aws.OpUntagResources, &aws.UntagResourcesInput{ResourceARNList: []string{amiARN, theirs}, TagKeys: []string{"k", "env"}})
	if err != nil || len(un.FailedResourcesMap) != 1 {
		t.Errorf("untag: %v %v", un, err)
	}
	got, err := call[aws.GetResourcesOutput](t, s, aws.OpGetResources, &aws.GetResourcesInput{})
	if err != nil || len(got.ResourceTagMappingList) != 1 {
		t.Errorf("what is left: %v %v", got, err)
	}
}
