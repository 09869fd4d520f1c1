package awsjson

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"slipway/wire/shape"
)

// Leaf turns JSON scalars into the values of a tree (shape.Leaf). REST-JSON
// documents use the same forms.
func Leaf(s *shape.Shape, raw any) (any, error) {
	switch s.Kind {
	case shape.String:
		if v, ok := raw.(string); ok {
			return v, nil
		}
	case shape.Boolean:
		if v, ok := raw.(bool); ok {
			return v, nil
		}
	case shape.Blob:
		if v, ok := raw.(string); ok {
			return blob(v)
		}
	case shape.Integer, shape.Long:
		if v, ok := raw.(json.Number); ok {
			return integer(s, v)
		}
	case shape.Float, shape.Double:
		return float(s, raw)
	case shape.Timestamp:
		if v, ok := raw.(json.Number); ok {
			return epoch(v.String())
		}
	}
	if _, ok := raw.(json.Number); ok {
		raw = float64(0) // only its kind matters for the message
	}
	return nil, shape.Mismatch(s, raw)
}

func blob(v string) (any, error) {
	b, err := base64.StdEncoding.DecodeString(v)
	if err != nil {
		return nil, &shape.TypeError{Want: "base64", Got: "other text"}
	}
	return b, nil
}

// integer takes whole numbers in any spelling ("1e2", "5.0"): some JSON
// writers have no integers.
func integer(s *shape.Shape, v json.Number) (any, error) {
	n, err := strconv.ParseInt(v.String(), 10, 64)
	if err != nil {
		f, ferr := v.Float64()
		if ferr != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<53 {
			return nil, &shape.TypeError{Want: s.Kind.String(), Got: "the number " + clip(v.String())}
		}
		n = int64(f)
	}
	if !shape.FitsInteger(s, n) {
		return nil, &shape.TypeError{Want: s.Kind.String(), Got: "the number " + clip(v.String())}
	}
	return n, nil
}

func float(s *shape.Shape, raw any) (any, error) {
	switch v := raw.(type) {
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			return nil, &shape.TypeError{Want: s.Kind.String(), Got: "the number " + clip(v.String())}
		}
		return f, nil
	case string:
		switch v {
		case "NaN":
			return math.NaN(), nil
		case "Infinity":
			return math.Inf(1), nil
		case "-Infinity":
			return math.Inf(-1), nil
		}
	}
	return nil, shape.Mismatch(s, raw)
}

// Years beyond these cannot be written back in every protocol.
const (
	minEpoch = -62135596800 // year 1
	maxEpoch = 253402300799 // end of year 9999
)

// epoch reads seconds with an optional fraction, exactly (a float64 would lose
// digits), down to the microsecond.
func epoch(v string) (any, error) {
	bad := &shape.TypeError{Want: "timestamp", Got: "the number " + clip(v)}
	if len(v) > 40 {
		return nil, bad
	}
	if i := strings.IndexAny(v, "eE"); i >= 0 {
		exp, err := strconv.Atoi(v[i+1:])
		if err != nil || exp > 20 || exp < -20 {
			return nil, bad
		}
	}
	r, ok := new(big.Rat).SetString(v)
	if !ok {
		return nil, bad
	}
	r.Mul(r, big.NewRat(1_000_000, 1))
	micros := new(big.Int).Div(r.Num(), r.Denom())
	if !micros.IsInt64() {
		return nil, bad
	}
	n := micros.Int64()
	if n < minEpoch*1_000_000 || n > maxEpoch*1_000_000 {
		return nil, bad
	}
	return time.UnixMicro(n).UTC(), nil
}

// Epoch writes a time as seconds with up to three decimals.
func Epoch(t time.Time) string { return string(appendEpoch(nil, t)) }

func appendEpoch(dst []byte, t time.Time) []byte {
	ms := t.UnixMilli()
	if ms < 0 {
		dst, ms = append(dst, '-'), -ms
	}
	dst = strconv.AppendInt(dst, ms/1000, 10)
	frac := ms % 1000
	if frac == 0 {
		return dst
	}
	dst = append(dst, '.', byte('0'+frac/100), byte('0'+frac/10%10), byte('0'+frac%10))
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	return dst
}
