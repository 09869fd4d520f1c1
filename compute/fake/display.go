package fake

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"io"
	"net"
	"sync"
	"time"
)

// desk is what people do at the screen of one machine. It is shown to all who
// look, and forgotten with the process.
type desk struct {
	mu      sync.Mutex
	typed   string      // since the last Enter
	copied  string      // the clipboard: the last line, or a text from outside
	copies  int         // how often that changed
	pointer image.Point // the last click
	clicks  int
	open    []string      // windows, the oldest first
	changed chan struct{} // closed at the next change
}

func (d *Driver) desk(id string) *desk {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.desks[id] == nil {
		d.desks[id] = &desk{changed: make(chan struct{})}
	}
	return d.desks[id]
}

// change changes something and tells everybody.
func (k *desk) change(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f()
	close(k.changed)
	k.changed = make(chan struct{})
}

const (
	keyEnter     = 0xff0d
	keyBackspace = 0xff08
	deskLine     = 40 // characters that are kept
)

// key is a key that went down. Enter copies the line that was typed.
func (k *desk) key(sym uint32) {
	k.change(func() {
		switch {
		case sym == keyEnter:
			k.copied, k.typed = k.typed, ""
			k.copies++
		case sym == keyBackspace && k.typed != "":
			k.typed = k.typed[:len(k.typed)-1]
		case sym >= 0x20 && sym < 0x7f && len(k.typed) < deskLine:
			k.typed += string(rune(sym))
		}
	})
}

func (k *desk) paste(text string) {
	k.change(func() {
		k.copied = text
		k.copies++
	})
}

func (k *desk) click(at image.Point) {
	k.change(func() {
		k.pointer = at
		k.clicks++
	})
}

// maxOpen is how many windows a screen shows.
const maxOpen = 6

// Open shows a window on the screen of a machine, with a colour that its title
// gives it.
func (d *Driver) Open(id, title string) {
	k := d.desk(id)
	k.change(func() { k.open = append(k.open, title)[max(0, len(k.open)+1-maxOpen):] })
}

// on shows on a picture what was done: a square where the last click was, and a
// column of squares for each character, one for each bit.
func (k *desk) on(img *image.RGBA) *image.RGBA {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, title := range k.open {
		at := image.Pt(40+36*i, 30+28*i)
		h := crc32.ChecksumIEEE([]byte(title))
		fill(img, image.Rect(0, 0, 360, 210).Add(at), color.RGBA{uint8(60 + h&127), uint8(60 + h>>8&127), uint8(60 + h>>16&127), 0xff})
		fill(img, image.Rect(2, 22, 358, 208).Add(at), color.RGBA{0xfa, 0xfa, 0xfa, 0xff})
		for n := range 5 {
			fill(img, image.Rect(20, 44+28*n, 60+int(h>>(5*n))&31*8, 56+28*n).Add(at), color.RGBA{0xb8, 0xc4, 0xcc, 0xff})
		}
	}
	ink := color.RGBA{0x20, 0x20, 0x20, 0xff}
	for i := range len(k.typed) {
		for bit := range 7 {
			if k.typed[i]>>bit&1 == 1 {
				fill(img, image.Rect(44+12*i, 310+3*bit, 52+12*i, 312+3*bit), ink)
			}
		}
	}
	if k.clicks > 0 {
		fill(img, image.Rect(-6, -6, 6, 6).Add(k.pointer), color.RGBA{0xe0, 0x30, 0x30, 0xff})
	}
	return img
}

// pixelFormat is the part of RFC 6143 §7.4 that we can serve: true colour of
// 8, 16 or 32 bits.
type pixelFormat struct {
	Bits, Depth, BigEndian, TrueColour    uint8
	RedMax, GreenMax, BlueMax             uint16
	RedShift, GreenShift, BlueShift, _, _ uint8
	_                                     uint8
}

// display is one connection to a screen.
type display struct {
	net.Conn
	desk  *desk
	draw  func() *image.RGBA
	mu    sync.Mutex
	pf    pixelFormat
	asked *image.Rectangle // what the client wants to see next
	full  bool             // at once, not after a change
	told  chan struct{}    // the above changed
	down  bool             // a button of the pointer
}

// serveRFB speaks RFB 3.8 without security, raw encoding only, until the client
// leaves.
func serveRFB(c net.Conn, k *desk, draw func() *image.RGBA, name string) {
	defer c.Close()
	if !greet(c, name) {
		return
	}
	d := &display{Conn: c, desk: k, draw: draw, told: make(chan struct{}, 1),
		pf: pixelFormat{Bits: 32, Depth: 24, TrueColour: 1, RedMax: 255, GreenMax: 255, BlueMax: 255, RedShift: 16, GreenShift: 8}}
	over := make(chan struct{})
	go d.paint(over)
	for d.message() {
	}
	close(over)
}

