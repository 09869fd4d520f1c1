package inspect

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	_ "image/jpeg" // icons may be JPEG files
	"image/png"
	"io"
	"path"
	"strings"

	"slipway/disk/facts"
)

const (
	maxIconSide    = 256
	maxIconPNG     = 300 << 10
	maxResource    = 4 << 20 // bytes of one resource that are read
	maxDirEntries  = 512     // of a resource directory
	resIcon        = 3
	resVersion     = 16
	resGroupIcon   = 14
	resDeeper      = 1 << 31
	maxSections    = 96
	versionMagic   = 0xFEEF04BD
	bitmapInfoSize = 40
)

// iconFrom reads an icon file: PNG, JPEG, BMP or ICO.
func iconFrom(find finder, name string, s *facts.AppSeen) {
	if find.has(name) != nil {
		s.IconMissing = true
		return
	}
	b, err := content(find, name, maxIconFile)
	if err != nil {
		s.IconProblem = clean(err.Error())
		return
	}
	var m image.Image
	switch low := strings.ToLower(path.Ext(strings.ReplaceAll(name, `\`, "/"))); {
	case len(b) > 54 && string(b[:2]) == "BM":
		m, err = bitmap(b[14:], false)
	case low == ".ico" && len(b) > 22:
		m, err = largestIcon(b, func(e []byte) []byte { return slice(b, le.Uint32(e[12:]), le.Uint32(e[8:])) }, 16)
	default:
		m, err = picture(b)
	}
	if err == nil {
		s.IconPNG, err = encode(m)
	}
	if err != nil {
		s.IconProblem = clean(err.Error())
	}
}

// picture decodes PNG and JPEG after asking for the size.
func picture(b []byte) (image.Image, error) {
	c, _, err := image.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	if c.Width > maxIconSide || c.Height > maxIconSide {
		return nil, fmt.Errorf("it has %d × %d pixels, more than %d × %d", c.Width, c.Height, maxIconSide, maxIconSide)
	}
	m, _, err := image.Decode(bytes.NewReader(b))
	return m, err
}

func encode(m image.Image) ([]byte, error) {
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		return nil, err
	}
	if b.Len() > maxIconPNG {
		return nil, fmt.Errorf("it takes more than %d bytes", maxIconPNG)
	}
	return b.Bytes(), nil
}

func slice(b []byte, at, n uint32) []byte {
	if uint64(at)+uint64(n) > uint64(len(b)) {
		return nil
	}
	return b[at : at+n]
}

// largestIcon takes the largest picture of a group: entries of size bytes each
// follow a head of six.
func largestIcon(group []byte, data func(entry []byte) []byte, size int) (image.Image, error) {
	best, side := []byte(nil), 0
	for i := range int(le.Uint16(group[4:])) {
		at := 6 + i*size
		if at+size > len(group) || i >= maxDirEntries {
			break
		}
		e := group[at : at+size]
		w := int(e[0])
		if w == 0 {
			w = 256
		}
		if w > side || w == side && le.Uint16(e[6:]) >= 32 {
			if d := data(e); d != nil {
				best, side = d, w
			}
		}
	}
	if best == nil {
		return nil, fmt.Errorf("it holds no icon")
	}
	if bytes.HasPrefix(best, []byte("\x89PNG")) {
		return picture(best)
	}
	return bitmap(best, true)
}

// bitmap decodes an uncompressed device-independent bitmap of 8, 24 or 32 bits
// a pixel; that of an icon counts its mask as height.
func bitmap(b []byte, icon bool) (image.Image, error) {
	if len(b) < bitmapInfoSize {
		return nil, errDamaged
	}
	head, w, h := int(le.Uint32(b)), int(int32(le.Uint32(b[4:]))), int(int32(le.Uint32(b[8:])))
	depth, colours := int(le.Uint16(b[14:])), int(le.Uint32(b[32:]))
	up := h > 0
	if h < 0 {
		h = -h
	}
	if icon {
		h /= 2
	}
	if depth == 8 && colours == 0 {
		colours = 256
	}
	if head < bitmapInfoSize || head > 256 || w < 1 || w > maxIconSide || h < 1 || h > maxIconSide || colours > 256 ||
		le.Uint32(b[16:]) != 0 || depth != 8 && depth != 24 && depth != 32 {
		return nil, fmt.Errorf("it is a bitmap of a kind that is not shown")
	}
	row := (w*depth + 31) / 32 * 4
	at, mask := head+4*colours, (w+31)/32*4
	if len(b) < at+row*h {
		return nil, errDamaged
	}
	m, alpha := image.NewNRGBA(image.Rect(0, 0, w, h)), false
	for y := range h {
		line := y
		if up {
			line = h - 1 - y
		}
		for x := range w {
			p := b[at+line*row+x*depth/8:]
			c := color.NRGBA{A: 255}
			switch depth {
			case 8:
				q := b[min(head+4*int(p[0]), len(b)-4):]
				c.B, c.G, c.R = q[0], q[1], q[2]
			default:
				c.B, c.G, c.R = p[0], p[1], p[2]
				if depth == 32 && icon {
					c.A = p[3]
					alpha = alpha || p[3] != 0
				}
			}
			m.SetNRGBA(x, y, c)
		}
	}
	if icon && !alpha { // the mask tells what is seen through
		for y := range h {
			for x := range w {
				i := at + row*h + (h-1-y)*mask + x/8
				c := m.NRGBAAt(x, y)
				c.A = 255
				if i < len(b) && b[i]&(0x80>>(x%8)) != 0 {
					c.A = 0
				}
				m.SetNRGBA(x, y, c)
			}
		}
	}
	return m, nil
}

// offset turns an address of the loaded program into a place in its file.
func (p *peFile) offset(address uint32) (int64, bool) {
	for i := range min(p.count, maxSections) {
		at := p.table + 40*i
		if at+40 > len(p.head) {
			return 0, false
		}
		s := p.head[at:]
		begin, size, raw := le.Uint32(s[12:]), max(le.Uint32(s[8:]), le.Uint32(s[16:])), le.Uint32(s[20:])
		if address >= begin && address-begin < size {
			return int64(raw) + int64(address-begin), true
		}
	}
	return 0, false
}

// resource reads the first resource of a type; with an id that one.
func (p *peFile) resource(r io.ReaderAt, typ, id uint32) []byte {
	base, ok := p.offset(p.dirs[dirResources][0])
	if !ok {
		return nil
	}
	at := uint32(0)
	for _, want := range []uint32{typ, id, 0} {
		head := make([]byte, 16)
		if n, _ := r.ReadAt(head, base+int64(at)); n < 16 {
			return nil
		}
		count := min(int(le.Uint16(head[12:]))+int(le.Uint16(head[14:])), maxDirEntries)
		entries := make([]byte, 8*count)
		if n, _ := r.ReadAt(entries, base+int64(at)+16); n < len(entries) {
			return nil
		}
		found := false
		for ; len(entries) > 0 && !found; entries = entries[8:] {
			if want == 0 || le.Uint32(entries) == want {
				at, found = le.Uint32(entries[4:])&^resDeeper, true
			}
		}
		if !found {
			return nil
		}
	}
	leaf := make([]byte, 16)
	if n, _ := r.ReadAt(leaf, base+int64(at)); n < 16 {
		return nil
	}
	place, ok := p.offset(le.Uint32(leaf))
	if !ok || le.Uint32(leaf[4:]) > maxResource {
		return nil
	}
	b := make([]byte, le.Uint32(leaf[4:]))
	n, _ := r.ReadAt(b, place)
	return b[:n]
}

// icon is the program's own icon as a PNG, nil without one that can be shown.
func (p *peFile) icon(r io.ReaderAt, _ int64) []byte {
	group := p.resource(r, resGroupIcon, 0)
	if len(group) < 6+14 {
		return nil
	}
	m, err := largestIcon(group, func(e []byte) []byte { return p.resource(r, resIcon, uint32(le.Uint16(e[12:]))) }, 14)
	if err != nil {
		return nil
	}
	b, err := encode(m)
	if err != nil {
		return nil
	}
	return b
}

// version is the file version of the program, "1.2.3.4".
func (p *peFile) version(r io.ReaderAt, _ int64) string {
	b := p.resource(r, resVersion, 0)
	var magic [4]byte
	le.PutUint32(magic[:], versionMagic)
	i := bytes.Index(b, magic[:])
	if i < 0 || len(b) < i+16 {
		return ""
	}
	hi, lo := le.Uint32(b[i+8:]), le.Uint32(b[i+12:])
	return fmt.Sprintf("%d.%d.%d.%d", hi>>16, hi&0xFFFF, lo>>16, lo&0xFFFF)
}
