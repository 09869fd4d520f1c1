package wire_test

import (
	"reflect"
	"testing"

	"slipway/wire"
	"slipway/wire/appstream"
	"slipway/wire/awsjson"
	"slipway/wire/rpccbor"
	"slipway/wire/shape"
	"slipway/wire/wiretest"
)

// FuzzInput feeds bytes to the inputs of every operation: whatever a codec
// accepts must validate without a panic, bind, and come back unchanged.
func FuzzInput(f *testing.F) {
	codecs := []wire.Codec{awsjson.Codec{}, rpccbor.Codec{}}
	for i, op := range appstream.Service.Ops {
		for which, c := range codecs {
			probe := &wire.Op{Service: op.Service, Name: op.Name, Output: op.Input}
			resp, err := c.Encode(&wire.Request{Service: op.Service, Op: probe}, wiretest.Tree(op.Input))
			if err != nil {
				f.Fatal(err)
			}
			f.Add(uint8(i), which == 1, resp.Body)
		}
	}
	f.Fuzz(func(t *testing.T, n uint8, cbor bool, body []byte) {
		op, c := appstream.Service.Ops[int(n)%len(appstream.Service.Ops)], codecs[0]
		if cbor {
			c = codecs[1]
		}
		tree, err := c.Decode(&wire.Request{Service: op.Service, Op: op, Body: body})
		if err != nil {
			return
		}
		if err := shape.Validate(tree, op.Input); err != nil {
			_ = err.Error()
		}
		in := op.NewInput()
		if err := shape.Bind(tree, op.Input, in); err != nil {
			t.Fatalf("%s: decoded but not bound: %v", op.Name, err)
		}
		back, err := shape.Tree(in, op.Input)
		if err != nil || !reflect.DeepEqual(back, tree) {
			t.Fatalf("%s: %v became %v (%v)", op.Name, tree, back, err)
		}
	})
}