// message reads one message of the client; false when it leaves.
func (d *display) message() bool {
	var kind [1]byte
	if _, err := io.ReadFull(d, kind[:]); err != nil {
		return false
	}
	switch kind[0] {
	case 0:
		var m struct {
			_  [3]uint8
			PF pixelFormat
		}
		if !d.read(&m) || m.PF.TrueColour == 0 || m.PF.Bits != 8 && m.PF.Bits != 16 && m.PF.Bits != 32 {
			return false
		}
		d.mu.Lock()
		d.pf = m.PF
		d.mu.Unlock()
		return true
	case 2:
		var h struct {
			_ uint8
			N uint16
		}
		return d.read(&h) && skip(d, 4*int64(h.N))
	case 3:
		return d.ask()
	case 4:
		var m struct {
			Down uint8
			_    uint16
			Sym  uint32
		}
		if !d.read(&m) {
			return false
		}
		if m.Down != 0 {
			d.desk.key(m.Sym)
		}
		return true
	case 5:
		var m struct {
			Buttons uint8
			X, Y    uint16
		}
		if !d.read(&m) {
			return false
		}
		if was := d.down; !was && m.Buttons&1 != 0 {
			d.desk.click(image.Pt(int(m.X), int(m.Y)))
		}
		d.down = m.Buttons&1 != 0
		return true
	case 6:
		return d.pasted()
	}
	return false
}

func (d *display) read(v any) bool { return binary.Read(d, binary.BigEndian, v) == nil }

// pasted reads ClientCutText. Nobody offers extended ones here.
func (d *display) pasted() bool {
	var h struct {
		_ [3]uint8
		N uint32
	}
	if !d.read(&h) || h.N > 1<<20 {
		return false
	}
	text := make([]byte, h.N)
	if _, err := io.ReadFull(d, text); err != nil {
		return false
	}
	d.desk.paste(string(text))
	return true
}

// ask reads a FramebufferUpdateRequest.
func (d *display) ask() bool {
	var q struct {
		Incremental uint8
		X, Y, W, H  uint16
	}
	if !d.read(&q) {
		return false
	}
	r := image.Rect(int(q.X), int(q.Y), int(q.X)+int(q.W), int(q.Y)+int(q.H)).Intersect(image.Rect(0, 0, width, height))
	d.mu.Lock()
	d.full = d.full || q.Incremental == 0
	d.asked = &r
	d.mu.Unlock()
	select {
	case d.told <- struct{}{}:
	default:
	}
	return true
}

// paint answers requests: at once when a whole picture is wanted, otherwise
// after a change (RFC 6143 §7.5.3), and tells of what was copied.
func (d *display) paint(over <-chan struct{}) {
	d.desk.mu.Lock()
	copies := d.desk.copies
	d.desk.mu.Unlock()
	dirty := false
	for {
		d.desk.mu.Lock()
		changed, text, n := d.desk.changed, d.desk.copied, d.desk.copies
		d.desk.mu.Unlock()
		if n != copies {
			copies = n
			if _, err := d.Write(append(binary.BigEndian.AppendUint32([]byte{3, 0, 0, 0}, uint32(len(text))), text...)); err != nil {
				return
			}
		}
		d.mu.Lock()
		r, pf := d.asked, d.pf
		due := r != nil && (d.full || dirty)
		if due {
			d.asked, d.full, dirty = nil, false, false
		}
		d.mu.Unlock()
		if due {
			if _, err := d.Write(picture(d.draw(), *r, pf)); err != nil {
				return
			}
			continue
		}
		select {
		case <-over:
			return
		case <-d.told:
		case <-changed:
			dirty = true
		}
	}
}

// picture is a FramebufferUpdate of one rectangle.
func picture(img *image.RGBA, r image.Rectangle, pf pixelFormat) []byte {
	out := make([]byte, 0, 16+r.Dx()*r.Dy()*int(pf.Bits)/8)
	out = append(out, 0, 0, 0, 1)
	for _, v := range []int{r.Min.X, r.Min.Y, r.Dx(), r.Dy()} {
		out = binary.BigEndian.AppendUint16(out, uint16(v))
	}
	out = append(out, 0, 0, 0, 0) // raw
	var before []byte
	size := r.Dx() * int(pf.Bits) / 8 // of a line that is sent
	for y := r.Min.Y; y < r.Max.Y; y++ {
		line := img.Pix[img.PixOffset(r.Min.X, y):][:4*r.Dx()]
		if bytes.Equal(line, before) { // as most are
			out = append(out, out[len(out)-size:]...)
			continue
		}
		for x := r.Min.X; x < r.Max.X; x++ {
			out = pf.appendPixel(out, img.RGBAAt(x, y))
		}
		before = line
	}
	return out
}

func skip(c io.Reader, n int64) bool {
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
