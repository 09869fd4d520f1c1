package regf

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
)

// small is a hive of one root key with a value and a list that may contain
// itself.
func small(loop bool) []byte {
	b := make([]byte, 8192)
	copy(b, "regf")
	le.PutUint32(b[36:], 32)
	cell := func(at, size int, data []byte) {
		le.PutUint32(b[binsAt+at:], uint32(-int32(size)))
		copy(b[binsAt+at+4:], data)
	}
	nk := func(name string, subs, list, values, vlist uint32) []byte {
		k := make([]byte, 76)
		copy(k, "nk\x20\x00")
		for at, v := range map[int]uint32{20: subs, 28: list, 36: values, 40: vlist} {
			le.PutUint32(k[at:], v)
		}
		le.PutUint16(k[72:], uint16(len(name)))
		return append(k, name...)
	}
	cell(32, 96, nk("root", 1, 160, 1, 256))
	list := []byte("ri\x01\x00\xA0\x00\x00\x00")
	if !loop {
		list = []byte("li\x01\x00\x00\x02\x00\x00")
	}
	cell(160, 16, list)
	cell(256, 8, []byte{0x20, 1, 0, 0})
	vk := make([]byte, 20)
	copy(vk, "vk\x04\x00\x04\x00\x00\x80\x07\x00\x00\x00\x04\x00\x00\x00\x01\x00")
	cell(288, 32, append(vk, "Size"...))
	cell(512, 96, nk("Child", 0, noCell, 0, noCell))
	return b
}

func TestSmallHive(t *testing.T) {
	h, err := Open(bytes.NewReader(small(false)))
	if err != nil {
		t.Fatal(err)
	}
	k, err := h.Root()
	if err != nil {
		t.Fatal(err)
	}
	v, err := k.Value("SIZE")
	if n, ok := v.Number(); err != nil || !ok || n != 7 {
		t.Errorf("value %+v %v", v, err)
	}
	if c, err := h.Key("cHILD"); err != nil || c == nil || c.Name != "Child" {
		t.Errorf("child %+v %v", c, err)
	}
	if c, err := h.Key(`Child\deeper`); err != nil || c != nil {
		t.Errorf("a key that is not there: %+v %v", c, err)
	}
	if v, err := k.Value("none"); err != nil || v != nil || v.Text() != "" {
		t.Errorf("a value that is not there: %+v %v", v, err)
	}
}

func TestAListThatContainsItself(t *testing.T) {
	h, err := Open(bytes.NewReader(small(true)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Key("Child"); !errors.Is(err, ErrDamaged) {
		t.Errorf("the error is %v", err)
	}
}

// Whatever stands in a hive, reading it ends, without a panic.
func TestNoise(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		b := small(rng.IntN(2) == 0)
		for range 1 + rng.IntN(6) {
			at := []int{36, binsAt + 32, binsAt + 160, binsAt + 256, binsAt + 288, binsAt + 512}[rng.IntN(6)] + rng.IntN(80)
			b[at] = byte(rng.Uint32())
		}
		walk(b)
	}
}

func walk(b []byte) {
	h, err := Open(bytes.NewReader(b))
	if err != nil {
		return
	}
	k, err := h.Root()
	if err != nil {
		return
	}
	vs, _ := k.Values()
	for _, v := range vs {
		v.Text()
		v.Number()
	}
	subs, _ := k.Subkeys()
	for _, s := range subs {
		_, _ = s.Values()
		_, _ = s.Key(`a\b`)
	}
}

func FuzzHive(f *testing.F) {
	f.Add(small(false))
	f.Add(small(true))
	f.Fuzz(func(_ *testing.T, b []byte) { walk(b) })
}
