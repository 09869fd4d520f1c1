package inspect

import (
	"bytes"
	"errors"
	"io"
)

const (
	peHead  = 4096     // where every header of a real program lies
	maxCert = 64 << 10 // bytes of a certificate table that are looked at
)

// authorities are the names in certificates that firmware usually trusts.
var authorities = []string{
	"Microsoft Windows Production PCA 2011", "Windows UEFI CA 2023",
	"Microsoft Corporation UEFI CA 2011", "Microsoft UEFI CA 2023",
	"Microsoft Windows PCA 2010", "Microsoft Root Certificate Authority 2010",
}

var errNotPE = errors.New("it is not a Windows executable")

// peFile is what the headers of an executable say.
type peFile struct {
	head    []byte
	machine uint16
	dirs    [16][2]uint32 // data directories: address (of certificates: offset) and size
	table   int           // where the sections are described
	count   int
}

const (
	dirResources    = 2
	dirCertificates = 4
)

func readPE(r io.ReaderAt) (*peFile, error) {
	p := &peFile{head: make([]byte, peHead)}
	n, err := r.ReadAt(p.head, 0)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	p.head = p.head[:n]
	if n < 64 || p.head[0] != 'M' || p.head[1] != 'Z' {
		return nil, errNotPE
	}
	at := int(le.Uint32(p.head[60:]) & 0xFFFFFF)
	if at+24+2 > n || string(p.head[at:at+4]) != "PE\x00\x00" {
		return nil, errNotPE
	}
	p.machine, p.count = le.Uint16(p.head[at+4:]), int(le.Uint16(p.head[at+6:]))
	opt := at + 24
	size := int(le.Uint16(p.head[at+20:]))
	p.table = opt + size
	first := opt + 96 // of the data directories
	switch le.Uint16(p.head[opt:]) {
	case 0x20B:
		first = opt + 112
	case 0x10B:
	default:
		return nil, errNotPE
	}
	if p.table > n || first > p.table {
		return nil, errNotPE
	}
	for i := range p.dirs {
		if b := first + 8*i; b+8 <= p.table {
			p.dirs[i] = [2]uint32{le.Uint32(p.head[b:]), le.Uint32(p.head[b+4:])}
		}
	}
	return p, nil
}

// signers names the authorities in the certificate table; ok is false without
// a table.
func (p *peFile) signers(r io.ReaderAt) (names []string, ok bool) {
	at, size := p.dirs[dirCertificates][0], p.dirs[dirCertificates][1]
	if at == 0 || size < 8 {
		return nil, false
	}
	b := make([]byte, min(size, maxCert))
	n, _ := r.ReadAt(b, int64(at))
	if n < 8 {
		return nil, false
	}
	for _, a := range authorities {
		if bytes.Contains(b[:n], []byte(a)) {
			names = append(names, a)
		}
	}
	return names, true
}
