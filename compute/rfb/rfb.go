// Package rfb is the smallest client of the remote framebuffer protocol (RFC
// 6143) that can prove a display works: it fetches one full picture. The other
// side is not trusted: every size is bounded before memory is taken. Nothing
// here draws, types, follows changes or serves.
package rfb

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"io"
	"net"
	"time"

	"slipway/fault"
)

// Bounds on what a server may announce.
const (
	MaxSide   = 8192        // pixels, width and height
	MaxPixels = 32 << 20    // of the whole picture: 128 MiB of memory
	maxName   = 64 << 10    // bytes of the desktop's name or of a reason
	maxText   = 1 << 20     // bytes of one clipboard message, which is skipped
	maxRects  = 1 << 16     // over all updates until the picture is full
	maxOther  = 1000        // messages that are no update
	limit     = time.Minute // when the context has no deadline
)

// Frame speaks the protocol on c from the server's greeting on and returns the
// whole screen. It needs RFB 3.3 to 3.8, security type None and raw encoding,
// which every server has. c is not closed, but of no further use. Errors:
// Unavailable when the server does not keep to the protocol or exceeds a bound,
// ctx.Err() when ctx ends first.
func Frame(ctx context.Context, c net.Conn) (image.Image, error) {
	whole, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	// The connection's own deadline only follows the context: set directly, it
	// could end a read a moment before the context knows.
	stop := context.AfterFunc(whole, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	img, err := frame(struct {
		io.Reader
		io.Writer
	}{bufio.NewReader(c), c})
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fault.Wrap(fault.Unavailable, err, "The display did not answer as it should.")
	}
	return img, nil
}

func frame(c io.ReadWriter) (*image.RGBA, error) {
	w, h, err := handshake(c)
	if err != nil {
		return nil, err
	}
	// 32 bits little endian, red in the third byte; only raw rectangles.
	ask := []byte{0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0,
		2, 0, 0, 1, 0, 0, 0, 0}
	if _, err := c.Write(append(ask, request(w, h)...)); err != nil {
		return nil, fmt.Errorf("ask for a picture: %w", err)
	}
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	todo, rects := int64(w)*int64(h), 0
	row := make([]byte, 4*w)
	for other := 0; todo > 0; {
		kind, err := readByte(c)
		if err != nil {
			return nil, fmt.Errorf("read a message: %w", err)
		}
		if kind != 0 {
			if other++; other > maxOther {
				return nil, fmt.Errorf("more than %d messages without a picture", maxOther)
			}
			if err := skipMessage(c, kind); err != nil {
				return nil, err
			}
			continue
		}
		n, err := update(c, img, row, &rects)
		if err != nil {
			return nil, err
		}
		// Rectangles that cover each other would let the count reach the whole
		// with a part missing; no server sends such an answer to a full request.
		todo -= n
		if todo > 0 {
			if _, err := c.Write(request(w, h)); err != nil {
				return nil, fmt.Errorf("ask for the rest: %w", err)
			}
		}
	}
	return img, nil
}

func request(w, h int) []byte {
	b := []byte{3, 0, 0, 0, 0, 0}
	b = binary.BigEndian.AppendUint16(b, uint16(w))
	return binary.BigEndian.AppendUint16(b, uint16(h))
}

