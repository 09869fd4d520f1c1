package rpccbor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
	"unicode/utf8"
)

// Limits of a document. The body is already capped by the server; these keep
// what is built from it in proportion.
const (
	maxDepth = 64
	maxNodes = 1 << 18
)

// Major types and the additional information of RFC 8949 §3.
const (
	majorUint = iota
	majorNegative
	majorBytes
	majorText
	majorArray
	majorMap
	majorTag
	majorSimple

	infoIndefinite = 31
	tagEpoch       = 1
	breakByte      = 0xff
)

var errTruncated = errors.New("the document ends too early")

// Decode reads one CBOR data item: maps are map[string]any, arrays []any, then
// string, []byte, bool, int64 (or uint64 above its range), float64, time.Time
// for tag 1, and nil for null and undefined. Other tags are dropped. Map keys
// must be text and may not repeat; nothing may follow the item.
func Decode(data []byte) (any, error) {
	d := decoder{data: data}
	v, err := d.item(0)
	if err != nil {
		return nil, err
	}
	if d.pos != len(data) {
		return nil, errors.New("there is something after the end of the document")
	}
	return v, nil
}

type decoder struct {
	data  []byte
	pos   int
	nodes int
}

// head reads an initial byte and its argument. For floats and simple values
// the argument is the raw bits; indefinite lengths have info 31.
func (d *decoder) head() (major, info byte, arg uint64, err error) {
	if d.pos >= len(d.data) {
		return 0, 0, 0, errTruncated
	}
	b := d.data[d.pos]
	d.pos++
	major, info = b>>5, b&31
	switch {
	case info < 24:
		return major, info, uint64(info), nil
	case info == infoIndefinite:
		return major, info, 0, nil
	case info > 27:
		return 0, 0, 0, fmt.Errorf("byte 0x%02x is not well-formed", b)
	}
	n := 1 << (info - 24)
	if len(d.data)-d.pos < n {
		return 0, 0, 0, errTruncated
	}
	var buf [8]byte
	copy(buf[8-n:], d.data[d.pos:d.pos+n])
	d.pos += n
	return major, info, binary.BigEndian.Uint64(buf[:]), nil
}

func (d *decoder) item(depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("the document is nested more than %d deep", maxDepth)
	}
	if d.nodes++; d.nodes > maxNodes {
		return nil, fmt.Errorf("the document has more than %d values", maxNodes)
	}
	major, info, arg, err := d.head()
	if err != nil {
		return nil, err
	}
	if info == infoIndefinite && (major < majorBytes || major == majorTag || major == majorSimple) {
		return nil, errors.New("an indefinite length or break in the wrong place")
	}
	switch major {
	case majorUint:
		if arg > math.MaxInt64 {
			return arg, nil
		}
		return int64(arg), nil
	case majorNegative:
		if arg > math.MaxInt64 {
			return nil, errors.New("a negative integer is out of range")
		}
		return -1 - int64(arg), nil
	case majorBytes:
		return d.chunks(major, info, arg)
	case majorText:
		b, err := d.chunks(major, info, arg)
		return string(b), err
	case majorArray:
		return d.array(info, arg, depth)
	case majorMap:
		return d.mapping(info, arg, depth)
	case majorTag:
		return d.tag(arg, depth)
	}
	return simple(info, arg)
}

// chunks reads a byte or text string of definite or indefinite length.
func (d *decoder) chunks(major, info byte, arg uint64) ([]byte, error) {
	if info != infoIndefinite {
		return d.chunk(major, arg)
	}
	out := []byte{}
	for {
		if d.atBreak() {
			return out, nil
		}
		if d.nodes++; d.nodes > maxNodes {
			return nil, fmt.Errorf("the document has more than %d values", maxNodes)
		}
		m, i, n, err := d.head()
		if err != nil {
			return nil, err
		}
		if m != major || i == infoIndefinite {
			return nil, errors.New("a string has a chunk of another type")
		}
		c, err := d.chunk(major, n)
		if err != nil {
			return nil, err
		}
		out = append(out, c...)
	}
}

