package wire_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"slipway/wire"
	"slipway/wire/appstream"
	"slipway/wire/awsjson"
	"slipway/wire/protocols"
	"slipway/wire/rpccbor"
	"slipway/wire/shape"
	"slipway/wire/wiretest"
)

const marker = "hunter2-Zq"

// taint puts the marker into every sensitive text or blob of a tree, longer
// than any allows, and tells how many there were. With wrong set, the value is
// of a type that does not belong there.
func taint(tree any, s *shape.Shape, hidden, wrong bool) (any, int) {
	hidden = hidden || s.Sensitive
	count := 0
	switch x := tree.(type) {
	case map[string]any:
		for k, v := range x {
			elem := s.Elem
			if s.Kind == shape.Structure {
				elem = s.Member(k).Shape
			}
			n := 0
			x[k], n = taint(v, elem, hidden, wrong)
			count += n
		}
	case []any:
		for i := range x {
			n := 0
			x[i], n = taint(x[i], s.Elem, hidden, wrong)
			count += n
		}
	case string, []byte:
		text := strings.Repeat(marker, 7000)
		switch {
		case !hidden:
			return tree, 0
		case wrong:
			return map[string]any{marker: []any{marker}}, 1
		case s.Kind == shape.Blob:
			return []byte(text), 1
		}
		return text, 1
	}
	return tree, count
}

// untyped writes a tree whatever its shape says.
func untyped(tree any) *shape.Shape {
	switch x := tree.(type) {
	case map[string]any:
		s := &shape.Shape{Kind: shape.Structure}
		for k, v := range x {
			s.Members = append(s.Members, shape.Member{Name: k, Wire: k, Shape: untyped(v)})
		}
		return s
	case []any:
		s := &shape.Shape{Kind: shape.List, Elem: &shape.Shape{Kind: shape.String}}
		if len(x) > 0 {
			s.Elem = untyped(x[0])
		}
		return s
	}
	for k := shape.String; k <= shape.Blob; k++ {
		if _, err := awsjson.Append(nil, tree, &shape.Shape{Kind: k}); err == nil {
			return &shape.Shape{Kind: k}
		}
	}
	return &shape.Shape{Kind: shape.String}
}

// Whatever is wrong with a request: what is sensitive in it is in no answer and
// in no line of the log, at any level.
func TestSecretsAreNeitherEchoedNorLogged(t *testing.T) {
	tainted, refused := 0, 0
	handlers := map[*wire.Op]wire.Handler{}
	for _, s := range protocols.Services() {
		for _, op := range s.Ops {
			handlers[op] = func(context.Context, *wire.Call) (any, error) { return nil, fmt.Errorf("the handler failed") }
		}
	}
	for _, svc := range protocols.Services() {
		for _, op := range svc.Ops {
			for _, wrong := range []bool{false, true} {
				tree := wiretest.Tree(op.Input)
				_, n := taint(tree, op.Input, false, wrong)
				if n == 0 {
					continue
				}
				tainted += n
				for _, p := range svc.Protocols {
					log := new(bytes.Buffer)
					h := newBench(t, handlers, func(c *wire.Config) {
						c.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
						c.MaxBody = 64 << 20
					})
					answer := send(t, h, op, p, tree)
					if answer == "" {
						continue
					}
					refused++
					if strings.Contains(answer, marker) {
						t.Errorf("%s.%s over %s answers %.300s", svc.Name, op.Name, p, answer)
					}
					if !strings.Contains(log.String(), op.Name) || strings.Contains(log.String(), marker) {
						t.Errorf("%s.%s over %s logs %.300s", svc.Name, op.Name, p, log)
					}
				}
			}
		}
	}
	t.Logf("%d sensitive values in %d requests", tainted, refused)
	if tainted < 60 || refused < 40 {
		t.Error("there should be more")
	}
}

// send asks for an operation with a tree as its input, constraints or not.
func send(t *testing.T, b *bench, op *wire.Op, p wire.Protocol, tree map[string]any) string {
	t.Helper()
	svc := op.Service
	switch p {
	case wire.AWSJSON11:
		body, err := awsjson.Append(nil, tree, untyped(tree))
		if err != nil {
			t.Fatal(err)
		}
		return b.ask(svc.SigningName, "POST", "/", string(body), "X-Amz-Target", svc.TargetPrefix+"."+op.Name, "Content-Type", awsjson.ContentType).Body.String()
	case wire.RPCv2CBOR:
		body, err := rpccbor.Append(nil, tree, untyped(tree))
		if err != nil {
			t.Fatal(err)
		}
		return b.ask(svc.SigningName, "POST", "/service/"+svc.TargetPrefix+"/operation/"+op.Name, string(body),
			"Smithy-Protocol", "rpc-v2-cbor", "Content-Type", rpccbor.ContentType).Body.String()
	case wire.EC2Query, wire.AWSQuery:
		form := url.Values{"Action": {op.Name}, "Version": {svc.APIVersion}}
		for i := range op.Input.Members {
			m := &op.Input.Members[i]
			name := strings.ToUpper(m.Wire[:1]) + m.Wire[1:]
			if text, ok := tree[m.Name].(string); ok {
				form.Set(name, text)
			}
		}
		return b.ask(svc.SigningName, "POST", "/", form.Encode(), "Content-Type", "application/x-www-form-urlencoded").Body.String()
	}
	return "" // REST operations here have no sensitive documents
}

func TestEveryViolationInOneMessage(t *testing.T) {
	b := newBench(t, map[*wire.Op]wire.Handler{appstream.OpCreateImportedImage: func(context.Context, *wire.Call) (any, error) { return nil, nil }}, nil)
	body := `{"Name":"-x","SourceAmiId":"ami","AppCatalogConfig":[{"Name":"ok","AbsoluteAppPath":"C:\\a"},{"Name":"?"}],"Tags":{"aws:x":"v"}}`
	want := []string{"validation errors detected: ", "Value '-x' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: ",
		"Value 'ami' at 'sourceAmiId' failed", "Value at 'appCatalogConfig.2.member.name' failed",
		"Value null at 'appCatalogConfig.2.member.absoluteAppPath' failed to satisfy constraint: Member must not be null", "at 'tags.aws:x.key' failed"}
	expect(t, "JSON", b.json("CreateImportedImage", body), 400, append(want, `"__type":"ValidationException"`)...)
	parsed, err := awsjson.Parse([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if answer := send(t, b, appstream.OpCreateImportedImage, wire.RPCv2CBOR, parsed.(map[string]any)); !strings.Contains(answer, want[4]) {
		t.Errorf("CBOR: %s", answer)
	}
	for what, c := range map[string]struct{ body, want string }{
		"a number for a text": {`{"Name":7}`, "expected string at 'Name', found number"},
		"deep inside":         {`{"Name":"a","AppCatalogConfig":[{},{"Name":{}}]}`, "expected string at 'AppCatalogConfig.2.Name', found structure"},
		"a text for a list":   {`{"AppCatalogConfig":"x"}`, "expected list at 'AppCatalogConfig', found string"},
		"a text for a truth":  {`{"DryRun":"true"}`, "expected boolean at 'DryRun', found string"},
		"no object":           {`[]`, "expected structure, found list"},
		"no JSON":             {`{"Name":}`, "unexpected character '}' at byte 9"},
		"half":                {`{"Name":"a`, "unexpected end of the document"},
	} {
		expect(t, what, b.json("CreateImportedImage", c.body), 400, `"__type":"SerializationException"`, c.want)
	}
}
