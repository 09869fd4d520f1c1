package wire

import (
	"strings"
	"testing"
	"testing/iotest"
)

// What a request says of its length is a hint and nothing else.
func TestBodiesOfAnyLength(t *testing.T) {
	for _, size := range []int{0, 1, 511, 512, 513, believed - 1, believed, believed + 1, 8 * believed, 40 * believed} {
		want := strings.Repeat("x", size)
		for _, said := range []int64{-1, 0, 1, int64(size), 1 << 40} {
			got, err := readAll(iotest.HalfReader(strings.NewReader(want)), said)
			if err != nil || string(got) != want {
				t.Errorf("%d bytes announced as %d: %d bytes, %v", size, said, len(got), err)
			}
			if cap(got) > 17*max(size, believed) {
				t.Errorf("%d bytes announced as %d take %d", size, said, cap(got))
			}
		}
	}
}

func BenchmarkBlock(b *testing.B) {
	block := strings.Repeat("x", 512<<10)
	b.SetBytes(int64(len(block)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := readAll(strings.NewReader(block), int64(len(block))); err != nil {
			b.Fatal(err)
		}
	}
}
