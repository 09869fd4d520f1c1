package restjson

import (
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"slipway/wire"
	"slipway/wire/awsjson"
	"slipway/wire/shape"
)

// bound reads a member that travels outside the body.
func bound(m *shape.Member, values []string) (any, error) {
	s := m.Shape
	if s.Kind == shape.List {
		if m.In == shape.Header && len(values) == 1 {
			values = strings.Split(values[0], ",")
		}
		out := make([]any, len(values))
		for i, text := range values {
			v, err := scalar(m, s.Elem, strings.TrimSpace(text))
			if err != nil {
				return nil, err
			}
			out[i] = v
		}
		return out, nil
	}
	if len(values) > 1 {
		return nil, wire.Exceptionf("SerializationException", "'%s' is given more than once.", m.Wire)
	}
	return scalar(m, s, values[0])
}

func scalar(m *shape.Member, s *shape.Shape, text string) (any, error) {
	switch s.Kind {
	case shape.String:
		return text, nil
	case shape.Boolean:
		if text == "true" || text == "false" {
			return text == "true", nil
		}
	case shape.Integer, shape.Long:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && shape.FitsInteger(s, n) {
			return n, nil
		}
	case shape.Float, shape.Double:
		if f, err := strconv.ParseFloat(text, 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			return f, nil
		}
	case shape.Timestamp:
		if t, err := readTime(timeForm(m, s), text); err == nil {
			return t.UTC(), nil
		}
	case shape.Blob:
		if b, err := base64.StdEncoding.DecodeString(text); err == nil {
			return b, nil
		}
	}
	return nil, wire.Exceptionf("SerializationException", "The value of '%s' is not a valid %s.", m.Wire, s.Kind)
}

// timeForm is the protocol's default for the place, unless the shape says
// otherwise.
func timeForm(m *shape.Member, s *shape.Shape) string {
	switch {
	case s.Time != "":
		return s.Time
	case m.In == shape.Header:
		return "http"
	}
	return "iso8601"
}

func readTime(form, text string) (time.Time, error) {
	switch form {
	case "http":
		return http.ParseTime(text)
	case "epoch":
		sec, err := strconv.ParseInt(text, 10, 64)
		if err == nil && (sec < -62135596800 || sec > 253402300799) {
			err = strconv.ErrRange // beyond the years other forms can write
		}
		return time.Unix(sec, 0), err
	}
	return time.Parse(time.RFC3339, text)
}

// headers writes the members that travel in headers.
func headers(h http.Header, s *shape.Shape, tree map[string]any) error {
	for i := range s.Members {
		m := &s.Members[i]
		v, ok := tree[m.Name]
		if m.In != shape.Header || !ok || v == nil {
			continue
		}
		text, err := headerText(m, m.Shape, v)
		if err != nil {
			return err
		}
		h.Set(m.Wire, text)
	}
	return nil
}

func headerText(m *shape.Member, s *shape.Shape, v any) (string, error) {
	switch v := v.(type) {
	case string:
		if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return "", fmt.Errorf("restjson: %s holds a character no header can carry", m.Name)
		}
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), nil
	case []byte:
		return base64.StdEncoding.EncodeToString(v), nil
	case time.Time:
		switch timeForm(m, s) {
		case "http":
			return v.UTC().Format(http.TimeFormat), nil
		case "epoch":
			return awsjson.Epoch(v), nil
		}
		return v.UTC().Format("2006-01-02T15:04:05.000Z"), nil
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			text, err := headerText(m, s.Elem, e)
			if err != nil {
				return "", err
			}
			parts[i] = text
		}
		return strings.Join(parts, ", "), nil
	}
	return "", fmt.Errorf("restjson: %s cannot travel in a header as %T", m.Name, v)
}
