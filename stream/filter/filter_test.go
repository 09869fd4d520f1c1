package filter

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
)

var free = Rules{Input: true, CopyIn: MaxText, CopyOut: MaxText}

// begun is what a viewer sends before its first message.
const begun = greeting + "\x01\x00"

func be16(n int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(n)) }
func be32(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

func join(parts ...any) (out []byte) {
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			out = append(out, p...)
		case []byte:
			out = append(out, p...)
		case int:
			out = append(out, byte(p))
		}
	}
	return out
}

var (
	pixels   = join(0, 0, 0, 0, 32, 24, 0, 1, be16(255), be16(255), be16(255), 16, 8, 0, 0, 0, 0)
	askAll   = join(3, 0, be16(0), be16(0), be16(640), be16(400))
	keyDown  = join(4, 1, be16(0), be32('a'))
	pointer  = join(5, 1, be16(10), be16(20))
	qemuKey  = join(255, 0, be16(1), be32('a'), be32(30))
	resize   = join(251, 0, be16(800), be16(600), 1, 0, be32(0), be16(0), be16(0), be16(800), be16(600), be32(0))
	cut      = join(6, 0, 0, 0, be32(5), "hello")
	provide  = join(6, 0, 0, 0, be32(-8), be32(actionProvide|1), "zlib")
	request  = join(6, 0, 0, 0, be32(-4), be32(actionRequest|1))
	both     = join(6, 0, 0, 0, be32(-8), be32(actionRequest|actionNotify|actionProvide|1), "zlib")
	capsText = join(6, 0, 0, 0, be32(-8), be32(actionCaps|1), be32(0))
)

// desk asks for a screen of a size.
func desk(w, h int) []byte {
	return join(251, 0, be16(w), be16(h), 1, 0, be32(0), be16(0), be16(0), be16(w), be16(h), be32(0))
}

func encodings(list ...int) []byte {
	out := join(2, 0, be16(len(list)))
	for _, e := range list {
		out = append(out, be32(e)...)
	}
	return out
}

// packed is a text as one side gives it to the other.
func packed(text string) []byte {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	_, _ = z.Write(join(be32(len(text)), text)) // into memory
	_ = z.Close()
	return b.Bytes()
}

// noise is a packed text that is hardly smaller than it was.
func noise(n int) []byte {
	text := make([]byte, n)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range text {
		text[i] = ' ' + byte(r.IntN(95))
	}
	return packed(string(text))
}

// gives is an extended message, of the viewer (6) or of the display (3).
func gives(kind, formats int, packed []byte) []byte {
	return join(kind, 0, 0, 0, be32(-4-len(packed)), be32(actionProvide|formats), packed)
}

