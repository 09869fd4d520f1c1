package rpccbor

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/wire"
	"slipway/wire/shape"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Examples of RFC 8949 appendix A that the protocol can contain, and their
// indefinite forms.
func TestDecodeRFCExamples(t *testing.T) {
	for in, want := range map[string]any{
		"00": int64(0), "17": int64(23), "1818": int64(24), "1903e8": int64(1000), "1a000f4240": int64(1000000),
		"1b000000e8d4a51000": int64(1000000000000), "1bffffffffffffffff": uint64(math.MaxUint64),
		"20": int64(-1), "3903e7": int64(-1000), "3b7fffffffffffffff": int64(math.MinInt64),
		"f90000": 0.0, "f93c00": 1.0, "f93e00": 1.5, "f97bff": 65504.0, "fa47c35000": 100000.0,
		"fa7f7fffff": 3.4028234663852886e+38, "fb7e37e43c8800759c": 1.0e+300, "f90001": 5.960464477539063e-8,
		"f90400": 0.00006103515625, "f9c400": -4.0, "fbc010666666666666": -4.1, "f97c00": math.Inf(1), "f9fc00": math.Inf(-1),
		"f4": false, "f5": true, "f6": nil, "f7": nil,
		"c11a514b67b0":               time.Unix(1363896240, 0).UTC(),
		"c1fb41d452d9ec200000":       time.UnixMilli(1363896240500).UTC(),
		"c1fb41d954fc40 07df3b":      time.UnixMicro(1700000000123000).UTC(),
		"40":                         []byte{},
		"4401020304":                 []byte{1, 2, 3, 4},
		"5f42010243030405ff":         []byte{1, 2, 3, 4, 5},
		"60":                         "",
		"62c3bc":                     "ü",
		"7f657374726561646d696e67ff": "streaming",
		"7fff":                       "",
		"83010203":                   []any{int64(1), int64(2), int64(3)},
		"9f018202039f0405ffff":       []any{int64(1), []any{int64(2), int64(3)}, []any{int64(4), int64(5)}},
		"a26161016162820203":         map[string]any{"a": int64(1), "b": []any{int64(2), int64(3)}},
		"bf61610161629f0203ffff":     map[string]any{"a": int64(1), "b": []any{int64(2), int64(3)}},
		"d818456449455446":           []byte("dIETF"), // an unknown tag is dropped
		"826161bf61626163ff":         []any{"a", map[string]any{"b": "c"}},
		"a1617fc11a514b67b0":         map[string]any{"\x7f": time.Unix(1363896240, 0).UTC()},
		"d9d9f7a0":                   map[string]any{},
		"9fff":                       []any{},
		"bfff":                       map[string]any{},
		"fb3ff199999999999a":         1.1,
		"3a00010000":                 int64(-65537),
		"78017a":                     "z",
		"b9000161611801":             map[string]any{"a": int64(1)},
		"9b000000000000000100":       []any{int64(0)},
		"c120":                       time.Unix(-1, 0).UTC(),
		"c1f93e00":                   time.UnixMilli(1500).UTC(),
		"c1fbbff8000000000000":       time.UnixMilli(-1500).UTC(),
	} {
		got, err := Decode(unhex(t, in))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v, %v; want %#v", in, got, err, want)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"nothing": "", "trailing": "0000", "truncated int": "19", "truncated text": "6261", "truncated array": "8201",
		"truncated map": "a16161", "huge array": "9b7fffffffffffffff", "huge map": "bb7fffffffffffffff",
		"huge text": "7b7fffffffffffffff", "overflowing length": "5bffffffffffffffff", "reserved info": "1c", "bare break": "ff",
		"indefinite int": "1f", "indefinite tag": "df00", "text chunk in bytes": "5f6161ff", "nested indefinite chunk": "5f5f4101ffff",
		"unterminated bytes": "5f4101", "unterminated array": "9f01", "unterminated map": "bf6161", "odd map": "bf6161ff",
		"integer key": "a10102", "repeated key": "a2616101616102", "bad UTF-8": "61ff", "split rune": "7f61c361bcff",
		"simple value": "f0", "simple in two bytes": "f818", "negative overflow": "3bffffffffffffffff",
		"time of text": "c16161", "time of NaN": "c1f97e00", "time of infinity": "c1f97c00", "far future": "c11b7fffffffffffffff",
		"deep arrays": strings.Repeat("81", maxDepth+2) + "00", "deep tags": strings.Repeat("c2", maxDepth+2) + "00",
		"many": "9f" + strings.Repeat("00", maxNodes+1) + "ff", "many chunks": "5f" + strings.Repeat("40", maxNodes+1) + "ff",
	} {
		if v, err := Decode(unhex(t, in)); err == nil {
			t.Errorf("%s: %v", name, v)
		}
	}
}

