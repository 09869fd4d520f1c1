package wire_test

import (
	"reflect"
	"testing"

	"slipway/wire"
	"slipway/wire/appstream"
	"slipway/wire/ebs"
	"slipway/wire/ec2"
	"slipway/wire/iam"
	"slipway/wire/imagebuilder"
	"slipway/wire/shape"
	"slipway/wire/sts"
	"slipway/wire/tagging"
	"slipway/wire/wiretest"
	"slipway/wire/workspaces"
)

var services = []*wire.Service{appstream.Service, workspaces.Service, ec2.Service, ebs.Service, iam.Service,
	sts.Service, imagebuilder.Service, tagging.Service}

func TestEveryPatternCompiles(t *testing.T) {
	n := 0
	for _, svc := range services {
		for _, s := range svc.Shapes {
			if s.Pattern == "" {
				continue
			}
			n++
			if _, err := shape.Matches(s.Pattern, "x"); err != nil {
				t.Errorf("%s.%s: %v", svc.Name, s.Name, err)
			}
		}
	}
	t.Logf("%d patterns", n)
}

func TestTablesAreWhole(t *testing.T) {
	for _, svc := range services {
		for i, op := range svc.Ops {
			if i > 0 && svc.Ops[i-1].Name >= op.Name {
				t.Errorf("%s: %s is out of order", svc.Name, op.Name)
			}
			if op.Service != svc || svc.Op(op.Name) != op || op.Input == nil || op.Output == nil {
				t.Errorf("%s: %s is incomplete", svc.Name, op.Name)
			}
			for _, e := range op.Errors {
				if s := svc.Shape(e); s == nil || !s.IsError() {
					t.Errorf("%s: %s raises %s, which is no exception", svc.Name, op.Name, e)
				}
			}
		}
		for _, s := range svc.Shapes {
			if svc.Shape(s.Name) != s {
				t.Errorf("%s: %s cannot be found", svc.Name, s.Name)
			}
		}
		if svc.Op("Nonsense") != nil || svc.Shape("Nonsense") != nil {
			t.Errorf("%s: finds nonsense", svc.Name)
		}
		t.Logf("%s: %d operations, %d shapes", svc.Name, len(svc.Ops), len(svc.Shapes))
	}
}

// Every struct has a field for every member, of a type that takes the tree.
func TestEveryStructFitsItsShape(t *testing.T) {
	for _, svc := range services {
		for _, op := range svc.Ops {
			for _, x := range []struct {
				s   *shape.Shape
				dst any
			}{{op.Input, op.NewInput()}, {op.Output, op.NewOutput()}} {
				want := wiretest.Tree(x.s)
				if err := shape.Bind(want, x.s, x.dst); err != nil {
					t.Fatalf("%s.%s: %v", svc.Name, x.s.Name, err)
				}
				got, err := shape.Tree(x.dst, x.s)
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Fatalf("%s.%s: there and back differ (%v)", svc.Name, x.s.Name, err)
				}
			}
		}
	}
}

// What the newest published model says and older ones do not.
func TestNewestForms(t *testing.T) {
	in := appstream.OpCreateImportedImage.Input
	if in.Member("SourceAmiId").Required || in.Member("IamRoleArn").Required || in.Member("WorkspaceImageId") == nil {
		t.Error("CreateImportedImage takes an AMI or a WorkSpaces image")
	}
	if !appstream.OpCreateImportedImage.Allows("InvalidParameterCombinationException") {
		t.Error("CreateImportedImage may refuse combinations")
	}
	if s := appstream.Service.Shape("ResourceNotFoundException"); s.Error.Status != 404 {
		t.Error("ResourceNotFoundException is a 404")
	}
}
