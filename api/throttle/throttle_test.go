package throttle

import (
	"context"
	"errors"
	"testing"

	"slipway/api/convert"
	"slipway/domain"
	"slipway/wire"
	"slipway/wire/appstream"
	"slipway/wire/ec2"
)

func row[I, O any](op *wire.Op, _ *I, _ *O) convert.Row {
	return convert.On(op, func(context.Context, *wire.Call, *I) (*O, error) { return nil, nil },
		func(domain.Caller, *I) []string { return nil })
}

func TestBucketsArePerAccountAndClass(t *testing.T) {
	l := New(Limits{Reads: 0.001, ReadsBurst: 2, Writes: 0.001, WritesBurst: 1})
	read := l.Over(row(appstream.OpDescribeImages, &appstream.DescribeImagesRequest{}, &appstream.DescribeImagesResult{}))
	write := l.Over(row(appstream.OpCreateFleet, &appstream.CreateFleetRequest{}, &appstream.CreateFleetResult{}))
	amis := l.Over(row(ec2.OpDescribeImages, &ec2.DescribeImagesRequest{}, &ec2.DescribeImagesResult{}))
	region := "r"
	try := func(h wire.Handler, in any, account, kind, source string) string {
		_, err := h(context.Background(), &wire.Call{Input: in, Region: region, Source: source, Identity: wire.Identity{Account: account, Kind: kind}})
		var ex *wire.Exception
		if errors.As(err, &ex) {
			return ex.Code
		}
		return ""
	}
	ri, wi, ei := &appstream.DescribeImagesRequest{}, &appstream.CreateFleetRequest{}, &ec2.DescribeImagesRequest{}
	for i, want := range []string{"", "", "ThrottlingException"} {
		if got := try(read, ri, "a", "user", "127.0.0.1"); got != want {
			t.Errorf("read %d: %q", i, got)
		}
	}
	region = "s"
	if got := try(read, ri, "a", "user", "127.0.0.1"); got == "" {
		t.Error("another Region is a full bucket")
	}
	if got := try(read, ri, "b", "user", "127.0.0.1"); got != "" {
		t.Errorf("another account: %q", got)
	}
	for i, want := range []string{"", "RequestLimitExceededException"} {
		if got := try(write, wi, "a", "user", "127.0.0.1"); got != want {
			t.Errorf("write %d: %q", i, got)
		}
	}
	for i, want := range []string{"", "", "RequestLimitExceeded"} {
		if got := try(amis, ei, "a", "user", "10.0.0.1"); got != want {
			t.Errorf("EC2 %d: %q", i, got)
		}
	}
	for range 10 {
		if got := try(read, ri, "a", "root", "127.0.0.1"); got != "" {
			t.Fatalf("the administrator on loopback: %q", got)
		}
	}
	if got := try(read, ri, "a", "root", "10.0.0.1"); got == "" {
		t.Error("the administrator from elsewhere is not exempt")
	}
}
