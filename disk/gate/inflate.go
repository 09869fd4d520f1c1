package gate

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// maxZstdWindow is what zstd itself unpacks without being asked for more.
const maxZstdWindow = 128 << 20

var errPacked = errors.New("damaged compressed data")

// deflateInto unpacks raw deflate data, which must give out whole.
func deflateInto(out, in []byte) error {
	r := flate.NewReader(bytes.NewReader(in))
	defer r.Close()
	_, err := io.ReadFull(r, out)
	return err
}

// zlibInto unpacks a zlib stream with its checksum and gives what it held, at
// most len(out).
func zlibInto(out, in []byte) (int, error) {
	r, err := zlib.NewReader(bytes.NewReader(in))
	if err != nil {
		return 0, err
	}
	defer r.Close()
	n := 0
	for {
		if n == len(out) {
			if m, err := r.Read(make([]byte, 1)); m != 0 || err != io.EOF {
				return n, errPacked
			}
			return n, nil
		}
		m, err := r.Read(out[n:])
		n += m
		if err == io.EOF { // its checksum held
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// clusterDecoder is for frames that give at most 2 MiB.
var clusterDecoder = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(4<<20), zstd.WithDecoderLowmem(true))
})

// zstdInto unpacks the one zstd frame that in begins with; out must be whole.
func zstdInto(out, in []byte) error {
	n, err := zstdFrame(in)
	if err != nil {
		return err
	}
	dec, err := clusterDecoder()
	if err != nil {
		return err
	}
	b, err := dec.DecodeAll(in[:n], out[:0])
	if err != nil {
		return err
	}
	if len(b) != len(out) {
		return errPacked
	}
	copy(out, b)
	return nil
}

// zstdFrame is the length of the frame at the beginning of b (RFC 8878 §3.1.1).
func zstdFrame(b []byte) (int, error) {
	var h zstd.Header
	if err := h.Decode(b); err != nil {
		return 0, err
	}
	if h.Skippable || h.DictionaryID != 0 {
		return 0, errPacked
	}
	at := h.HeaderSize
	for {
		if at < 0 || at+3 > len(b) {
			return 0, errPacked
		}
		v := int(b[at]) | int(b[at+1])<<8 | int(b[at+2])<<16
		at += 3
		switch v >> 1 & 3 {
		case 1: // one byte, repeated
			at++
		case 3:
			return 0, errPacked
		default:
			at += v >> 3
		}
		if v&1 != 0 {
			break
		}
	}
	if h.HasCheckSum {
		at += 4
	}
	if at > len(b) {
		return 0, errPacked
	}
	return at, nil
}