func TestAppend(t *testing.T) {
	of := func(k shape.Kind) *shape.Shape { return &shape.Shape{Kind: k} }
	for _, c := range []struct {
		kind shape.Kind
		v    any
		want string
	}{
		{shape.Integer, int64(0), "00"}, {shape.Integer, int64(24), "1818"}, {shape.Integer, int64(-25), "3818"},
		{shape.Long, int64(256), "190100"}, {shape.Long, int64(65536), "1a00010000"}, {shape.Long, int64(1 << 32), "1b0000000100000000"},
		{shape.Long, int64(math.MinInt64), "3b7fffffffffffffff"}, {shape.Double, 1.0, "fb3ff0000000000000"},
		{shape.Boolean, true, "f5"}, {shape.Boolean, false, "f4"}, {shape.String, "ü", "62c3bc"}, {shape.Blob, []byte{1}, "4101"},
		{shape.String, "\xff", "63efbfbd"},
		{shape.Timestamp, time.Unix(1363896240, 0), "c11a514b67b0"}, {shape.Timestamp, time.UnixMilli(1363896240500), "c1fb41d452d9ec200000"},
	} {
		got, err := Append(nil, c.v, of(c.kind))
		if err != nil || hex.EncodeToString(got) != c.want {
			t.Errorf("%v: %x, %v", c.v, got, err)
		}
	}
	if _, err := Append(nil, struct{}{}, of(shape.String)); err == nil {
		t.Error("a foreign type is written")
	}
}

func TestLeafTypes(t *testing.T) {
	s := &shape.Shape{Name: "In", Kind: shape.Structure, Members: []shape.Member{
		{Name: "I", Wire: "I", Shape: &shape.Shape{Name: "I", Kind: shape.Integer}},
		{Name: "D", Wire: "D", Shape: &shape.Shape{Name: "D", Kind: shape.Double}},
		{Name: "T", Wire: "T", Shape: &shape.Shape{Name: "T", Kind: shape.Timestamp}}}}
	req := func(body string) *wire.Request {
		return &wire.Request{Body: unhex(t, body), Op: &wire.Op{Name: "Op", Input: s}}
	}
	c := Codec{}
	for body, ok := range map[string]bool{"": true, "a0": true, "a1614901": true, "a1614401": true, "a16154c101": true,
		"a16149f93c00": false, "a161491a80000000": false, "a161491bffffffffffffffff": false, "a1614441 01": false, "a1615401": false,
		"a161496131": false, "80": false, "f6": false, "a16149f6": true} {
		if _, err := c.Decode(req(body)); (err == nil) != ok {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestErrorsOutsideTheModel(t *testing.T) {
	svc := &wire.Service{Name: "x", ShapePrefix: "com.amazonaws.x"}
	resp := Codec{}.EncodeError(&wire.Request{Service: svc}, &wire.Exception{Code: "ThrottlingException", Message: "Rate exceeded"})
	got, err := Decode(resp.Body)
	want := map[string]any{"__type": "ThrottlingException", "message": "Rate exceeded"}
	if err != nil || !reflect.DeepEqual(got, want) || resp.Header.Get("smithy-protocol") != "rpc-v2-cbor" {
		t.Errorf("%v, %v, %v", got, err, resp.Header)
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{"a0", "a26161016162820203", "bf61610161629f0203ffff", "c1fb41d452d9ec200000", "7f657374726561646d696e67ff",
		"5f42010243030405ff", "9b7fffffffffffffff", "f97bff", "d818456449455446", "a1617fc11a514b67b0", "f6", "3b7fffffffffffffff"} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := Decode(data)
		if err != nil {
			return
		}
		// Whatever is accepted can be written and read back as the same thing.
		first := again(nil, v)
		w, err := Decode(first)
		if err != nil {
			t.Fatalf("%x became %x: %v", data, first, err)
		}
		if second := again(nil, w); !bytes.Equal(first, second) {
			t.Fatalf("%x became %x, then %x", data, first, second)
		}
	})
}

// again writes a decoded value without a schema.
func again(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, 0xf6)
	case uint64:
		return appendHead(dst, majorUint, v)
	case []any:
		dst = appendHead(dst, majorArray, uint64(len(v)))
		for _, e := range v {
			dst = again(dst, e)
		}
		return dst
	case map[string]any:
		keys := slices.Sorted(maps.Keys(v))
		dst = appendHead(dst, majorMap, uint64(len(v)))
		for _, k := range keys {
			dst = again(appendText(dst, k), v[k])
		}
		return dst
	}
	for kind := shape.String; kind <= shape.Blob; kind++ {
		if out, err := Append(dst, v, &shape.Shape{Kind: kind}); err == nil {
			return out
		}
	}
	panic(fmt.Sprintf("no leaf: %T", v))
}
