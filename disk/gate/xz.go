package gate

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"

	"github.com/ulikunitz/xz/lzma"
)

// maxXZDictionary is that of xz -9.
const maxXZDictionary = 64 << 20

// xzReader reads .xz streams (The .xz File Format 1.2.1). The container is read
// here, so that the dictionary of every block is bounded before it is made;
// the library unpacks LZMA2.
type xzReader struct {
	in     *counting
	flags  [2]byte
	block  io.Reader // nil between blocks
	begun  int64     // where the block's data begins
	stated [2]int64  // sizes in the block's header, -1: none
	out    int64
	check  hash.Hash
	header int64
	blocks []xzBlock
	err    error
}

type xzBlock struct{ unpadded, size int64 }

// counting counts what is read, and reads single bytes without a detour.
type counting struct {
	r *bufio.Reader
	n int64
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

func (c *counting) ReadByte() (byte, error) {
	b, err := c.r.ReadByte()
	if err == nil {
		c.n++
	}
	return b, err
}

var (
	errXZ  = errors.New("damaged xz container")
	crc64t = crc64.MakeTable(crc64.ECMA)
)

func newXZ(r *bufio.Reader) (io.ReadCloser, error) {
	x := &xzReader{in: &counting{r: r}}
	if err := x.streamHeader(); err != nil {
		return nil, err
	}
	return io.NopCloser(x), nil
}

func (x *xzReader) take(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(x.in, b)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}

func (x *xzReader) streamHeader() error {
	b, err := x.take(12)
	if err != nil {
		return err
	}
	if string(b[:6]) != "\xfd7zXZ\x00" || crc32.ChecksumIEEE(b[6:8]) != le.Uint32(b[8:]) || b[6] != 0 {
		return errXZ
	}
	x.flags = [2]byte{b[6], b[7]}
	switch x.flags[1] {
	case 0, 1, 4, 10:
		x.blocks = x.blocks[:0]
		return nil
	}
	return errXZ
}

func (x *xzReader) newCheck() hash.Hash {
	switch x.flags[1] {
	case 1:
		return crc32.NewIEEE()
	case 4:
		return crc64.New(crc64t)
	case 10:
		return sha256.New()
	}
	return nil
}

func (x *xzReader) Read(p []byte) (int, error) {
	for x.err == nil {
		if x.block == nil {
			x.err = x.next()
			continue
		}
		n, err := x.block.Read(p)
		x.out += int64(n)
		if x.check != nil {
			x.check.Write(p[:n])
		}
		if err == io.EOF {
			x.err = x.endBlock()
		} else if err != nil {
			x.err = err
		}
		if n > 0 || len(p) == 0 {
			return n, nil
		}
	}
	return 0, x.err
}

// next begins a block, or reads the index and what follows it.
func (x *xzReader) next() error {
	begun := x.in.n
	n, err := x.in.ReadByte()
	if err != nil {
		return io.ErrUnexpectedEOF
	}
	if n == 0 {
		if err := x.index(begun); err != nil {
			return err
		}
		return x.nextStream()
	}
	rest, err := x.take(int(n)*4 + 4 - 1)
	if err != nil {
		return err
	}
	b := append([]byte{n}, rest...)
	body := len(b) - 4
	if crc32.ChecksumIEEE(b[:body]) != le.Uint32(b[body:]) || b[1]&0x3c != 0 {
		return errXZ
	}
	flags, fields := b[1], b[2:body]
	x.stated = [2]int64{-1, -1}
	for i := range 2 {
		if flags&(0x40<<i) != 0 {
			if x.stated[i], fields, err = xzInt(fields); err != nil {
				return err
			}
		}
	}
	if flags&3 != 0 || len(fields) < 3 || fields[0] != 0x21 || fields[1] != 1 {
		return refuse("XZ_FILTER", "The file was compressed by xz with filters beside LZMA2.")
	}
	size := int64(0)
	switch p := fields[2]; {
	case p > 40:
		return errXZ
	case p == 40:
		size = 1<<32 - 1
	default:
		size = int64(2|p&1) << (p/2 + 11)
	}
	if size > maxXZDictionary {
		return refuse("XZ_DICTIONARY", "The file needs a dictionary of %s to be unpacked; %s is the limit.", binaryBytes(uint64(size)), binaryBytes(maxXZDictionary))
	}
	if !allZero(fields[3:]) {
		return errXZ
	}
	x.header, x.begun, x.out, x.check = int64(len(b)), x.in.n, 0, x.newCheck()
	x.block, err = lzma.Reader2Config{DictCap: int(max(size, lzma.MinDictCap))}.NewReader2(x.in)
	return err
}

// endBlock verifies what follows a block's data.
func (x *xzReader) endBlock() error {
	x.block = nil
	packed := x.in.n - x.begun
	if x.stated[0] >= 0 && x.stated[0] != packed || x.stated[1] >= 0 && x.stated[1] != x.out {
		return errXZ
	}
	pad, err := x.take(int(-(x.header + packed) & 3))
	if err != nil || !allZero(pad) {
		return errXZ
	}
	sumLen := 0
	if x.check != nil {
		sumLen = x.check.Size()
	}
	sum, err := x.take(sumLen)
	if err != nil {
		return err
	}
	if x.check != nil {
		got := x.check.Sum(nil)
		if sumLen < 32 { // stored with the low byte first
			for i, j := 0, len(got)-1; i < j; i, j = i+1, j-1 {
				got[i], got[j] = got[j], got[i]
			}
		}
		if string(got) != string(sum) {
			return errXZ
		}
	}
	if len(x.blocks) == 1<<20 {
		return errXZ
	}
	x.blocks = append(x.blocks, xzBlock{x.header + packed + int64(sumLen), x.out})
	return nil
}

func xzInt(b []byte) (int64, []byte, error) {
	var v uint64
	for i := range 9 {
		if i >= len(b) {
			break
		}
		v |= uint64(b[i]&0x7f) << (7 * i)
		if b[i]&0x80 == 0 {
			return int64(v), b[i+1:], nil
		}
	}
	return 0, nil, errXZ
}

// index verifies that the index lists what was read, and the stream's footer.
func (x *xzReader) index(begun int64) error {
	sum := crc32.NewIEEE()
	sum.Write([]byte{0})
	number := func() (int64, error) {
		var v uint64
		for i := range 9 {
			b, err := x.in.ReadByte()
			if err != nil {
				return 0, io.ErrUnexpectedEOF
			}
			sum.Write([]byte{b})
			if v |= uint64(b&0x7f) << (7 * i); b&0x80 == 0 {
				return int64(v), nil
			}
		}
		return 0, errXZ
	}
	if n, err := number(); err != nil || n != int64(len(x.blocks)) {
		return errXZ
	}
	for _, b := range x.blocks {
		u, err1 := number()
		s, err2 := number()
		if err1 != nil || err2 != nil || u != b.unpadded || s != b.size {
			return errXZ
		}
	}
	pad, err := x.take(int(-(x.in.n - begun) & 3))
	if err != nil || !allZero(pad) {
		return errXZ
	}
	sum.Write(pad)
	b, err := x.take(16)
	if err != nil {
		return err
	}
	length := x.in.n - 16 + 4 - begun
	if le.Uint32(b) != sum.Sum32() || crc32.ChecksumIEEE(b[8:14]) != le.Uint32(b[4:]) || string(b[14:]) != "YZ" ||
		(int64(le.Uint32(b[8:]))+1)*4 != length || b[12] != x.flags[0] || b[13] != x.flags[1] {
		return errXZ
	}
	return nil
}

// nextStream finds another stream behind padding, or the end.
func (x *xzReader) nextStream() error {
	for pad := 0; ; pad++ {
		b, err := x.in.r.Peek(1)
		if err == io.EOF {
			if pad%4 != 0 {
				return errXZ
			}
			return io.EOF
		}
		if err != nil {
			return err
		}
		if b[0] != 0 {
			if pad%4 != 0 {
				return errXZ
			}
			return x.streamHeader()
		}
		x.in.ReadByte()
	}
}
