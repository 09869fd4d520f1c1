package iam

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// object keeps every field, in order: encoding/json would silently let the
// second of two equal names win, and a reviewer may have read the first.
type object []field

type field struct {
	name  string
	value any
}

const maxDepth = 8 // a policy needs 5

// decode reads one JSON value: object, []any, string, bool, json.Number, nil.
func decode(document []byte) (any, error) {
	if len(document) > maxDocument {
		return nil, malformed("it is longer than %d bytes", maxDocument)
	}
	if !utf8.Valid(document) {
		return nil, malformed("it is not valid UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	v, err := decodeValue(d, 0)
	if err != nil {
		return nil, malformed("%s", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, malformed("something follows the JSON value")
	}
	return v, nil
}

func decodeValue(d *json.Decoder, depth int) (any, error) {
	tok, err := d.Token()
	if err != nil {
		return nil, sentence("it is not valid JSON")
	}
	delim, ok := tok.(json.Delim)
	if !ok {
		return tok, nil
	}
	if depth == maxDepth {
		return nil, sentence("it is nested too deeply")
	}
	if delim == '[' {
		list := []any{}
		for d.More() {
			v, err := decodeValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, closing(d)
	}
	o, seen := object{}, map[string]bool{}
	for d.More() {
		tok, err := d.Token()
		name, ok := tok.(string)
		if err != nil || !ok {
			return nil, sentence("it is not valid JSON")
		}
		if seen[name] {
			return nil, sentence("the element '%s' appears twice", clip(name))
		}
		seen[name] = true
		v, err := decodeValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		o = append(o, field{name, v})
	}
	return o, closing(d)
}

func closing(d *json.Decoder) error {
	if _, err := d.Token(); err != nil {
		return sentence("it is not valid JSON")
	}
	return nil
}

// sentence is an error that malformed puts into a whole one.
func sentence(format string, args ...any) error { return fmt.Errorf(format, args...) }

// clip bounds what of a document is repeated in a message.
func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}
