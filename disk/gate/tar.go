package gate

import (
	"bytes"
	"strconv"
	"strings"
)

// member is a file in an OVA.
type member struct {
	name   string
	off, n int64
}

// Bounds of an archive. An OVA holds a description, a manifest, a certificate
// and disks.
const (
	maxMembers  = 64
	maxName     = 255
	maxExtended = 16 << 10 // bytes of a PAX header or a long name
)

// tarReader walks a tar archive (POSIX ustar, as OVF 2.1 §5.3 has it, and the
// extended headers that writers use for long names and large files). It opens,
// creates and follows nothing: names are only compared.
type tarReader struct {
	f       *input
	members []member
	seen    map[string]bool

	// of the extended headers before a member
	name string
	size int64 // -1: none
}

func (t *tarReader) walk() error {
	t.seen, t.size = map[string]bool{}, -1
	for at := int64(0); ; {
		if at == t.f.size {
			return nil // no end mark; some writers forget it
		}
		h, err := t.f.at(at, sector)
		if err != nil {
			return orRefuse(err, "OVA_TRUNCATED", "The OVA ends inside of a header, at %d.", at)
		}
		if allZero(h) {
			return nil
		}
		n, err := t.header(h)
		if err != nil {
			return err
		}
		at += sector
		if !t.f.holds(at, n) {
			return refuse("OVA_TRUNCATED", "The OVA's member at %d has %d bytes; the file has %d.", at-sector, n, t.f.size)
		}
		if err := t.take(h, at, n); err != nil {
			return err
		}
		at += (n + sector - 1) / sector * sector
		if at > t.f.size { // the padding of the last member
			return nil
		}
	}
}

// header checks a header and gives the size of what follows.
func (t *tarReader) header(h []byte) (int64, error) {
	var sum int64
	for i, b := range h {
		if i >= 148 && i < 156 {
			b = ' '
		}
		sum += int64(b)
	}
	if want, ok := octal(h[148:156]); !ok || want != sum || !bytes.HasPrefix(h[257:], []byte("ustar")) {
		return 0, refuse("OVA_TAR", "A header of the OVA's tar archive is damaged.")
	}
	n, ok := octal(h[124:136])
	if h[124]&0x80 != 0 { // base 256, of GNU tar
		n, ok = 0, h[124] == 0x80
		for _, b := range h[125:136] {
			ok = ok && n < 1<<52
			n = n<<8 | int64(b)
		}
	}
	if kind := h[156]; t.size >= 0 && (kind == '0' || kind == 0) {
		n = t.size
	}
	if !ok || n < 0 {
		return 0, refuse("OVA_TAR", "A size in the OVA's tar archive is no number.")
	}
	return n, nil
}

func octal(b []byte) (int64, bool) {
	s := strings.Trim(string(b), " \x00")
	if s == "" {
		return 0, true
	}
	n, err := strconv.ParseInt(s, 8, 63)
	return n, err == nil && n >= 0
}

// take notes a member, or what an extended header says about the next one.
func (t *tarReader) take(h []byte, at, n int64) error {
	name := ustarName(h)
	switch kind := h[156]; kind {
	case '0', 0:
		if t.name != "" {
			name = t.name
		}
		t.name, t.size = "", -1
		return t.add(name, at, n)
	case 'x':
		return t.pax(at, n)
	case 'L':
		b, err := t.extended(at, n)
		t.name = strings.TrimRight(string(b), "\x00")
		return err
	case 'S':
		return refuse("OVA_SPARSE_MEMBER", "The OVA's member %s is sparse.", quote(name))
	case '1', '2', '3', '4', '5', '6':
		what := []string{"a hard link", "a symbolic link", "a character device", "a block device", "a directory", "a pipe"}[kind-'1']
		return refuse("OVA_MEMBER_TYPE", "The OVA's member %s is %s; only files are taken.", quote(name), what)
	default:
		return refuse("OVA_MEMBER_TYPE", "The OVA's member %s is of the type %q; only files are taken.", quote(name), kind)
	}
}

func ustarName(h []byte) string {
	cut := func(b []byte) string {
		b, _, _ = bytes.Cut(b, []byte{0})
		return string(b)
	}
	name := cut(h[:100])
	if p := cut(h[345:500]); p != "" && h[262] == 0 { // GNU tar has other fields there
		name = p + "/" + name
	}
	return name
}

func (t *tarReader) extended(at, n int64) ([]byte, error) {
	if n > maxExtended {
		return nil, refuse("OVA_EXTENDED_HEADER", "An extended header of the OVA has %d bytes; %d are allowed.", n, maxExtended)
	}
	return t.f.at(at, n)
}

// pax reads the records of an extended header (POSIX pax, "%d %s=%s\n").
func (t *tarReader) pax(at, n int64) error {
	b, err := t.extended(at, n)
	if err != nil {
		return err
	}
	bad := refuse("OVA_EXTENDED_HEADER", "An extended header of the OVA is damaged.")
	for len(b) > 0 {
		length, _, ok := bytes.Cut(b, []byte(" "))
		k, err := strconv.ParseUint(string(length), 10, 31)
		if !ok || err != nil || int(k) > len(b) || int(k) <= len(length)+1 || b[k-1] != '\n' {
			return bad
		}
		key, value, ok := strings.Cut(string(b[len(length)+1:k-1]), "=")
		if !ok {
			return bad
		}
		b = b[k:]
		switch {
		case strings.HasPrefix(key, "GNU.sparse."), key == "SCHILY.realsize":
			return refuse("OVA_SPARSE_MEMBER", "A member of the OVA is sparse (%s).", quote(key))
		case key == "path":
			t.name = value
		case key == "size":
			size, err := strconv.ParseInt(value, 10, 63)
			if err != nil || size < 0 {
				return bad
			}
			t.size = size
		case key == "linkpath":
			return refuse("OVA_MEMBER_TYPE", "A member of the OVA is a link to %s.", quote(value))
		}
	}
	return nil
}

func (t *tarReader) add(name string, off, n int64) error {
	clean := strings.TrimPrefix(name, "./") // as `tar cf x.ova ./*` writes it
	if clean == "" || len(clean) > maxName || clean == "." || clean == ".." || strings.ContainsAny(clean, "/\\:\x00") || quote(clean) != "`"+clean+"`" {
		return refuse("OVA_MEMBER_NAME", "The OVA's member %s is not named by a plain file name.", quote(name))
	}
	if t.seen[strings.ToLower(clean)] {
		return refuse("OVA_DUPLICATE_MEMBER", "The OVA holds two members named %s.", quote(clean))
	}
	if len(t.members) == maxMembers {
		return refuse("OVA_TOO_MANY_MEMBERS", "The OVA holds more than %d members.", maxMembers)
	}
	t.seen[strings.ToLower(clean)] = true
	t.members = append(t.members, member{clean, off, n})
	return nil
}