// handshake goes from the greeting to ServerInit and returns the size.
func handshake(c io.ReadWriter) (w, h int, err error) {
	greeting := make([]byte, 12)
	if _, err := io.ReadFull(c, greeting); err != nil {
		return 0, 0, fmt.Errorf("read the greeting: %w", err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(string(greeting), "RFB %03d.%03d\n", &major, &minor); err != nil || major != 3 {
		return 0, 0, fmt.Errorf("greeting %q is not RFB 3", greeting)
	}
	switch {
	case minor >= 8:
		minor = 8
	case minor != 7:
		minor = 3
	}
	if _, err := fmt.Fprintf(c, "RFB 003.%03d\n", minor); err != nil {
		return 0, 0, fmt.Errorf("greet: %w", err)
	}
	if err := security(c, minor); err != nil {
		return 0, 0, err
	}
	if _, err := c.Write([]byte{1}); err != nil { // shared: others may look too
		return 0, 0, fmt.Errorf("enter: %w", err)
	}
	var init struct {
		W, H   uint16
		Format [16]byte
		Name   uint32
	}
	if err := binary.Read(c, binary.BigEndian, &init); err != nil {
		return 0, 0, fmt.Errorf("read the size: %w", err)
	}
	w, h = int(init.W), int(init.H)
	if w < 1 || h < 1 || w > MaxSide || h > MaxSide || w*h > MaxPixels {
		return 0, 0, fmt.Errorf("a screen of %d by %d pixels is out of bounds", w, h)
	}
	return w, h, skip(c, init.Name, maxName)
}

func security(c io.ReadWriter, minor int) error {
	if minor == 3 { // the server decides
		var kind uint32
		if err := binary.Read(c, binary.BigEndian, &kind); err != nil {
			return fmt.Errorf("read the security type: %w", err)
		}
		if kind != 1 {
			return fmt.Errorf("security type %d, wanted none", kind)
		}
		return nil
	}
	n, err := readByte(c)
	if err != nil {
		return fmt.Errorf("read the security types: %w", err)
	}
	if n == 0 {
		return refusal(c)
	}
	kinds := make([]byte, n)
	if _, err := io.ReadFull(c, kinds); err != nil {
		return fmt.Errorf("read the security types: %w", err)
	}
	if !contains(kinds, 1) {
		return fmt.Errorf("security types %v do not include none", kinds)
	}
	if _, err := c.Write([]byte{1}); err != nil {
		return fmt.Errorf("choose security: %w", err)
	}
	if minor < 8 {
		return nil // 3.7 sends no result for None
	}
	var result uint32
	if err := binary.Read(c, binary.BigEndian, &result); err != nil {
		return fmt.Errorf("read the security result: %w", err)
	}
	if result != 0 {
		return refusal(c)
	}
	return nil
}

func contains(b []byte, v byte) bool {
	for _, x := range b {
		if x == v {
			return true
		}
	}
	return false
}

func refusal(c io.Reader) error {
	var n uint32
	if err := binary.Read(c, binary.BigEndian, &n); err != nil || n > maxName {
		return fmt.Errorf("the server refused without a reason")
	}
	why := make([]byte, n)
	if _, err := io.ReadFull(c, why); err != nil {
		return fmt.Errorf("the server refused: %w", err)
	}
	return fmt.Errorf("the server refused: %q", why)
}

// update reads one FramebufferUpdate after its type byte into img and returns
// the number of pixels it brought.
func update(c io.Reader, img *image.RGBA, row []byte, rects *int) (int64, error) {
	var head struct {
		_ uint8
		N uint16
	}
	if err := binary.Read(c, binary.BigEndian, &head); err != nil {
		return 0, fmt.Errorf("read an update: %w", err)
	}
	// An empty update counts too, so that a server cannot send them for ever.
	if *rects += max(1, int(head.N)); *rects > maxRects {
		return 0, fmt.Errorf("more than %d rectangles", maxRects)
	}
	var got int64
	for range head.N {
		var r struct {
			X, Y, W, H uint16
			Encoding   int32
		}
		if err := binary.Read(c, binary.BigEndian, &r); err != nil {
			return 0, fmt.Errorf("read a rectangle: %w", err)
		}
		box := image.Rect(int(r.X), int(r.Y), int(r.X)+int(r.W), int(r.Y)+int(r.H))
		// Not box.In: a box without area is "in" everything, however wide it is.
		if r.Encoding != 0 || box.Max.X > img.Rect.Max.X || box.Max.Y > img.Rect.Max.Y {
			return 0, fmt.Errorf("rectangle %v in encoding %d on a screen of %v", box, r.Encoding, img.Rect.Max)
		}
		line := row[:4*box.Dx()]
		for y := box.Min.Y; y < box.Max.Y && len(line) > 0; y++ {
			if _, err := io.ReadFull(c, line); err != nil {
				return 0, fmt.Errorf("read pixels: %w", err)
			}
			out := img.Pix[img.PixOffset(box.Min.X, y):][:len(line)]
			for i := 0; i+4 <= len(line); i += 4 { // blue, green, red becomes red, green, blue
				v := binary.LittleEndian.Uint32(line[i:])
				binary.LittleEndian.PutUint32(out[i:], v>>16&0xff|v&0xff00|v&0xff<<16|0xff<<24)
			}
		}
		got += int64(box.Dx()) * int64(box.Dy())
	}
	return got, nil
}

// skipMessage reads past a message that is no update.
func skipMessage(c io.Reader, kind byte) error {
	switch kind {
	case 1: // SetColourMapEntries
		var h struct {
			_        uint8
			First, N uint16
		}
		if err := binary.Read(c, binary.BigEndian, &h); err != nil {
			return fmt.Errorf("read a colour map: %w", err)
		}
		return skip(c, 6*uint32(h.N), maxText)
	case 2: // Bell
		return nil
	case 3: // ServerCutText
		var h struct {
			_ [3]uint8
			N uint32
		}
		if err := binary.Read(c, binary.BigEndian, &h); err != nil {
			return fmt.Errorf("read the clipboard: %w", err)
		}
		return skip(c, h.N, maxText)
	}
	return fmt.Errorf("message of unknown type %d", kind)
}

func skip(c io.Reader, n, most uint32) error {
	if n > most {
		return fmt.Errorf("%d bytes where at most %d are allowed", n, most)
	}
	if _, err := io.CopyN(io.Discard, c, int64(n)); err != nil {
		return fmt.Errorf("skip %d bytes: %w", n, err)
	}
	return nil
}

func readByte(c io.Reader) (byte, error) {
	var b [1]byte
	_, err := io.ReadFull(c, b[:])
	return b[0], err
}

// Blank tells whether a picture shows nothing: fewer than one pixel in 500
// differs from the most frequent colour. A lone text cursor is still blank.
func Blank(img image.Image) bool {
	count := map[[3]uint8]int{}
	b := img.Bounds()
	total, seen, most := b.Dx()*b.Dy(), 0, 0
	plain, _ := img.(*image.RGBA)
	at := func(x, y int) [3]uint8 {
		if plain != nil {
			p := plain.Pix[plain.PixOffset(x, y):]
			return [3]uint8{p[0], p[1], p[2]}
		}
		r, g, bl, _ := img.At(x, y).RGBA()
		return [3]uint8{uint8(r >> 8), uint8(g >> 8), uint8(bl >> 8)}
	}
	for y := b.Min.Y; y < b.Max.Y; y++ {
		// Most of a screen is areas: a run of one colour is counted at once.
		for x := b.Min.X; x < b.Max.X; {
			c, from := at(x, y), x
			for x++; x < b.Max.X && at(x, y) == c; x++ {
			}
			count[c] += x - from
			seen, most = seen+x-from, max(most, count[c])
		}
		// The rest may have all one colour; what was seen beside it stays.
		if total > 0 && (seen-most)*500 >= total {
			return false
		}
	}
	return true
}