func (d *decoder) chunk(major byte, n uint64) ([]byte, error) {
	if n > uint64(len(d.data)-d.pos) {
		return nil, errTruncated
	}
	c := d.data[d.pos : d.pos+int(n)]
	d.pos += int(n)
	if major == majorText && !utf8.Valid(c) {
		return nil, errors.New("a text string is not valid UTF-8")
	}
	return append([]byte{}, c...), nil
}

func (d *decoder) atBreak() bool {
	if d.pos < len(d.data) && d.data[d.pos] == breakByte {
		d.pos++
		return true
	}
	return false
}

// count checks a definite number of items against the bytes that are left: an
// item has at least one, so nobody can make us allocate more than they sent.
func (d *decoder) count(info byte, n, bytesEach uint64) (int, error) {
	if info == infoIndefinite {
		return -1, nil
	}
	if n > uint64(len(d.data)-d.pos)/bytesEach {
		return 0, errTruncated
	}
	return int(n), nil
}

func (d *decoder) array(info byte, arg uint64, depth int) (any, error) {
	n, err := d.count(info, arg, 1)
	if err != nil {
		return nil, err
	}
	out := make([]any, 0, max(0, min(n, 64)))
	for i := 0; i != n; i++ {
		if n < 0 && d.atBreak() {
			break
		}
		v, err := d.item(depth + 1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (d *decoder) mapping(info byte, arg uint64, depth int) (any, error) {
	n, err := d.count(info, arg, 2)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for i := 0; i != n; i++ {
		if n < 0 && d.atBreak() {
			break
		}
		k, err := d.item(depth + 1)
		if err != nil {
			return nil, err
		}
		key, ok := k.(string)
		if !ok {
			return nil, errors.New("a map key is not text")
		}
		if _, dup := out[key]; dup {
			return nil, fmt.Errorf("the key %q is repeated", clip(key))
		}
		if out[key], err = d.item(depth + 1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (d *decoder) tag(number uint64, depth int) (any, error) {
	v, err := d.item(depth + 1)
	if err != nil || number != tagEpoch {
		return v, err
	}
	t, ok := epoch(v)
	if !ok {
		return nil, errors.New("tag 1 does not hold a time")
	}
	return t, nil
}

// Years beyond these cannot be written back in every protocol.
const (
	minEpoch = -62135596800 // year 1
	maxEpoch = 253402300799 // end of year 9999
)

// epoch reads seconds since 1970. A float64 of our time has a resolution of
// 0.2 microseconds, so rounding to whole ones restores what was meant.
func epoch(v any) (time.Time, bool) {
	switch n := v.(type) {
	case int64:
		return time.Unix(n, 0).UTC(), n >= minEpoch && n <= maxEpoch
	case float64:
		if !(n >= minEpoch && n <= maxEpoch) { // also false for NaN
			return time.Time{}, false
		}
		sec, frac := math.Modf(n)
		return time.Unix(int64(sec), int64(math.Round(frac*1e6))*1000).UTC(), true
	}
	return time.Time{}, false
}

func simple(info byte, arg uint64) (any, error) {
	switch info {
	case 20, 21:
		return info == 21, nil
	case 22, 23:
		return nil, nil
	case 25:
		return half(uint16(arg)), nil
	case 26:
		return float64(math.Float32frombits(uint32(arg))), nil
	case 27:
		return math.Float64frombits(arg), nil
	}
	return nil, errors.New("an unknown simple value")
}

// half is an IEEE 754 binary16 (RFC 8949 appendix D).
func half(h uint16) float64 {
	exp, mant := int(h>>10)&31, float64(h&1023)
	var v float64
	switch exp {
	case 0:
		v = math.Ldexp(mant, -24)
	case 31:
		if v = math.Inf(1); mant != 0 {
			v = math.NaN()
		}
	default:
		v = math.Ldexp(mant+1024, exp-25)
	}
	if h&0x8000 != 0 {
		v = -v
	}
	return v
}

func clip(s string) string {
	if len(s) > 64 {
		return s[:64] + "..."
	}
	return s
}
