package fake

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"io"
	"net"
	"time"

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
	fill := func(r image.Rectangle, c color.RGBA) {
		for y := r.Min.Y; y < r.Max.Y; y++ {
			for x := r.Min.X; x < r.Max.X; x++ {
				img.SetRGBA(x, y, c)
			}
		}
	}
	white, grey := color.RGBA{0xf4, 0xf4, 0xf4, 0xff}, color.RGBA{0xc0, 0xc8, 0xd0, 0xff}
	fill(img.Bounds(), colours[l])
	progress := int(l) + 1
	if l == broken {
		progress = 1
	}
	fill(image.Rect(40, 340, 40+140*progress, 350), white)
	if l != up {
		return img
	}
	fill(image.Rect(0, height-32, width, height), grey)
	fill(image.Rect(120, 60, 520, 300), white)
	fill(image.Rect(120, 60, 520, 84), grey)
	h := crc32.ChecksumIEEE([]byte(id))
	for i := range 8 {
		n := int(h>>(4*i)) & 15
		fill(image.Rect(140, 100+24*i, 160+20*n, 112+24*i), color.RGBA{uint8(40 + 10*n), 0x60, 0xa0, 0xff})
	}
	return img
}

func encodePNG(img image.Image) ([]byte, error) {
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "The screen cannot be drawn.")
	}
	return b.Bytes(), nil
}

// pixelFormat is the part of RFC 6143 §7.4 that we can serve: true colour of
// 8, 16 or 32 bits.
type pixelFormat struct {
	Bits, Depth, BigEndian, TrueColour    uint8
	RedMax, GreenMax, BlueMax             uint16
	RedShift, GreenShift, BlueShift, _, _ uint8
	_                                     uint8
}

// serveRFB speaks RFB 3.8 without security, raw encoding only, until the
// client leaves. Keys and pointer are read and ignored.
func serveRFB(c net.Conn, img *image.RGBA, name string) {
	defer c.Close()
	if !greet(c, name) {
		return
	}
	pf := pixelFormat{Bits: 32, Depth: 24, TrueColour: 1, RedMax: 255, GreenMax: 255, BlueMax: 255, RedShift: 16, GreenShift: 8}
	for {
		var kind [1]byte
		if _, err := io.ReadFull(c, kind[:]); err != nil {
			return
		}
		ok := false
		switch kind[0] {
		case 0:
			_, err := io.CopyN(io.Discard, c, 3)
			ok = err == nil && binary.Read(c, binary.BigEndian, &pf) == nil && pf.TrueColour != 0 &&
				(pf.Bits == 8 || pf.Bits == 16 || pf.Bits == 32)
		case 2:
			var h struct {
				_ uint8
				N uint16
			}
			if binary.Read(c, binary.BigEndian, &h) == nil {
				ok = skip(c, 4*int64(h.N))
			}
		case 3:
			ok = update(c, img, pf)
		case 4:
			ok = skip(c, 7)
		case 5:
			ok = skip(c, 5)
		case 6:
			var h struct {
				_ [3]uint8
				N uint32
			}
			if binary.Read(c, binary.BigEndian, &h) == nil {
				ok = skip(c, int64(h.N))
			}
		}
		if !ok {
			return
		}
	}
}

func skip(c net.Conn, n int64) bool {
	_, err := io.CopyN(io.Discard, c, n)
	return err == nil
}

// greet does the handshake up to ServerInit.
func greet(c net.Conn, name string) bool {
	// Whoever opens a display and says nothing must not hold a goroutine.
	if c.SetDeadline(time.Now().Add(30*time.Second)) != nil {
		return false
	}
	defer func() { _ = c.SetDeadline(time.Time{}) }()
	buf := make([]byte, 12)
	if _, err := c.Write([]byte("RFB 003.008\n")); err != nil {
		return false
	}
	if _, err := io.ReadFull(c, buf); err != nil || string(buf) != "RFB 003.008\n" {
		return false
	}
	if _, err := c.Write([]byte{1, 1}); err != nil { // one type: None
		return false
	}
	if _, err := io.ReadFull(c, buf[:1]); err != nil || buf[0] != 1 {
		return false
	}
	if _, err := c.Write([]byte{0, 0, 0, 0}); err != nil { // fine
		return false
	}
	if _, err := io.ReadFull(c, buf[:1]); err != nil { // shared or not: all are
		return false
	}
	hello := binary.BigEndian.AppendUint16(nil, width)
	hello = binary.BigEndian.AppendUint16(hello, height)
	hello = append(hello, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0)
	hello = binary.BigEndian.AppendUint32(hello, uint32(len(name)))
	_, err := c.Write(append(hello, name...))
	return err == nil
}

// update answers a FramebufferUpdateRequest. The picture never changes, so an
// incremental request gets no rectangle at all, but not at once: a client that
// asks again after every answer would spin.
func update(c net.Conn, img *image.RGBA, pf pixelFormat) bool {
	var q struct {
		Incremental uint8
		X, Y, W, H  uint16
	}
	if binary.Read(c, binary.BigEndian, &q) != nil {
		return false
	}
	if q.Incremental != 0 {
		return true // RFC 6143 §7.5.3: an answer may wait for a change
	}
	r := image.Rect(int(q.X), int(q.Y), int(q.X)+int(q.W), int(q.Y)+int(q.H)).Intersect(img.Bounds())
	out := []byte{0, 0, 0, 1}
	for _, v := range []int{r.Min.X, r.Min.Y, r.Dx(), r.Dy()} {
		out = binary.BigEndian.AppendUint16(out, uint16(v))
	}
	out = append(out, 0, 0, 0, 0) // raw
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			out = pf.appendPixel(out, img.RGBAAt(x, y))
		}
	}
	_, err := c.Write(out)
	return err == nil
}

func (pf pixelFormat) appendPixel(out []byte, p color.RGBA) []byte {
	part := func(v uint8, top uint16, shift uint8) uint32 { return uint32(v) * uint32(top) / 255 << (shift & 31) }
	v := part(p.R, pf.RedMax, pf.RedShift) | part(p.G, pf.GreenMax, pf.GreenShift) | part(p.B, pf.BlueMax, pf.BlueShift)
	var order binary.AppendByteOrder = binary.LittleEndian
	if pf.BigEndian != 0 {
		order = binary.BigEndian
	}
	switch pf.Bits {
	case 8:
		return append(out, uint8(v))
	case 16:
		return order.AppendUint16(out, uint16(v))
	}
	return order.AppendUint32(out, v)
}
