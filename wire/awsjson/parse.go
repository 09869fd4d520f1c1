package awsjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Limits of a document. The body is already capped by the server; these keep
// what is built from it in proportion.
const (
	maxDepth = 64
	maxNodes = 1 << 18
)

// Parse reads one JSON document strictly: objects are map[string]any, arrays
// []any, numbers json.Number. Duplicate keys, anything after the document,
// invalid UTF-8 and excessive depth are errors.
func Parse(data []byte) (any, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("the document is not valid UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	p := parser{dec: dec}
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is something after the end of the document")
	}
	return v, nil
}

type parser struct {
	dec   *json.Decoder
	nodes int
}

func (p *parser) value(depth int) (any, error) {
	tok, err := p.dec.Token()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return nil, io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return p.from(tok, depth)
}

func (p *parser) from(tok json.Token, depth int) (any, error) {
	if p.nodes++; p.nodes > maxNodes {
		return nil, fmt.Errorf("the document has more than %d values", maxNodes)
	}
	d, ok := tok.(json.Delim)
	if !ok {
		return tok, nil
	}
	if depth >= maxDepth {
		return nil, fmt.Errorf("the document is nested more than %d deep", maxDepth)
	}
	if d == '{' {
		return p.object(depth)
	}
	return p.array(depth)
}

func (p *parser) object(depth int) (any, error) {
	out := map[string]any{}
	for p.dec.More() {
		tok, err := p.dec.Token()
		if err != nil {
			return nil, err
		}
		key, ok := tok.(string)
		if !ok {
			return nil, errors.New("an object key is not a string")
		}
		if _, dup := out[key]; dup {
			return nil, fmt.Errorf("the key %q is repeated", clip(key))
		}
		if out[key], err = p.value(depth + 1); err != nil {
			return nil, err
		}
	}
	_, err := p.dec.Token()
	return out, err
}

func (p *parser) array(depth int) (any, error) {
	out := []any{}
	for p.dec.More() {
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	_, err := p.dec.Token()
	return out, err
}

func clip(s string) string {
	if len(s) > 64 {
		return s[:64] + "..."
	}
	return s
}