func TestPackedTexts(t *testing.T) {
	half := func(b []byte) []byte { return b[:len(b)-6] } // without its end, as noVNC sends it
	for name, c := range map[string]struct {
		message []byte
		most    int
		want    bool
	}{
		"empty":                     {gives(6, 1, packed("")), 1, true},
		"as long as may be":         {gives(6, 1, packed("12345")), 5, true},
		"longer":                    {gives(6, 1, packed("123456")), 5, false},
		"with a zero":               {gives(6, 1, packed("12345\x00")), 5, true},
		"ends of lines count once":  {gives(6, 1, packed("1\r\n2\r\n")), 4, true},
		"characters, not bytes":     {gives(6, 1, packed("日本語文字")), 5, true},
		"bytes that are no text":    {gives(6, 1, packed("\xff\xff\xff\xff\xff\xff")), 5, false},
		"another format":            {gives(6, 2, packed("1")), 5, false},
		"two formats":               {gives(6, 3, packed("1")), 5, false},
		"no format":                 {gives(6, 0, packed("1")), 5, false},
		"not packed":                {gives(6, 1, []byte("12345")), 5, false},
		"nothing":                   {gives(6, 1, nil), 5, false},
		"no flags":                  {join(6, 0, 0, 0, be32(-2), 1, 2), 5, false},
		"cut off":                   {gives(6, 1, packed("12345")[:6]), 5, false},
		"a stream that goes on":     {gives(6, 1, half(packed("12345"))), 5, true},
		"a short text, and another": {gives(6, 1, longer()), 5, false},
		"a huge one in few bytes":   {gives(6, 1, packed(string(make([]byte, 64<<20)))), 5, false},
	} {
		if got := mayGive(c.message, c.most); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// longer is a packed text with more behind it.
func longer() []byte {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	_, _ = z.Write(join(be32(1), "1", be32(9), "123456789"))
	_ = z.Close()
	return b.Bytes()
}

// feed sends bytes in pieces of a size and returns what passes.
func feed(t *testing.T, r Rules, size int, sent []byte) ([]byte, error) {
	t.Helper()
	v := Viewer{Rules: r}
	var out []byte
	for p := range slices.Chunk(sent, size) {
		var err error
		if out, err = v.Feed(p, out); err != nil {
			return out, err
		}
	}
	return out, nil
}

func TestViewerMessages(t *testing.T) {
	look := Rules{CopyOut: MaxText}
	for _, c := range []struct {
		name  string
		rules Rules
		sent  []byte
		want  []byte // nil: as sent
	}{
		{"everything", free, join(pixels, askAll, keyDown, pointer, qemuKey, resize, cut, provide, request, capsText), nil},
		{"no input", look, join(askAll, keyDown, pointer, qemuKey, resize, askAll), join(askAll, askAll)},
		{"a screen that is too long", free, join(desk(maxSide+1, 1), askAll), askAll},
		{"a screen whose sides are allowed and whose area is not", free, join(desk(maxSide, maxSide), askAll), askAll},
		{"the largest screen", free, desk(maxSide, maxPixels/maxSide), nil},
		{"no copying in", look, join(cut, provide, request, both, capsText), join(request, capsText)},
		{"no copying out", Rules{Input: true, CopyIn: MaxText}, join(cut, provide, request, both, capsText), join(cut, provide, capsText)},
		{"a text as long as may be", Rules{CopyIn: 5}, cut, cut},
		{"a text that is longer", Rules{CopyIn: 4}, cut, []byte{}},
		{"encodings that are not understood", free, encodings(1, 50, 7, -260, 16, 5, 0, -313, -258, -1063131698), encodings(1, 7, 16, 0, -258, -1063131698)},
		{"what is no text where a length is to be kept", Rules{CopyIn: 100, CopyOut: 100}, join(cut, provide, request, both, capsText), join(cut, request, capsText)},
		{"a packed text as long as may be", Rules{CopyIn: 5}, gives(6, 1, packed("hällo")), nil},
		{"a packed text that is longer", Rules{CopyIn: 4}, gives(6, 1, packed("hällo")), []byte{}},
	} {
		want := c.want
		if want == nil {
			want = c.sent
		}
		want = join(greeting, 1, 1, want) // shared, whatever the viewer wanted
		for _, size := range []int{1, 7, 1 << 20} {
			got, err := feed(t, c.rules, size, join(begun, c.sent))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s in pieces of %d: %q, %v; want %q", c.name, size, got, err, want)
			}
		}
	}
}

func TestViewerIsRefused(t *testing.T) {
	for name, sent := range map[string][]byte{
		"another version": []byte("RFB 003.003\n\x01"), "HTTP": []byte("GET / HTTP/1.1\r\n\r\n"), "a password": join(greeting, 2),
		"16 bits a pixel":     join(begun, 0, 0, 0, 0, 16, 16, pixels[6:]),
		"too many encodings":  join(begun, 2, 0, be16(maxEncodings+1)),
		"a huge text":         join(begun, 6, 0, 0, 0, be32(MaxText+1)),
		"a huge extended one": join(begun, 6, 0, 0, 0, be32(-MaxText-1)),
		"the least number":    join(begun, 6, 0, 0, 0, be32(-1<<31)),
		"no flags":            join(begun, 6, 0, 0, 0, be32(-3)),
		"sound":               join(begun, 255, 1, be16(0)),
		"continuous updates":  join(begun, 150, 1, be32(0), be32(0)),
		"many screens":        join(begun, 251, 0, be16(1), be16(1), maxScreens+1, 0),
		"nothing known":       join(begun, 77),
	} {
		if got, err := feed(t, free, 1<<20, sent); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// screen is what a display sends before its first message.
var screen = join(greeting, 2, 19, 1, be32(0), be16(640), be16(400), pixels[4:], be32(4), "name")

// shown is what of it a viewer sees.
var shown = join(greeting, 1, 1, be32(0), be16(640), be16(400), pixels[4:], be32(4), "name")

func rect(w, h, encoding int, body ...any) []byte {
	return join(be16(0), be16(0), be16(w), be16(h), be32(encoding), join(body...))
}

func update(rects ...[]byte) []byte { return join(0, 0, be16(len(rects)), bytes.Join(rects, nil)) }

func follow(r Rules, sent []byte) ([]byte, error) {
	var out bytes.Buffer
	err := (&Guest{Rules: r, In: bytes.NewReader(sent), Out: &out}).Run()
	return out.Bytes(), err
}

var bell = []byte{2}

func TestGuestMessages(t *testing.T) {
	text, extended := join(3, 0, 0, 0, be32(3), "abc"), join(3, 0, 0, 0, be32(-8), be32(actionProvide|1), "zlib")
	asks, caps := join(3, 0, 0, 0, be32(-4), be32(actionRequest|1)), join(3, 0, 0, 0, be32(-4), be32(actionCaps|1))
	long := sequence(20000)
	for _, c := range []struct {
		name  string
		rules Rules
		sent  []byte
		want  []byte // nil: as sent
	}{
		{"raw", free, update(rect(2, 3, raw, sequence(24))), nil},
		{"raw, more than is read at once", free, update(rect(200, 200, raw, sequence(160000)), rect(2, 3, raw, sequence(24))), nil},
		{"copied", free, update(rect(2, 3, copyRect, be32(7))), nil},
		{"one colour", free, update(rect(9, 9, tight, 0x80, "rgb")), nil},
		{"a JPEG", free, update(rect(9, 9, tight, 0x90, 0xa0, 0x9c, 0x01, long)), nil}, // 20000 = 0x20 | 0x1c<<7 | 1<<14
		{"few pixels", free, update(rect(1, 3, tight, 0x00, make([]byte, 9))), nil},
		{"compressed pixels", free, update(rect(9, 9, tight, 0x0f, 5, "12345")), nil},
		{"two colours", free, update(rect(9, 9, tight, 0x50, 1, 1, "rgbRGB", 3, "123")), nil},
		{"two colours, few", free, update(rect(9, 2, tight, 0x50, 1, 1, "rgbRGB", "1234")), nil},
		{"three colours", free, update(rect(3, 3, tight, 0x60, 1, 2, "rgbRGBxyz", "123456789")), nil},
		{"gradient", free, update(rect(9, 9, tight, 0x40, 2, 0x80, 0x01, make([]byte, 128))), nil},
		{"ZRLE", free, update(rect(64, 64, zrle, be32(6), "zlib!!")), nil},
		{"signs", free, update(rect(8, 2, cursor, make([]byte, 66)), rect(800, 600, desktopSize), rect(1, 0, extendedSize, 1, 0, 0, 0, make([]byte, 16)),
			rect(0, 0, qemuKeys), rect(0, 0, qemuLED, 1), rect(0, 0, desktopName, be32(2), "hi")), nil},
		{"the last one said", free, join(0, 0, be16(0xffff), rect(1, 1, raw, be32(0)), rect(0, 0, lastRect)), nil},
		{"a bell and colours", free, join(bell, 1, 0, be16(0), be16(2), make([]byte, 12)), nil},
		{"clipboard", free, join(text, extended, asks, caps), nil},
		{"no copying out", Rules{CopyIn: MaxText}, join(text, extended, asks, caps), join(asks, caps)},
		{"what is no text where a length is to be kept", Rules{CopyIn: 100, CopyOut: 100}, join(text, extended, asks, caps), join(text, asks, caps)},
		{"a packed text as long as may be", Rules{CopyOut: 6}, gives(3, 1, packed("hällo\n")), nil},
		{"a packed text that is longer", Rules{CopyOut: 5}, gives(3, 1, packed("hällo\n")), []byte{}},
		{"a packed text, more than is read at once", Rules{CopyOut: 100_000}, gives(3, 1, noise(100_000)), nil},
		{"one that is longer", Rules{CopyOut: 100_000 - 1}, gives(3, 1, noise(100_000)), []byte{}},
		{"no copying in", Rules{CopyOut: MaxText}, join(text, extended, asks, caps), join(text, extended, caps)},
		{"a text that is too long", Rules{CopyOut: 2}, join(text, bell), bell},
	} {
		want := c.want
		if want == nil {
			want = c.sent
		}
		// The bell shows that the end of the message was found.
		got, err := follow(c.rules, join(screen, c.sent, bell))
		if err != io.EOF || !bytes.Equal(got, join(shown, want, bell)) {
			t.Errorf("%s: %v, %d bytes, want %d", c.name, err, len(got), len(shown)+len(want)+1)
		}
		for _, size := range []int{1, 7, 1000} {
			var out bytes.Buffer
			in := &dribble{bytes.NewReader(join(screen, c.sent, bell)), size}
			if err := (&Guest{Rules: c.rules, In: in, Out: &out}).Run(); err != io.EOF || !bytes.Equal(out.Bytes(), got) {
				t.Errorf("%s, in pieces of %d: %v, %d bytes, and they are others", c.name, size, err, out.Len())
			}
		}
		if _, err := follow(c.rules, join(screen, c.sent[:len(c.sent)-1])); c.want == nil && err != io.ErrUnexpectedEOF {
			t.Errorf("%s, cut: %v", c.name, err)
		}
	}
}

// dribble gives at most so many bytes at a time.
type dribble struct {
	io.Reader
	most int
}

func (d *dribble) Read(p []byte) (int, error) { return d.Reader.Read(p[:min(len(p), d.most)]) }

// sequence is bytes of which none looks like its neighbours.
func sequence(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(i * 7)
	}
	return out
}

// TestGuestPasses: what has come is passed on before more is waited for, and a
// picture larger than a piece is the same on the other side.
func TestGuestPasses(t *testing.T) {
	big := update(rect(200, 200, raw, sequence(160000)), rect(1, 1, raw, be32(0)))
	in, display := io.Pipe()
	viewer, out := io.Pipe()
	go func() { out.CloseWithError((&Guest{Rules: free, In: in, Out: out}).Run()) }()
	for _, p := range [][]byte{screen, bell, big[:5], big[5:100], big[100:150000], big[150000:]} {
		want := p
		if &p[0] == &screen[0] {
			want = shown
		}
		if len(p) == 5 { // what is not judged yet stays
			want = p[:4]
		} else if len(p) == 95 {
			want = big[4:100]
		}
		sent := make(chan error, 1)
		go func() { _, err := display.Write(p); sent <- err }()
		got := make([]byte, len(want))
		if _, err := io.ReadFull(viewer, got); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes: %v, and not what was sent", len(want), err)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	}
	display.Close()
	if _, err := viewer.Read(make([]byte, 1)); err != io.EOF {
		t.Error(err)
	}
}

func TestGuestIsRefused(t *testing.T) {
	for name, sent := range map[string][]byte{
		"another version": []byte("RFB 003.003\n"), "no type": join(greeting, 1, 2), "refused": join(greeting, 1, 1, be32(1)),
		"a huge screen":       join(greeting, 1, 1, be32(0), be16(40000), be16(1), make([]byte, 20)),
		"16 bits":             join(greeting, 1, 1, be32(0), be16(4), be16(4), 16, make([]byte, 19)),
		"a huge rectangle":    join(screen, update(rect(16000, 16000, raw))),
		"unknown encoding":    join(screen, update(rect(1, 1, 5))),
		"unknown message":     join(screen, 9),
		"unknown compression": join(screen, update(rect(9, 9, tight, 0xa0))),
		"unknown filter":      join(screen, update(rect(9, 9, tight, 0x40, 3))),
		"a lonely colour":     join(screen, update(rect(9, 9, tight, 0x40, 1, 0))),
		"a huge name":         join(screen, update(rect(0, 0, desktopName, be32(maxName+1)))),
		"a huge ZRLE":         join(screen, update(rect(9, 9, zrle, be32(maxPacked+1)))),
		"a huge text":         join(screen, 3, 0, 0, 0, be32(maxPacked+1)),
		"the least number":    join(screen, 3, 0, 0, 0, be32(-1<<31), be32(0)),
		"no flags":            join(screen, 3, 0, 0, 0, be32(-1)),
	} {
		if _, err := follow(free, sent); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzViewer: whatever comes in whatever pieces, what passes is the same, never
// more than came, and never what the rules forbid.
func FuzzViewer(f *testing.F) {
	f.Add(join(begun, pixels, encodings(7, 0), askAll, keyDown, cut), uint8(3), true)
	f.Add(join(begun, resize, qemuKey, provide), uint8(1), false)
	f.Fuzz(func(t *testing.T, sent []byte, size uint8, input bool) {
		r := Rules{Input: input}
		whole, err := feed(t, r, len(sent)+1, sent)
		parts, err2 := feed(t, r, int(size)+1, sent)
		if (err == nil) != (err2 == nil) || !bytes.Equal(whole, parts) || len(whole) > len(sent) {
			t.Fatalf("%q, %v; in pieces %q, %v", whole, err, parts, err2)
		}
		if err != nil || len(whole) < len(begun) {
			return
		}
		for rest := whole[len(begun):]; len(rest) > 0; {
			n, err := viewerLength(rest)
			if err != nil || n == 0 || n > len(rest) {
				t.Fatalf("%q passed: %v", rest, err)
			}
			if k := rest[0]; !input && (k == 4 || k == 5 || k == 255 || k == 251) || k == 6 && int32(binary.BigEndian.Uint32(rest[4:])) >= 0 {
				t.Fatalf("message %d passed", k)
			}
			rest = rest[n:]
		}
	})
}

// FuzzGuest: a display cannot make the filter panic, hold more than a piece, or
// send more than it sent.
func FuzzGuest(f *testing.F) {
	f.Add(join(screen, update(rect(9, 9, tight, 0x50, 1, 1, "rgbRGB", 3, "123"), rect(2, 3, raw, make([]byte, 24)))))
	f.Add(join(screen, bell, 3, 0, 0, 0, be32(-8), be32(actionProvide), be32(0)))
	f.Fuzz(func(t *testing.T, sent []byte) {
		got, err := follow(Rules{}, sent)
		if err == nil || len(got) > len(sent)+1 {
			t.Fatalf("%d bytes of %d, %v", len(got), len(sent), err)
		}
	})
}
