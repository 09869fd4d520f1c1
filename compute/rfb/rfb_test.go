package rfb

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"io"
	"net"
	"testing"
	"time"

	"slipway/fault"
)

// script answers with fixed bytes whatever it is asked.
type script struct{ io.Reader }

func (script) Write(p []byte) (int, error) { return len(p), nil }

func hello(w, h int) []byte {
	b := append([]byte("RFB 003.008\n"), 1, 1, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(w))
	b = binary.BigEndian.AppendUint16(b, uint16(h))
	return append(b, make([]byte, 16+4)...)
}

func rect(x, y, w, h int, fill byte) []byte {
	var b []byte
	for _, v := range []int{x, y, w, h} {
		b = binary.BigEndian.AppendUint16(b, uint16(v))
	}
	b = append(b, 0, 0, 0, 0)
	return append(b, bytes.Repeat([]byte{fill, fill + 1, fill + 2, 0}, w*h)...)
}

func TestFrameFromSeveralRectanglesAndUpdates(t *testing.T) {
	b := hello(4, 2)
	b = append(b, 2)                                // bell
	b = append(b, 3, 0, 0, 0, 0, 0, 0, 2, 'h', 'i') // clipboard
	b = append(append(append(b, 0, 0, 0, 2), rect(0, 0, 2, 2, 10)...), rect(2, 0, 2, 1, 20)...)
	b = append(append(b, 0, 0, 0, 1), rect(2, 1, 2, 1, 30)...)
	img, err := frame(script{bytes.NewReader(b)})
	if err != nil {
		t.Fatal(err)
	}
	for p, want := range map[image.Point]uint8{{X: 1, Y: 1}: 12, {X: 3, Y: 0}: 22, {X: 2, Y: 1}: 32} {
		if got := img.RGBAAt(p.X, p.Y); got != (color.RGBA{want, want - 1, want - 2, 255}) {
			t.Errorf("pixel %v is %v", p, got)
		}
	}
}

func TestHostileServers(t *testing.T) {
	for name, b := range map[string][]byte{
		"nothing":       nil,
		"not rfb":       []byte("HTTP/1.1 400"),
		"huge screen":   hello(65535, 65535),
		"empty screen":  hello(0, 10),
		"outside":       append(append(hello(4, 4), 0, 0, 0, 1), rect(3, 3, 2, 2, 0)...),
		"no none":       append([]byte("RFB 003.008\n"), 1, 2),
		"refused":       append([]byte("RFB 003.008\n"), 0, 0, 0, 0, 2, 'n', 'o'),
		"huge reason":   append([]byte("RFB 003.008\n"), 0, 255, 255, 255, 255),
		"huge text":     append(hello(4, 4), 3, 0, 0, 0, 255, 255, 255, 255),
		"empty updates": append(hello(4, 4), bytes.Repeat([]byte{0, 0, 0, 0}, maxRects+1)...),
		"bells":         append(hello(4, 4), bytes.Repeat([]byte{2}, maxOther+1)...),
	} {
		if _, err := frame(script{bytes.NewReader(b)}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestFrameObeysItsContext(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := Frame(ctx, ours); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a silent server: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if _, err := Frame(ctx, ours); !errors.Is(err, context.Canceled) {
		t.Fatalf("a cancelled context: %v", err)
	}
	if _, err := Frame(t.Context(), closed{}); !fault.Is(err, fault.Unavailable) {
		t.Fatalf("a closed connection: %v", err)
	}
}

type closed struct{ net.Conn }

func (closed) SetDeadline(time.Time) error { return nil }
func (closed) Read([]byte) (int, error)    { return 0, io.EOF }
func (closed) Write([]byte) (int, error)   { return 0, io.ErrClosedPipe }

func TestBlank(t *testing.T) {
	img := image.NewRGBA(image.Rect(0, 0, 100, 100))
	if !Blank(img) || !Blank(image.NewRGBA(image.Rectangle{})) {
		t.Error("an empty picture must be blank")
	}
	for x := range 10 {
		img.SetRGBA(x, 0, color.RGBA{255, 255, 255, 255})
	}
	if !Blank(img) {
		t.Error("a cursor alone is blank")
	}
	for x := range 60 {
		img.SetRGBA(x, 7, color.RGBA{200, 255, 255, 255})
	}
	if Blank(img) {
		t.Error("text is not blank")
	}
}

// FuzzFrame holds that no server can make the client panic, hang or take
// memory beyond its bounds.
func FuzzFrame(f *testing.F) {
	f.Add(append(append(hello(4, 2), 0, 0, 0, 1), rect(0, 0, 4, 2, 1)...))
	f.Add(append(hello(2, 2), 1, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 2))
	f.Add(append([]byte("RFB 003.003\n"), 0, 0, 0, 1, 0, 1, 0, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		img, err := frame(script{bytes.NewReader(b)})
		if err == nil && (img.Rect.Dx() > MaxSide || img.Rect.Dx()*img.Rect.Dy() > MaxPixels) {
			t.Fatalf("accepted %v", img.Rect)
		}
	})
}
