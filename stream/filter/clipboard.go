package filter

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"io"
	"unicode/utf8"
)

// A text of the extended clipboard is packed, so that its length is seen only when
// it is unpacked.

const (
	formats    = 0xffff // flags that say what is given
	formatText = 1
)

// mayGive judges an extended message, all of it, that gives what is to be copied:
// a text of most characters at most. Where there is no bound it need not be seen.
func mayGive(message []byte, most int) bool {
	if len(message) < clipboardHeader+4 {
		return false
	}
	flags, packed := binary.BigEndian.Uint32(message[clipboardHeader:]), message[clipboardHeader+4:]
	if flags&formats != formatText {
		return false // of others nobody can tell the length
	}
	z, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		return false
	}
	var head [4]byte
	if _, err := io.ReadFull(z, head[:]); err != nil {
		return false
	}
	// Lines end with two characters on the way, and the text with a zero, perhaps.
	size := int64(binary.BigEndian.Uint32(head[:]))
	if size > 2*utf8.UTFMax*int64(most)+1 {
		return false
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(z, text); err != nil {
		return false
	}
	// Senders need not end the stream, but nothing may follow.
	if n, _ := io.ReadFull(z, head[:1]); n > 0 {
		return false
	}
	text = bytes.TrimSuffix(text, []byte{0})
	return utf8.RuneCount(text)-bytes.Count(text, []byte("\r\n")) <= most
}

// looksInto tells whether what is given must be unpacked before it may pass, most
// being what Rules allow in that direction.
func looksInto(length int32, flags uint32, most int) bool {
	return length < 0 && flags&actionProvide != 0 && flags&actionCaps == 0 && most < MaxText
}
