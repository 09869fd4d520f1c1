package awsjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Limits of a document. The body is already capped by the server; these keep
// what is built from it in proportion.
const (
	maxDepth = 64
	maxNodes = 1 << 18
)

var errTruncated = errors.New("unexpected end of the document")

// Parse reads one JSON document strictly: objects are map[string]any, arrays
// []any, numbers json.Number. Duplicate keys, anything after the document,
// invalid UTF-8 and excessive depth are errors.
//
// Not encoding/json, which lets the last of two equal keys win when it fills a
// map, and takes several times as long when it is asked token by token.
func Parse(data []byte) (any, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("the document is not valid UTF-8")
	}
	p := parser{data: data}
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if p.space(); p.pos != len(data) {
		return nil, errors.New("there is something after the end of the document")
	}
	return v, nil
}

type parser struct {
	data  []byte
	pos   int
	nodes int
}

func (p *parser) space() {
	for p.pos < len(p.data) {
		switch p.data[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

// next skips space and gives the byte that is there, without taking it.
func (p *parser) next() (byte, error) {
	if p.space(); p.pos == len(p.data) {
		return 0, errTruncated
	}
	return p.data[p.pos], nil
}

func (p *parser) unexpected() error {
	if p.pos >= len(p.data) {
		return errTruncated
	}
	r, _ := utf8.DecodeRune(p.data[p.pos:])
	return fmt.Errorf("unexpected character %q at byte %d", r, p.pos+1)
}

func (p *parser) value(depth int) (any, error) {
	if p.nodes++; p.nodes > maxNodes {
		return nil, fmt.Errorf("the document has more than %d values", maxNodes)
	}
	c, err := p.next()
	if err != nil {
		return nil, err
	}
	switch c {
	case '{', '[':
		if depth >= maxDepth {
			return nil, fmt.Errorf("the document is nested more than %d deep", maxDepth)
		}
		p.pos++
		if c == '{' {
			return p.object(depth)
		}
		return p.array(depth)
	case '"':
		return p.text()
	case 't':
		return true, p.word("true")
	case 'f':
		return false, p.word("false")
	case 'n':
		return nil, p.word("null")
	}
	return p.number()
}

func (p *parser) word(w string) error {
	for i := range len(w) {
		if p.pos >= len(p.data) || p.data[p.pos] != w[i] {
			return p.unexpected()
		}
		p.pos++
	}
	return nil
}

// more tells whether another part of an object or array follows, taking the
// comma or the closing character.
func (p *parser) more(first bool, closing byte) (bool, error) {
	c, err := p.next()
	switch {
	case err != nil:
		return false, err
	case c == closing:
		p.pos++
		return false, nil
	case first:
		return true, nil
	case c != ',':
		return false, p.unexpected()
	}
	p.pos++
	return true, nil
}

func (p *parser) object(depth int) (any, error) {
	out := map[string]any{}
	for first := true; ; first = false {
		if more, err := p.more(first, '}'); err != nil || !more {
			return out, err
		}
		if c, err := p.next(); err != nil || c != '"' {
			return nil, p.unexpected()
		}
		key, err := p.text()
		if err != nil {
			return nil, err
		}
		if _, dup := out[key]; dup {
			return nil, fmt.Errorf("the key %q is repeated", clip(key))
		}
		if c, err := p.next(); err != nil || c != ':' {
			return nil, p.unexpected()
		}
		p.pos++
		if out[key], err = p.value(depth + 1); err != nil {
			return nil, err
		}
	}
}

func (p *parser) array(depth int) (any, error) {
	out := []any{}
	for first := true; ; first = false {
		if more, err := p.more(first, ']'); err != nil || !more {
			return out, err
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
}

func (p *parser) digits() bool {
	from := p.pos
	for p.pos < len(p.data) && '0' <= p.data[p.pos] && p.data[p.pos] <= '9' {
		p.pos++
	}
	return p.pos > from
}

func (p *parser) skip(set string) bool {
	for i := range len(set) {
		if p.pos < len(p.data) && p.data[p.pos] == set[i] {
			p.pos++
			return true
		}
	}
	return false
}

func (p *parser) number() (any, error) {
	from := p.pos
	p.skip("-")
	if !p.skip("0") && !p.digits() {
		return nil, p.unexpected()
	}
	if p.skip(".") && !p.digits() {
		return nil, p.unexpected()
	}
	if p.skip("eE") {
		if p.skip("+-"); !p.digits() {
			return nil, p.unexpected()
		}
	}
	return json.Number(p.data[from:p.pos]), nil
}

// text reads a string; the quote is there.
func (p *parser) text() (string, error) {
	p.pos++
	from := p.pos
	for p.pos < len(p.data) {
		switch c := p.data[p.pos]; {
		case c == '"':
			p.pos++
			return string(p.data[from : p.pos-1]), nil
		case c == '\\':
			return p.escaped(append(make([]byte, 0, 2*(p.pos-from)+16), p.data[from:p.pos]...))
		case c < ' ':
			return "", p.unexpected()
		}
		p.pos++
	}
	return "", errTruncated
}

// escaped reads the rest of a string from its first escape on.
func (p *parser) escaped(b []byte) (string, error) {
	for p.pos < len(p.data) {
		c := p.data[p.pos]
		switch {
		case c == '"':
			p.pos++
			return string(b), nil
		case c < ' ':
			return "", p.unexpected()
		case c != '\\':
			b = append(b, c)
			p.pos++
			continue
		}
		p.pos++
		r, err := p.escape()
		if err != nil {
			return "", err
		}
		b = utf8.AppendRune(b, r)
	}
	return "", errTruncated
}

// simple are the escapes of one letter.
var simple = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (p *parser) escape() (rune, error) {
	if p.pos >= len(p.data) {
		return 0, errTruncated
	}
	c := p.data[p.pos]
	if s := simple[c]; s != 0 {
		p.pos++
		return rune(s), nil
	}
	if c != 'u' {
		return 0, p.unexpected()
	}
	r, ok := p.hex(p.pos + 1)
	if !ok {
		return 0, p.unexpected()
	}
	p.pos += 5
	if !utf16.IsSurrogate(r) {
		return r, nil
	}
	// Half a pair alone is U+FFFD, as with encoding/json.
	if p.pos+1 < len(p.data) && p.data[p.pos] == '\\' && p.data[p.pos+1] == 'u' {
		if low, ok := p.hex(p.pos + 2); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				p.pos += 6
				return pair, nil
			}
		}
	}
	return utf8.RuneError, nil
}

func (p *parser) hex(at int) (rune, bool) {
	if at+4 > len(p.data) {
		return 0, false
	}
	for _, c := range p.data[at : at+4] {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(string(p.data[at:at+4]), 16, 16)
	return rune(n), err == nil
}

func clip(s string) string {
	if len(s) > 64 {
		return s[:64] + "..."
	}
	return s
}
