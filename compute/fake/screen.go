package fake

import (
	"bytes"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"

	"slipway/fault"
)

const width, height = 640, 400

var colours = map[look]color.RGBA{
	firmware: {0x20, 0x20, 0x20, 0xff},
	kernel:   {0x10, 0x30, 0x60, 0xff},
	network:  {0x10, 0x50, 0x80, 0xff},
	up:       {0x18, 0x70, 0x60, 0xff},
	broken:   {0x00, 0x30, 0xb0, 0xff},
}

// draw paints a desktop: a background by state, a task bar, a window whose
// stripes differ by machine, so that two machines can be told apart and two
// pictures of one machine in one state are equal.
func draw(id string, l look) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	white, grey := color.RGBA{0xf4, 0xf4, 0xf4, 0xff}, color.RGBA{0xc0, 0xc8, 0xd0, 0xff}
	fill(img, img.Bounds(), colours[l])
	progress := int(l) + 1
	if l == broken {
		progress = 1
	}
	fill(img, image.Rect(40, 340, 40+140*progress, 350), white)
	if l != up {
		return img
	}
	fill(img, image.Rect(0, height-32, width, height), grey)
	fill(img, image.Rect(120, 60, 520, 300), white)
	fill(img, image.Rect(120, 60, 520, 84), grey)
	h := crc32.ChecksumIEEE([]byte(id))
	for i := range 8 {
		n := int(h>>(4*i)) & 15
		fill(img, image.Rect(140, 100+24*i, 160+20*n, 112+24*i), color.RGBA{uint8(40 + 10*n), 0x60, 0xa0, 0xff})
	}
	return img
}

// fill paints the part of a rectangle that is on the picture.
func fill(img *image.RGBA, r image.Rectangle, c color.RGBA) {
	r = r.Intersect(img.Bounds())
	if r.Empty() {
		return
	}
	first := img.Pix[img.PixOffset(r.Min.X, r.Min.Y):][:4*r.Dx()]
	for i := 0; i < len(first); i += 4 {
		first[i], first[i+1], first[i+2], first[i+3] = c.R, c.G, c.B, c.A
	}
	for y := r.Min.Y + 1; y < r.Max.Y; y++ {
		copy(img.Pix[img.PixOffset(r.Min.X, y):], first)
	}
}

func encodePNG(img image.Image) ([]byte, error) {
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "The screen cannot be drawn.")
	}
	return b.Bytes(), nil
}
