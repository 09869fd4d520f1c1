package awsjson

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"slipway/wire"
	"slipway/wire/shape"
)

func TestParseIsStrict(t *testing.T) {
	for _, bad := range []string{"", " ", "{", "[1", `{"a"}`, `{"a":1,}`, "[1,]", "[1 2]", `{"a":1}{}`, `{"a":1} x`,
		`{"a":1,"a":2}`, `{"x":{"a":1,"\u0061":2}}`, "nul", "01", "+1", "1.", "'a'", "{a:1}", "\"\xff\"", "\"\n\"", "NaN",
		strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1), "[" + strings.Repeat("0,", maxNodes) + "0]"} {
		if v, err := Parse([]byte(bad)); err == nil {
			t.Errorf("%.40q is read as %v", bad, v)
		}
	}
	got, err := Parse([]byte(" {\"a\": [1, 2.5e3, \"\\u00e9\", null, true], \"b\": {}}\n"))
	want := map[string]any{"a": []any{json.Number("1"), json.Number("2.5e3"), "é", nil, true}, "b": map[string]any{}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestLeaves(t *testing.T) {
	of := func(k shape.Kind) *shape.Shape { return &shape.Shape{Name: k.String(), Kind: k} }
	n := func(s string) json.Number { return json.Number(s) }
	for _, c := range []struct {
		kind shape.Kind
		raw  any
		want any // nil: an error
	}{
		{shape.String, "x", "x"},
		{shape.String, n("1"), nil},
		{shape.Boolean, true, true},
		{shape.Boolean, "true", nil},
		{shape.Integer, n("2147483647"), int64(math.MaxInt32)},
		{shape.Integer, n("2147483648"), nil},
		{shape.Integer, n("5.0"), int64(5)},
		{shape.Integer, n("1e2"), int64(100)},
		{shape.Integer, n("5.5"), nil},
		{shape.Integer, n("1e400"), nil},
		{shape.Integer, "5", nil},
		{shape.Integer, true, nil},
		{shape.Long, n("9223372036854775807"), int64(math.MaxInt64)},
		{shape.Long, n("9223372036854775808"), nil},
		{shape.Double, n("1.5"), 1.5},
		{shape.Double, n("1e999"), nil},
		{shape.Double, "Infinity", math.Inf(1)},
		{shape.Double, "1.5", nil},
		{shape.Blob, "AP8=", []byte{0, 255}},
		{shape.Blob, "AP8", nil},
		{shape.Blob, n("1"), nil},
		{shape.Timestamp, n("1700000000"), time.Unix(1700000000, 0).UTC()},
		{shape.Timestamp, n("1700000000.123456789"), time.UnixMicro(1700000000123456).UTC()},
		{shape.Timestamp, n("1.7000000001E9"), time.UnixMilli(1700000000100).UTC()},
		{shape.Timestamp, n("-1.5"), time.UnixMilli(-1500).UTC()},
		{shape.Timestamp, n("1e30"), nil},
		{shape.Timestamp, n("1e999999999"), nil},
		{shape.Timestamp, n("1e-999999999"), nil},
		{shape.Timestamp, "2023-11-14T22:13:20Z", nil},
	} {
		got, err := Leaf(of(c.kind), c.raw)
		if (err == nil) != (c.want != nil) || (err == nil && !reflect.DeepEqual(got, c.want)) {
			t.Errorf("%s %v: %v, %v", c.kind, c.raw, got, err)
		}
		var te *shape.TypeError
		if err != nil && !errors.As(err, &te) {
			t.Errorf("%s %v: %T", c.kind, c.raw, err)
		}
	}
}

func TestEpoch(t *testing.T) {
	for ms, want := range map[int64]string{0: "0", 1: "0.001", 1500: "1.5", -1: "-0.001", -1500: "-1.5", 1700000000123: "1700000000.123",
		1700000000120: "1700000000.12", 1700000000000: "1700000000"} {
		if got := Epoch(time.UnixMilli(ms)); got != want {
			t.Errorf("%d: %s, not %s", ms, got, want)
		}
	}
}

func TestAppendString(t *testing.T) {
	for _, s := range []string{"", "a", `"\/`, "\x00\x1f\x7f\n\t", "é€😀\u2028", "<&>"} {
		var back string
		if err := json.Unmarshal(AppendString(nil, s), &back); err != nil || back != s {
			t.Errorf("%q: %q, %v", s, back, err)
		}
	}
	if got := string(AppendString(nil, "a\xffb")); got != "\"a\ufffdb\"" {
		t.Errorf("%q", got)
	}
}

func TestErrorsOutsideTheModel(t *testing.T) {
	c := Codec{}
	for _, x := range []struct {
		ex     wire.Exception
		status int
		body   string
	}{
		{wire.Exception{Code: "ValidationException", Message: `a "b"`}, 400, `{"__type":"ValidationException","message":"a \"b\""}`},
		{wire.Exception{Code: "UnknownOperationException"}, 400, `{"__type":"UnknownOperationException"}`},
		{wire.Exception{Code: "InternalFailure", Message: "x"}, 500, `{"__type":"InternalFailure","message":"x"}`},
		{wire.Exception{Code: "NotImplementedException", Message: "x"}, 501, `{"__type":"NotImplementedException","message":"x"}`},
		{wire.Exception{Code: "X", Message: "x", Status: 413}, 413, `{"__type":"X","message":"x"}`},
	} {
		resp := c.EncodeError(&wire.Request{}, &x.ex)
		if resp.Status != x.status || string(resp.Body) != x.body {
			t.Errorf("%d %s", resp.Status, resp.Body)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`{}`, `{"Name":"a","Tags":{"k":"v"},"N":[1,-2.5e3,true,null]}`, `{"a":{"a":[[]]}}`, `"\ud83d\ude00"`, `[1 2]`,
		`{"a":1,"a":2}`, `1e5`, ` [ ] `} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := Parse(data)
		if err != nil {
			stricter := strings.Contains(err.Error(), "repeated") || strings.Contains(err.Error(), "more than") || strings.Contains(err.Error(), "UTF-8")
			if json.Valid(data) && !stricter {
				t.Fatalf("%q is JSON: %v", data, err)
			}
			return
		}
		if !json.Valid(data) {
			t.Fatalf("%q is no JSON", data)
		}
		// What the standard library sees is what we see.
		var ref any
		dec := json.NewDecoder(strings.NewReader(string(data)))
		dec.UseNumber()
		if err := dec.Decode(&ref); err != nil || !reflect.DeepEqual(ref, v) {
			t.Fatalf("%q: %v, %v", data, v, ref)
		}
	})
}

func FuzzLeaf(f *testing.F) {
	f.Add("1700000000.5")
	f.Add("1e20")
	f.Add("-0.0e-20")
	f.Fuzz(func(t *testing.T, s string) {
		if !json.Valid([]byte(s)) {
			return
		}
		for k := shape.String; k <= shape.Blob; k++ {
			sh := &shape.Shape{Name: "X", Kind: k}
			v, err := Leaf(sh, json.Number(s))
			if err != nil {
				continue
			}
			if _, err := Append(nil, v, sh); err != nil {
				t.Fatalf("%s as %s: %v", s, k, err)
			}
		}
	})
}
