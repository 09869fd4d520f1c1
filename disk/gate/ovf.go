package gate

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// Bounds of an OVF description.
const (
	maxOVF    = 2 << 20
	maxDepth  = 64
	maxTokens = 100_000
)

type ovfFile struct {
	id, href, compression string
	chunked               bool
}

type ovfDisk struct {
	id, file, parent string
	capacity         int64 // bytes; -1: not stated or not understood
}

// ovf is what matters of an OVF description (DSP0243): which files are disks.
type ovf struct {
	files []ovfFile
	disks []ovfDisk
}

// parseOVF reads a description as tokens: no entity is ever expanded, since a
// document that declares any is refused.
func parseOVF(b []byte) (*ovf, error) {
	dec := xml.NewDecoder(bytes.NewReader(b))
	dec.CharsetReader = func(charset string, in io.Reader) (io.Reader, error) {
		if strings.EqualFold(charset, "us-ascii") || strings.EqualFold(charset, "windows-1252") || strings.EqualFold(charset, "iso-8859-1") {
			return in, nil // names are compared with those of members, no more
		}
		return nil, errors.New("charset " + charset)
	}
	o, depth := &ovf{}, 0
	bad := func(why string) error {
		return refuse("OVA_XML", "The OVA's description is no XML that can be read: %s.", why)
	}
	for tokens := 0; ; tokens++ {
		tok, err := dec.RawToken()
		if err == io.EOF {
			if depth != 0 {
				return nil, bad("it ends too early")
			}
			return o, nil
		}
		if err != nil {
			return nil, bad("it is malformed")
		}
		if tokens > maxTokens {
			return nil, bad("it has too many elements")
		}
		switch t := tok.(type) {
		case xml.Directive:
			return nil, refuse("OVA_DOCTYPE", "The OVA's description declares a document type or entities: %s.", quote([]byte("<!"+string(t[:min(len(t), 100)]))))
		case xml.StartElement:
			if depth++; depth > maxDepth {
				return nil, bad("it is too deep")
			}
			o.element(t)
		case xml.EndElement:
			depth--
		}
	}
}

func (o *ovf) element(e xml.StartElement) {
	attr := map[string]string{}
	for _, a := range e.Attr {
		attr[a.Name.Local] = a.Value
	}
	switch e.Name.Local {
	case "File":
		o.files = append(o.files, ovfFile{id: attr["id"], href: attr["href"], compression: attr["compression"], chunked: attr["chunkSize"] != ""})
	case "Disk":
		if attr["diskId"] != "" {
			o.disks = append(o.disks, ovfDisk{id: attr["diskId"], file: attr["fileRef"], parent: attr["parentRef"],
				capacity: capacity(attr["capacity"], attr["capacityAllocationUnits"])})
		}
	}
}

var ovfUnits = regexp.MustCompile(`^byte\s*(?:\*\s*(?:2\^(\d{1,2})|(\d{1,15})))?$`)

// capacity reads a size with its unit (DSP0004 annex C.1): "byte * 2^30".
func capacity(n, units string) int64 {
	v, err := strconv.ParseInt(strings.TrimSpace(n), 10, 63)
	if err != nil || v < 0 {
		return -1
	}
	unit := int64(1)
	if units = strings.TrimSpace(units); units != "" {
		m := ovfUnits.FindStringSubmatch(units)
		switch {
		case m == nil:
			return -1
		case m[1] != "":
			e, _ := strconv.Atoi(m[1])
			if e > 50 {
				return -1
			}
			unit = 1 << e
		case m[2] != "":
			unit, _ = strconv.ParseInt(m[2], 10, 63)
		}
	}
	if unit == 0 || v > math.MaxInt64/unit {
		return -1
	}
	return v * unit
}
