package filter

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
)

// Guest follows what a guest's display sends, from In to Out. All that has come
// is written, in pieces of at most 64 KiB, before more is waited for.
type Guest struct {
	Rules Rules
	In    io.Reader
	Out   io.Writer
	// Updates counts pictures, or parts of them.
	Updates int64

	// buf holds what was read, up to end. What lies before at has been judged, and
	// of that, what lies before sent is with the viewer or was kept back.
	buf           []byte
	sent, at, end int
}

// piece is how much is read at once.
const piece = 64 << 10

// Run follows the display until an error; io.EOF after a last whole message.
func (g *Guest) Run() error {
	g.buf = make([]byte, piece)
	if err := g.handshake(); err != nil {
		return err
	}
	for {
		if err := g.message(); err != nil {
			return err
		}
	}
}

// flush writes what was judged and may pass.
func (g *Guest) flush() error {
	if g.sent == g.at {
		return nil
	}
	_, err := g.Out.Write(g.buf[g.sent:g.at])
	g.sent = g.at
	return err
}

// more reads at least a byte, after everything that may pass has been written.
func (g *Guest) more() error {
	if err := g.flush(); err != nil {
		return err
	}
	g.end = copy(g.buf, g.buf[g.at:g.end]) // the beginning of a head, a few bytes
	g.at, g.sent = 0, 0
	n, err := g.In.Read(g.buf[g.end:])
	g.end += n
	if n > 0 {
		return nil
	}
	return err
}

// peek gives the next n bytes, which are not judged yet: a few, far fewer than
// there is room for. They hold until the next read.
func (g *Guest) peek(n int) ([]byte, error) {
	for g.end-g.at < n {
		if err := g.more(); err != nil {
			return nil, err
		}
	}
	return g.buf[g.at : g.at+n], nil
}

// take reads n bytes, which are passed on. They hold until the next read.
func (g *Guest) take(n int) ([]byte, error) {
	b, err := g.peek(n)
	g.at += len(b)
	return b, short(err)
}

// pass passes n bytes on.
func (g *Guest) pass(n int64) error {
	for n > 0 {
		if _, err := g.peek(1); err != nil {
			return short(err)
		}
		k := min(n, int64(g.end-g.at))
		g.at, n = g.at+int(k), n-k
	}
	return nil
}

// drop keeps n bytes back.
func (g *Guest) drop(n int64) error {
	if err := g.flush(); err != nil {
		return err
	}
	for n > 0 {
		if _, err := g.peek(1); err != nil {
			return short(err)
		}
		k := min(n, int64(g.end-g.at))
		g.at, n = g.at+int(k), n-k
		g.sent = g.at
	}
	return nil
}

