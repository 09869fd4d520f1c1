package wire_test

import (
	"errors"
	"net/url"
	"reflect"
	"runtime/metrics"
	"testing"
	"time"

	"slipway/wire"
	"slipway/wire/appstream"
	"slipway/wire/awsjson"
	"slipway/wire/ec2"
	"slipway/wire/iam"
	"slipway/wire/query"
	"slipway/wire/rpccbor"
	"slipway/wire/shape"
	"slipway/wire/sts"
	"slipway/wire/wiretest"
	"slipway/wire/workspaces"
)

func operations(services ...*wire.Service) []*wire.Op {
	var all []*wire.Op
	for _, s := range services {
		all = append(all, s.Ops...)
	}
	return all
}

// accepts feeds a request to an operation: whatever the codec accepts must
// validate without a panic, bind, and come back unchanged; what it does not is
// refused as the caller's mistake. Neither may cost more than its size.
func accepts(t *testing.T, c wire.Codec, r *wire.Request, size int) {
	t.Helper()
	before, began := allocated(), time.Now()
	tree, err := c.Decode(r)
	if err != nil {
		var ex *wire.Exception
		if !errors.As(err, &ex) || ex.HTTPStatus(r.Service) != 400 {
			t.Fatalf("%s: %v", r.Op.Name, err)
		}
	} else {
		if err := shape.Validate(tree, r.Op.Input); err != nil && len(err.Error()) > 1<<20 {
			t.Fatalf("%s: a refusal of %d bytes", r.Op.Name, len(err.Error()))
		}
		in := r.Op.NewInput()
		if err := shape.Bind(tree, r.Op.Input, in); err != nil {
			t.Fatalf("%s: decoded but not bound: %v", r.Op.Name, err)
		}
		back, err := shape.Tree(in, r.Op.Input)
		if err != nil || !reflect.DeepEqual(back, tree) {
			t.Fatalf("%s: %v became %v (%v)", r.Op.Name, tree, back, err)
		}
	}
	// A byte becomes a map of a few hundred bytes at worst; what validation
	// says about it is bounded.
	if n := allocated() - before; n > 4<<20+uint64(size)*2000 {
		t.Fatalf("%s: %d bytes made us allocate %d", r.Op.Name, size, n)
	}
	if d := time.Since(began); d > 10*time.Second {
		t.Fatalf("%s: %d bytes kept us busy for %v", r.Op.Name, size, d)
	}
}

// allocated is how much was ever allocated; asking is cheap.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

func fuzzDocuments(f *testing.F, c wire.Codec, ops []*wire.Op) {
	for i, op := range ops {
		probe := &wire.Op{Service: op.Service, Name: op.Name, Output: op.Input}
		resp, err := c.Encode(&wire.Request{Service: op.Service, Op: probe}, wiretest.Variant(op.Input, i))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), resp.Body)
	}
	f.Fuzz(func(t *testing.T, n uint8, body []byte) {
		op := ops[int(n)%len(ops)]
		accepts(t, c, &wire.Request{Service: op.Service, Op: op, Body: body}, len(body))
	})
}

func FuzzJSON(f *testing.F) {
	fuzzDocuments(f, awsjson.Codec{}, operations(appstream.Service, workspaces.Service))
}

func FuzzCBOR(f *testing.F) { fuzzDocuments(f, rpccbor.Codec{}, appstream.Service.Ops) }

func FuzzQuery(f *testing.F) {
	ops := operations(ec2.Service, iam.Service, sts.Service)
	f.Add(uint8(0), "Filter.1.Name=a&Filter.1.Value.1=b&Filter.1=x&Filter=")
	f.Add(uint8(9), "BlockDeviceMapping.1.Ebs.VolumeSize=8&BlockDeviceMapping.2=&Tag.999999999.Key=x&.=&..1=")
	f.Fuzz(func(t *testing.T, n uint8, form string) {
		values, err := url.ParseQuery(form)
		if err != nil {
			return
		}
		op, c := ops[int(n)%len(ops)], query.AWS()
		if op.Service.Speaks(wire.EC2Query) {
			c = query.EC2()
		}
		accepts(t, c, &wire.Request{Service: op.Service, Op: op, Form: values}, len(form))
	})
}
