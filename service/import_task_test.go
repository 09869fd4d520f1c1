package service

import (
	"testing"

	"slipway/domain"
	"slipway/fault"
)

// Where a disk may come from, and where not.
func TestSourcesOfImports(t *testing.T) {
	both := &Service{Config: Config{Transfers: Transfers{Bucket: true, Dir: "/srv/images"}}}
	none := &Service{}
	for _, c := range []struct {
		s    *Service
		src  domain.DiskSource
		kind fault.Kind // Internal: fine
		want domain.DiskSource
	}{
		{both, domain.DiskSource{URL: "s3://images/a/b c.vmdk"}, fault.Internal, domain.DiskSource{Bucket: "images", Key: "a/b c.vmdk"}},
		{both, domain.DiskSource{Bucket: "images", Key: "k"}, fault.Internal, domain.DiskSource{Bucket: "images", Key: "k"}},
		{both, domain.DiskSource{URL: "file:///a.raw"}, fault.Internal, domain.DiskSource{Path: "a.raw"}},
		{both, domain.DiskSource{URL: "file:///srv/images/x/a.raw"}, fault.Internal, domain.DiskSource{Path: "x/a.raw"}},
		{both, domain.DiskSource{URL: "file:///../../etc/passwd"}, fault.Internal, domain.DiskSource{Path: "etc/passwd"}}, // below the directory
		{both, domain.DiskSource{URL: "file:///srv/images/../../etc/passwd"}, fault.Internal, domain.DiskSource{Path: "etc/passwd"}},
		{both, domain.DiskSource{URL: "file:///"}, fault.BadValue, domain.DiskSource{}},
		{both, domain.DiskSource{URL: "file://host/a.raw"}, fault.BadValue, domain.DiskSource{}},
		{both, domain.DiskSource{URL: "https://images.s3.amazonaws.com/a.raw"}, fault.BadValue, domain.DiskSource{}},
		{both, domain.DiskSource{URL: "http://169.254.169.254/"}, fault.BadValue, domain.DiskSource{}},
		{both, domain.DiskSource{Bucket: "images", Key: "../other/k"}, fault.BadValue, domain.DiskSource{}},
		{both, domain.DiskSource{Bucket: "images", Key: ""}, fault.BadValue, domain.DiskSource{}},
		{both, domain.DiskSource{Bucket: "../x", Key: "k"}, fault.BadValue, domain.DiskSource{}},
		{both, domain.DiskSource{Bucket: "images", Key: "k", URL: "file:///a"}, fault.BadCombination, domain.DiskSource{}},
		{both, domain.DiskSource{}, fault.BadCombination, domain.DiskSource{}},
		{none, domain.DiskSource{URL: "s3://images/k"}, fault.Unsupported, domain.DiskSource{}},
		{none, domain.DiskSource{URL: "file:///a.raw"}, fault.Unsupported, domain.DiskSource{}},
	} {
		got := c.src
		err := c.s.checkSource(&got)
		if c.kind != fault.Internal {
			if !fault.Is(err, c.kind) {
				t.Errorf("%+v: %v, want %s", c.src, err, c.kind)
			}
			continue
		}
		if err != nil || got.Bucket != c.want.Bucket || got.Key != c.want.Key || got.Path != c.want.Path {
			t.Errorf("%+v: %+v %v", c.src, got, err)
		}
	}
}
