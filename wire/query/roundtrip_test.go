package query_test

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/wire"
	"slipway/wire/ec2"
	"slipway/wire/iam"
	"slipway/wire/query"
	"slipway/wire/shape"
	"slipway/wire/sts"
	"slipway/wire/wiretest"
)

// Every operation: a full input survives the way a client would send it, and a
// full output and every error are well-formed XML.
func TestEveryOperation(t *testing.T) {
	for _, svc := range []*wire.Service{ec2.Service, iam.Service, sts.Service} {
		codec := query.AWS()
		if svc == ec2.Service {
			codec = query.EC2()
		}
		for _, op := range svc.Ops {
			want := wiretest.Tree(op.Input)
			form := url.Values{"Action": {op.Name}, "Version": {svc.APIVersion}}
			send(form, svc == ec2.Service, "", op.Input, want)
			got, err := codec.Decode(&wire.Request{Service: svc, Op: op, Form: form})
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %v\n got %v\nwant %v", op.Name, err, got, want)
			}
			res, err := codec.Encode(&wire.Request{Service: svc, Op: op, RequestID: "r"}, wiretest.Tree(op.Output))
			if err != nil {
				t.Errorf("%s: %v", op.Name, err)
				continue
			}
			wellFormed(t, op.Name, res.Body)
			for _, code := range op.Errors {
				res := codec.EncodeError(&wire.Request{Service: svc, Op: op, RequestID: "r"}, wire.Exceptionf(code, "<&>"))
				wellFormed(t, code, res.Body)
			}
		}
	}
}

func wellFormed(t *testing.T, name string, body []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(body))
	for {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, body)
		}
	}
}

// send writes a form as the protocols' specifications tell clients to.
func send(form url.Values, isEC2 bool, prefix string, s *shape.Shape, v any) {
	switch v := v.(type) {
	case map[string]any:
		if s.Kind == shape.Map {
			keys := []string{}
			for k := range v {
				keys = append(keys, k)
			}
			slices.Sort(keys)
			for i, k := range keys {
				form.Set(fmt.Sprintf("%s.entry.%d.key", prefix, i+1), k)
				send(form, isEC2, fmt.Sprintf("%s.entry.%d.value", prefix, i+1), s.Elem, v[k])
			}
			return
		}
		for _, m := range s.Members {
			name := m.Wire
			if isEC2 {
				name = strings.ToUpper(name[:1]) + name[1:]
			}
			if prefix != "" {
				name = prefix + "." + name
			}
			send(form, isEC2, name, m.Shape, v[m.Name])
		}
	case []any:
		if !isEC2 {
			prefix += ".member"
		}
		for i, e := range v {
			send(form, isEC2, fmt.Sprintf("%s.%d", prefix, i+1), s.Elem, e)
		}
	case time.Time:
		form.Set(prefix, v.Format(time.RFC3339Nano))
	case []byte:
		form.Set(prefix, base64.StdEncoding.EncodeToString(v))
	default:
		form.Set(prefix, fmt.Sprint(v))
	}
}
