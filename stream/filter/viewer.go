package filter

import "encoding/binary"

// Viewer follows what a viewer sends. The zero value with its Rules is at the
// beginning of a connection.
type Viewer struct {
	Rules Rules
	// Inputs counts key and pointer events, also those that are kept back.
	Inputs int64
	// Width and Height are the size that the viewer asked the screen to have last,
	// Sizes how often it asked.
	Width, Height int
	Sizes         int64

	stage   int // 0 greeting, 1 security type, 2 ClientInit, 3 messages
	pending []byte
}

// Feed takes the next bytes of a viewer and appends to out what the guest may
// have of them. Messages are passed on whole.
func (v *Viewer) Feed(p, out []byte) ([]byte, error) {
	if len(v.pending) > 0 {
		v.pending = append(v.pending, p...)
		p = v.pending
	}
	for {
		n, rest, err := v.one(p, out)
		if err != nil {
			return out, err
		}
		if n == 0 {
			break
		}
		p, out = p[n:], rest
	}
	// What is left is the beginning of a message; one bounds it.
	v.pending = append(v.pending[:0], p...)
	return out, nil
}

// one looks at the message that p begins with and returns its length, 0 when
// not all of it is there.
func (v *Viewer) one(p, out []byte) (int, []byte, error) {
	if len(p) == 0 {
		return 0, out, nil
	}
	switch v.stage {
	case 0:
		if len(p) < len(greeting) {
			return 0, out, nil
		}
		if string(p[:len(greeting)]) != greeting {
			return 0, out, wrong("the viewer speaks another version")
		}
		v.stage++
		return len(greeting), append(out, greeting...), nil
	case 1:
		if p[0] != 1 {
			return 0, out, wrong("the viewer wants security type %d", p[0])
		}
		v.stage++
		return 1, append(out, 1), nil
	case 2:
		v.stage++
		return 1, append(out, 1), nil // shared, whatever the viewer says: nobody throws others out
	}
	n, err := viewerLength(p)
	if err != nil || n == 0 || n > len(p) {
		return 0, out, err
	}
	out, err = v.message(p[:n], out)
	return n, out, err
}

// viewerLength is the length of the message that p begins with, 0 while it
// cannot be told.
func viewerLength(p []byte) (int, error) {
	switch p[0] {
	case 0: // SetPixelFormat
		return 20, nil
	case 3: // FramebufferUpdateRequest
		return 10, nil
	case 4: // KeyEvent
		return 8, nil
	case 5: // PointerEvent
		return 6, nil
	case 2: // SetEncodings
		if len(p) < 4 {
			return 0, nil
		}
		n := int(binary.BigEndian.Uint16(p[2:]))
		if n > maxEncodings {
			return 0, wrong("%d encodings", n)
		}
		return 4 + 4*n, nil
	case 6: // ClientCutText
		if len(p) < clipboardHeader {
			return 0, nil
		}
		n := int64(int32(binary.BigEndian.Uint32(p[4:])))
		size := max(n, -n)
		if size > MaxText || n < 0 && size < 4 {
			return 0, wrong("a clipboard of %d bytes", n)
		}
		return clipboardHeader + int(size), nil
	case 251: // SetDesktopSize
		if len(p) < 8 {
			return 0, nil
		}
		if p[6] > maxScreens {
			return 0, wrong("%d screens", p[6])
		}
		return 8 + 16*int(p[6]), nil
	case 255: // QEMU's own
		if len(p) < 2 {
			return 0, nil
		}
		if p[1] != 0 {
			return 0, wrong("QEMU's message %d", p[1])
		}
		return 12, nil
	}
	return 0, wrong("message %d from the viewer", p[0])
}

// message judges one whole message.
func (v *Viewer) message(m, out []byte) ([]byte, error) {
	pass := true
	switch m[0] {
	case 0:
		// Bits, depth, order, true colour, three maxima: all the guest's side relies on.
		if m[4] != 32 || m[5] != 24 || m[7] == 0 || string(m[8:14]) != "\x00\xff\x00\xff\x00\xff" {
			return out, wrong("pixels of %d bits", m[4])
		}
	case 2:
		return v.encodings(m, out), nil
	case 4, 5, 255:
		v.Inputs++
		pass = v.Rules.Input
	case 6:
		length, flags := int32(binary.BigEndian.Uint32(m[4:])), uint32(0)
		if length < 0 {
			flags = binary.BigEndian.Uint32(m[8:])
		}
		pass = v.Rules.textMayPass(length, flags, true) && (!looksInto(length, flags, v.Rules.CopyIn) || mayGive(m, v.Rules.CopyIn))
	case 251:
		w, h := int(binary.BigEndian.Uint16(m[2:])), int(binary.BigEndian.Uint16(m[4:]))
		if pass = v.Rules.Input && area(w, h) == nil; pass {
			v.Width, v.Height = w, h
			v.Sizes++
		}
	}
	if pass {
		out = append(out, m...)
	}
	return out, nil
}

// encodings passes those on that the other direction understands.
func (v *Viewer) encodings(m, out []byte) []byte {
	at, n := len(out), 0
	out = append(out, m[:4]...)
	for e := m[4:]; len(e) > 0; e = e[4:] {
		if understood(int32(binary.BigEndian.Uint32(e))) {
			out = append(out, e[:4]...)
			n++
		}
	}
	binary.BigEndian.PutUint16(out[at+2:], uint16(n))
	return out
}