// short is an end in the midst of something.
func short(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (g *Guest) handshake() error {
	b, err := g.take(len(greeting))
	if err != nil {
		return err
	}
	if string(b) != greeting {
		return wrong("the display greets with %q", b)
	}
	if err := g.security(); err != nil {
		return err
	}
	if b, err = g.take(4); err != nil {
		return err
	}
	if binary.BigEndian.Uint32(b) != 0 {
		return wrong("the display lets nobody in")
	}
	if b, err = g.take(24); err != nil { // ServerInit
		return err
	}
	w, h := int(binary.BigEndian.Uint16(b)), int(binary.BigEndian.Uint16(b[2:]))
	name := binary.BigEndian.Uint32(b[20:])
	if b[4] != 8*bytesPerPixel || name > maxName {
		return wrong("the display has %d bits a pixel and a name of %d bytes", b[4], name)
	}
	if err := area(w, h); err != nil {
		return err
	}
	return g.pass(int64(name))
}

// security offers viewers the one type that is used: none. Who may look was
// decided before.
func (g *Guest) security() error {
	n, err := g.peek(1)
	if err != nil {
		return short(err)
	}
	kinds, err := g.peek(1 + int(n[0]))
	if err != nil {
		return short(err)
	}
	if !bytes.Contains(kinds[1:], []byte{1}) {
		return wrong("the display wants a password")
	}
	if err := g.drop(int64(len(kinds))); err != nil {
		return err
	}
	_, err = g.Out.Write([]byte{1, 1})
	return err
}

func area(w, h int) error {
	if w > maxSide || h > maxSide || w*h > maxPixels {
		return wrong("%d by %d pixels", w, h)
	}
	return nil
}

func (g *Guest) message() error {
	kind, err := g.peek(1)
	if err != nil {
		return err // between messages: no surprise
	}
	switch kind[0] {
	case 0:
		return g.update()
	case 1: // SetColourMapEntries
		b, err := g.take(6)
		if err != nil {
			return err
		}
		return g.pass(6 * int64(binary.BigEndian.Uint16(b[4:])))
	case 2: // Bell
		_, err := g.take(1)
		return err
	case 3:
		return g.text()
	}
	return wrong("message %d from the display", kind[0])
}

// text is ServerCutText, plain or extended.
func (g *Guest) text() error {
	head, err := g.peek(clipboardHeader)
	if err != nil {
		return short(err)
	}
	length, flags := int32(binary.BigEndian.Uint32(head[4:])), uint32(0)
	size := max(int64(length), -int64(length))
	if length < 0 {
		if size < 4 {
			return wrong("an extended clipboard of %d bytes", size)
		}
		if head, err = g.peek(clipboardHeader + 4); err != nil {
			return short(err)
		}
		flags = binary.BigEndian.Uint32(head[clipboardHeader:])
	}
	if size > maxPacked {
		return wrong("a clipboard of %d bytes", size)
	}
	switch {
	case !g.Rules.textMayPass(length, flags, false):
	case !looksInto(length, flags, g.Rules.CopyOut):
		return g.pass(clipboardHeader + size)
	case size <= MaxText:
		m, err := g.hold(clipboardHeader + int(size))
		if err == nil && mayGive(m, g.Rules.CopyOut) {
			err = g.give(m)
		}
		return err
	}
	return g.drop(clipboardHeader + size)
}

// hold keeps n bytes back and returns them.
func (g *Guest) hold(n int) ([]byte, error) {
	if err := g.flush(); err != nil {
		return nil, err
	}
	var out []byte // as large as what has come: the count is the guest's
	for len(out) < n {
		if _, err := g.peek(1); err != nil {
			return nil, short(err)
		}
		k := min(n-len(out), g.end-g.at)
		out = append(out, g.buf[g.at:g.at+k]...)
		g.at += k
		g.sent = g.at
	}
	return out, nil
}

// give passes on what was held.
func (g *Guest) give(b []byte) error {
	for p := range slices.Chunk(b, piece) {
		if _, err := g.Out.Write(p); err != nil {
			return err
		}
	}
	return nil
}

// update is FramebufferUpdate.
func (g *Guest) update() error {
	b, err := g.take(4)
	if err != nil {
		return err
	}
	g.Updates++
	for range binary.BigEndian.Uint16(b[2:]) {
		last, err := g.rectangle()
		if err != nil || last {
			return err
		}
	}
	return nil
}

// rectangle passes one on and tells whether it says that no more follow.
func (g *Guest) rectangle() (last bool, err error) {
	b, err := g.take(12)
	if err != nil {
		return false, err
	}
	w, h := int(binary.BigEndian.Uint16(b[4:])), int(binary.BigEndian.Uint16(b[6:]))
	encoding := int32(binary.BigEndian.Uint32(b[8:]))
	if encoding == lastRect {
		return true, nil
	}
	if err := area(w, h); err != nil {
		return false, err
	}
	switch encoding {
	case raw:
		return false, g.pass(int64(w) * int64(h) * bytesPerPixel)
	case copyRect:
		return false, g.pass(4)
	case tight:
		return false, g.tight(w, h)
	case zrle:
		return false, g.counted(maxPacked)
	case cursor:
		return false, g.pass(int64(w)*int64(h)*bytesPerPixel + int64(h)*int64((w+7)/8))
	case desktopSize, qemuKeys:
		return false, nil
	case qemuLED:
		return false, g.pass(1)
	case desktopName:
		return false, g.counted(maxName)
	case extendedSize:
		if b, err = g.take(4); err != nil {
			return false, err
		}
		return false, g.pass(16 * int64(b[0]))
	}
	return false, wrong("encoding %d from the display", encoding)
}

// counted passes on a count and as many bytes.
func (g *Guest) counted(most uint32) error {
	b, err := g.take(4)
	if err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(b)
	if n > most {
		return wrong("%d bytes where %d are the most", n, most)
	}
	return g.pass(int64(n))
}

// tight passes on a rectangle of TightVNC's encoding: one colour, a JPEG, or
// pixels after one of three filters, compressed unless they are few.
func (g *Guest) tight(w, h int) error {
	b, err := g.take(1)
	if err != nil {
		return err
	}
	switch control := b[0] >> 4; {
	case control == 8:
		return g.pass(tightPixel)
	case control == 9:
		return g.compact()
	case control > 9:
		return wrong("compression %d in a rectangle", control)
	default:
		return g.filtered(w, h, control&4 != 0)
	}
}

func (g *Guest) filtered(w, h int, named bool) error {
	size := int64(w) * int64(h) * tightPixel
	if named {
		b, err := g.take(1)
		if err != nil {
			return err
		}
		switch b[0] {
		case 0, 2: // as it is; differences to neighbours
		case 1: // a palette
			if b, err = g.take(1); err != nil {
				return err
			}
			colours := int64(b[0]) + 1
			if colours < 2 {
				return wrong("a palette of one colour")
			}
			if err := g.pass(colours * tightPixel); err != nil {
				return err
			}
			size = int64(w) * int64(h)
			if colours == 2 {
				size = int64((w+7)/8) * int64(h)
			}
		default:
			return wrong("filter %d in a rectangle", b[0])
		}
	}
	if size < tightLeast {
		return g.pass(size)
	}
	return g.compact()
}

// compact passes on a count of one to three bytes and as many bytes.
func (g *Guest) compact() error {
	var n int64
	for i := range 3 {
		b, err := g.take(1)
		if err != nil {
			return err
		}
		if i == 2 {
			n |= int64(b[0]) << 14
			break
		}
		n |= int64(b[0]&0x7f) << (7 * i)
		if b[0]&0x80 == 0 {
			break
		}
	}
	return g.pass(n)
}
