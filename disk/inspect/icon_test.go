package inspect

import (
	"bytes"
	"image/png"
	"math/rand/v2"
	"testing"

	"slipway/disk/fixture"
)

// Whatever a program's headers and icons say, reading them ends, and a picture
// that comes out is a small PNG.
func TestIconsFromNoise(t *testing.T) {
	good := fixture.ProgramWithIcon()
	rng := rand.New(rand.NewPCG(3, 4))
	shown := 0
	for range 20_000 {
		b := bytes.Clone(good)
		for range 1 + rng.IntN(5) {
			at := rng.IntN(min(len(b), 1600))
			if rng.IntN(3) == 0 {
				at = rng.IntN(len(b))
			}
			b[at] = byte(rng.Uint32())
		}
		b = b[:len(b)-rng.IntN(2)*rng.IntN(len(b))]
		r := bytes.NewReader(b)
		pe, err := readPE(r)
		if err != nil {
			continue
		}
		pe.version(r, int64(len(b)))
		pe.signers(r)
		if icon := pe.icon(r, int64(len(b))); icon != nil {
			shown++
			if c, err := png.DecodeConfig(bytes.NewReader(icon)); err != nil || c.Width > maxIconSide || c.Height > maxIconSide {
				t.Fatalf("%+v %v", c, err)
			}
		}
	}
	if shown == 0 {
		t.Error("no icon survived")
	}
}

// Bitmaps of every depth that is taken, and their mask.
func TestBitmaps(t *testing.T) {
	head := func(w, h, depth uint32) []byte {
		b := le.AppendUint32(nil, 40)
		b = le.AppendUint32(le.AppendUint32(b, w), h)
		b = append(b, 1, 0, byte(depth), 0)
		return append(b, make([]byte, 24)...)
	}
	eight := append(head(8, 16, 8), make([]byte, 1024+64)...)
	eight[40+4+2] = 200 // colour 1 is red
	eight[40+1024] = 1  // the first pixel of the lowest line
	mask := make([]byte, 8*4)
	mask[0] = 0x40 // the second pixel of it is seen through
	m, err := bitmap(append(eight, mask...), true)
	if err != nil {
		t.Fatal(err)
	}
	if r, _, _, a := m.At(0, 7).RGBA(); r>>8 != 200 || a>>8 != 255 {
		t.Errorf("pixel %v", m.At(0, 7))
	}
	if _, _, _, a := m.At(1, 7).RGBA(); a != 0 {
		t.Errorf("masked pixel %v", m.At(1, 7))
	}
	for _, bad := range [][]byte{nil, head(0, 2, 24), head(1<<30, 1<<30, 32), head(16, 32, 4), head(16, 32, 32)} {
		if _, err := bitmap(bad, true); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}
