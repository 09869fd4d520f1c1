package wire_test

import (
	"reflect"
	"strings"
	"testing"

	"slipway/wire"
	"slipway/wire/appstream"
	"slipway/wire/awsjson"
	"slipway/wire/rpccbor"
	"slipway/wire/shape"
	"slipway/wire/wiretest"
	"slipway/wire/workspaces"
)

// fromBytes reads a document back with the decoder a request would meet: an
// Op whose input is the shape in question.
func fromBytes(t *testing.T, c wire.Codec, svc *wire.Service, s *shape.Shape, body []byte) map[string]any {
	t.Helper()
	tree, err := c.Decode(&wire.Request{Body: body, Service: svc, Op: &wire.Op{Service: svc, Name: "Echo", Input: s}})
	if err != nil {
		t.Fatalf("%s: %v", s.Name, err)
	}
	return tree
}

// there and back: tree -> struct -> tree -> bytes -> tree -> struct.
func roundTrip(t *testing.T, c wire.Codec, svc *wire.Service, s *shape.Shape, fresh func() any) {
	t.Helper()
	want := wiretest.Tree(s)
	first := fresh()
	if err := shape.Bind(want, s, first); err != nil {
		t.Fatalf("%s: %v", s.Name, err)
	}
	if field := unset(reflect.ValueOf(first).Elem()); field != "" {
		t.Fatalf("%s: Bind left %s unset", s.Name, field)
	}
	tree, err := shape.Tree(first, s)
	if err != nil {
		t.Fatalf("%s: %v", s.Name, err)
	}
	if !reflect.DeepEqual(tree, want) {
		t.Fatalf("%s: the tree of the struct differs:\n%v\n%v", s.Name, tree, want)
	}
	resp, err := c.Encode(&wire.Request{Service: svc, Op: &wire.Op{Service: svc, Name: "Echo", Output: s}}, tree)
	if err != nil {
		t.Fatalf("%s: %v", s.Name, err)
	}
	second := fresh()
	if err := shape.Bind(fromBytes(t, c, svc, s, resp.Body), s, second); err != nil {
		t.Fatalf("%s: %v", s.Name, err)
	}
	if !reflect.DeepEqual(first, second) {
		t.Fatalf("%s: %s changed it:\n%s", s.Name, c.Protocol(), resp.Body)
	}
}

// unset names a nil or empty field anywhere below v.
func unset(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return "it"
		}
		return unset(v.Elem())
	case reflect.Struct:
		if v.Type().PkgPath() == "time" {
			return ""
		}
		for i := range v.NumField() {
			if f := unset(v.Field(i)); f != "" {
				return v.Type().Field(i).Name + "." + f
			}
		}
	case reflect.Slice, reflect.Map:
		if v.Len() == 0 {
			return "it"
		}
	}
	return ""
}

func TestEveryOperationSurvivesItsProtocols(t *testing.T) {
	for _, c := range []struct {
		svc   *wire.Service
		codec wire.Codec
		ops   int
	}{
		{appstream.Service, awsjson.Codec{}, 89},
		{appstream.Service, rpccbor.Codec{}, 89},
		{workspaces.Service, awsjson.Codec{}, 91},
	} {
		for _, op := range c.svc.Ops {
			roundTrip(t, c.codec, c.svc, op.Input, op.NewInput)
			roundTrip(t, c.codec, c.svc, op.Output, op.NewOutput)
			errorsSurvive(t, c.codec, op)
		}
		t.Logf("%s over %s: %d operations, inputs, outputs and errors", c.svc.Name, c.codec.Protocol(), len(c.svc.Ops))
		if len(c.svc.Ops) != c.ops {
			t.Errorf("%s has %d operations, not %d", c.svc.Name, len(c.svc.Ops), c.ops)
		}
	}
}

func errorsSurvive(t *testing.T, c wire.Codec, op *wire.Op) {
	t.Helper()
	for _, name := range op.Errors {
		sh := op.Service.Shape(name)
		fields := wiretest.Tree(sh)
		want := wiretest.Tree(sh)
		if sh.Member(sh.MessageMember()) != nil {
			want[sh.MessageMember()] = "It did not work."
		}
		ex := &wire.Exception{Code: name, Message: "It did not work.", Fields: fields}
		resp := c.EncodeError(&wire.Request{Service: op.Service, Op: op}, ex)
		if got := fromBytes(t, c, op.Service, sh, resp.Body); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %s became %v", op.Name, name, got)
		}
		if !strings.Contains(string(resp.Body), "It did not work.") {
			t.Errorf("%s: %s lost its text: %q", op.Name, name, resp.Body)
		}
		typ := `"__type":"` + name + `"`
		if c.Protocol() == wire.RPCv2CBOR {
			typ = op.Service.ShapePrefix + "#" + name
		}
		if !strings.Contains(string(resp.Body), typ) {
			t.Errorf("%s: %s is not named in %q", op.Name, name, resp.Body)
		}
		status := 400
		if c.Protocol() == wire.RPCv2CBOR && sh.Error.Status != 0 {
			status = sh.Error.Status
		}
		if resp.Status != status {
			t.Errorf("%s: %s has status %d, not %d", op.Name, name, resp.Status, status)
		}
	}
}

func TestUnsetMembersAreOmitted(t *testing.T) {
	for _, op := range append(append([]*wire.Op{}, appstream.Service.Ops...), workspaces.Service.Ops...) {
		tree, err := shape.Tree(op.NewOutput(), op.Output)
		if err != nil || len(tree) != 0 {
			t.Fatalf("%s: %v, %v", op.Name, tree, err)
		}
		req := &wire.Request{Service: op.Service, Op: op}
		if resp, err := (awsjson.Codec{}).Encode(req, tree); err != nil || string(resp.Body) != "{}" {
			t.Errorf("%s: JSON %q, %v", op.Name, resp.Body, err)
		}
		if resp, err := (rpccbor.Codec{}).Encode(req, tree); err != nil || string(resp.Body) != "\xa0" {
			t.Errorf("%s: CBOR %q, %v", op.Name, resp.Body, err)
		}
	}
}
