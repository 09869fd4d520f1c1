package wire_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"slipway/fault"
	"slipway/wire"
	"slipway/wire/appstream"
	"slipway/wire/ebs"
	"slipway/wire/ec2"
	"slipway/wire/protocols"
	"slipway/wire/rpccbor"
	"slipway/wire/sigv4"
	"slipway/wire/sts"
)

var testNow = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

var silent = slog.New(slog.DiscardHandler)

// bench is a server with one account, a log and a record of what After saw.
type bench struct {
	http.Handler
	log      bytes.Buffer
	outcomes []wire.Outcome
	calls    []*wire.Call
}

func newBench(t *testing.T, handlers map[*wire.Op]wire.Handler, change func(*wire.Config)) *bench {
	t.Helper()
	b := &bench{}
	n := 0
	cfg := wire.Config{
		Services: protocols.Services(), Handlers: handlers, Codecs: protocols.Codecs(),
		Verifier: protocols.Verifier(func() time.Time { return testNow }, protocols.Services()),
		Keys: func(_ context.Context, id string) (wire.Secret, error) {
			switch id {
			case "AKIDEXAMPLE":
				return wire.Secret{Key: "secret", Identity: wire.Identity{AccessKeyID: id, Account: "123456789012"}}, nil
			case "AKIDBROKEN":
				return wire.Secret{}, errors.New("the disk is on fire")
			}
			return wire.Secret{}, wire.ErrUnknownKey
		},
		Explain: func(_ *wire.Op, err error) *wire.Exception {
			if fault.Is(err, fault.NotFound) {
				return &wire.Exception{Code: "ResourceNotFoundException", Message: fault.Public(err)}
			}
			return nil
		},
		After: func(_ context.Context, c *wire.Call, o wire.Outcome) {
			b.calls, b.outcomes = append(b.calls, c), append(b.outcomes, o)
		},
		Own: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			id, ok := wire.IdentityFrom(r.Context())
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s %v %s %s", r.URL.Path, ok, id.Account, body)
		}),
		Now:          func() time.Time { return testNow },
		NewRequestID: func() string { n++; return fmt.Sprintf("req-%d", n) },
		Log:          slog.New(slog.NewTextHandler(&b.log, nil)),
		MaxBody:      1 << 20,
	}
	if change != nil {
		change(&cfg)
	}
	b.Handler = wire.NewServer(cfg)
	return b
}

// ask sends a request signed for service; "" leaves it unsigned.
func (b *bench) ask(service, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	if service != "" {
		sigv4.Signer{AccessKeyID: "AKIDEXAMPLE", Secret: "secret", Region: "eu-central-1", Service: service}.Sign(r, []byte(body), testNow)
	}
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	return w
}

func (b *bench) json(op, body string) *httptest.ResponseRecorder {
	return b.ask("appstream", "POST", "/", body, "X-Amz-Target", "PhotonAdminProxyService."+op, "Content-Type", "application/x-amz-json-1.1")
}

func expect(t *testing.T, what string, w *httptest.ResponseRecorder, status int, parts ...string) {
	t.Helper()
	if w.Code != status {
		t.Errorf("%s: status %d, not %d: %s", what, w.Code, status, w.Body)
	}
	for _, p := range parts {
		if !strings.Contains(w.Body.String(), p) {
			t.Errorf("%s: no %q in %s", what, p, w.Body)
		}
	}
	if id := w.Header().Get("x-amzn-RequestId"); !strings.HasPrefix(id, "req-") {
		t.Errorf("%s: request id %q", what, id)
	}
}

func deleteBuilder(err error) map[*wire.Op]wire.Handler {
	return map[*wire.Op]wire.Handler{appstream.OpDeleteImageBuilder: wire.Handle(
		func(context.Context, *wire.Call, *appstream.DeleteImageBuilderInput) (*appstream.DeleteImageBuilderOutput, error) {
			return nil, err
		})}
}

func TestOneHandlerServesBothProtocols(t *testing.T) {
	b := newBench(t, map[*wire.Op]wire.Handler{appstream.OpDeleteImageBuilder: wire.Handle(
		func(ctx context.Context, c *wire.Call, in *appstream.DeleteImageBuilderInput) (*appstream.DeleteImageBuilderOutput, error) {
			if id, _ := wire.IdentityFrom(ctx); id.Account != "123456789012" || c.Region != "eu-central-1" || wire.RequestIDFrom(ctx) != c.RequestID {
				t.Errorf("call %+v", c)
			}
			return &appstream.DeleteImageBuilderOutput{ImageBuilder: &appstream.ImageBuilder{Name: in.Name}}, nil
		})}, nil)
	expect(t, "JSON", b.json("DeleteImageBuilder", `{"Name":"b1","Later":[1]}`), 200, `{"ImageBuilder":{"Name":"b1"}}`)
	w := b.ask("appstream", "POST", "/service/PhotonAdminProxyService/operation/DeleteImageBuilder", "\xa1\x64Name\x62b1",
		"Smithy-Protocol", "rpc-v2-cbor", "Content-Type", "application/cbor")
	expect(t, "CBOR", w, 200, "\xa1\x6cImageBuilder\xa1\x64Name\x62b1")
	if w.Header().Get("Content-Type") != "application/cbor" || w.Header().Get("Smithy-Protocol") != "rpc-v2-cbor" {
		t.Error(w.Header())
	}
	if len(b.calls) != 2 || b.outcomes[0].Status != 200 || b.calls[1].Protocol != wire.RPCv2CBOR {
		t.Errorf("After saw %+v", b.outcomes)
	}
}

func TestRefusals(t *testing.T) {
	b := newBench(t, deleteBuilder(nil), nil)
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	expect(t, "unknown operation", b.json("MakeCoffee", `{}`), 400, "UnknownOperationException", "MakeCoffee")
	expect(t, "not implemented", b.json("DescribeFleets", `{}`), 501, "NotImplementedException", "DescribeFleets")
	expect(t, "no JSON", b.json("DeleteImageBuilder", `{`), 400, "SerializationException")
	expect(t, "wrong type", b.json("DeleteImageBuilder", `{"Name":1}`), 400, "SerializationException", "Name")
	expect(t, "constraint", b.json("DeleteImageBuilder", `{}`), 400, `"__type":"ValidationException"`,
		"1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null")
	expect(t, "too large", b.json("DeleteImageBuilder", `{"Name":"`+strings.Repeat("a", 1<<20)+`"}`), 413, "RequestEntityTooLargeException")
	expect(t, "unsigned", b.ask("", "POST", "/", "{}", "X-Amz-Target", "PhotonAdminProxyService.DeleteImageBuilder"), 400, "MissingAuthenticationTokenException")
	expect(t, "signed for another service", b.ask("workspaces", "POST", "/", `{"Name":"a"}`, "X-Amz-Target", "PhotonAdminProxyService.DeleteImageBuilder"),
		400, "InvalidSignatureException", "appstream")
	expect(t, "unknown operation in CBOR", b.ask("appstream", "POST", "/service/PhotonAdminProxyService/operation/X", "", "Smithy-Protocol", "rpc-v2-cbor"),
		404, "UnknownOperationException")
	expect(t, "CBOR to a JSON service", b.ask("workspaces", "POST", "/service/WorkspacesService/operation/DescribeWorkspaces", "", "Smithy-Protocol", "rpc-v2-cbor"),
		404, "UnknownOperationException")
	expect(t, "unknown action", b.ask("ec2", "POST", "/", "Action=MakeCoffee&Version=2016-11-15", form...), 400, "<Code>InvalidAction</Code>", "<RequestID>req-")
	expect(t, "other version", b.ask("ec2", "POST", "/", "Action=DescribeVpcs&Version=1999-01-01", form...), 400, "InvalidAction")
	expect(t, "broken form", b.ask("ec2", "POST", "/", "Action=%zz", form...), 400, "MalformedQueryString")
	expect(t, "query, not implemented", b.ask("sts", "POST", "/", "Action=GetCallerIdentity&Version=2011-06-15", form...), 501, "NotImplemented")
	expect(t, "no such path", b.ask("ebs", "GET", "/coffee", ""), 404, "does not exist")
	expect(t, "REST, not implemented", b.ask("ebs", "GET", "/snapshots/snap-1/blocks", ""), 501, "ListSnapshotBlocks")
	expect(t, "nothing in particular", b.ask("ebs", "GET", "/", ""), 404, "does not exist")
	expect(t, "a service we do not serve", b.ask("s3", "GET", "/", ""), 400, "UnknownOperationException")
}

func TestWrongSecretAndBrokenLookup(t *testing.T) {
	b := newBench(t, deleteBuilder(nil), nil)
	for key, want := range map[string]string{"AKIDEXAMPLE": "InvalidSignatureException", "AKIDNOBODY": "UnrecognizedClientException", "AKIDBROKEN": "InternalFailure"} {
		r := httptest.NewRequest("POST", "/", strings.NewReader("{}"))
		r.Header.Set("X-Amz-Target", "PhotonAdminProxyService.DeleteImageBuilder")
		sigv4.Signer{AccessKeyID: key, Secret: "wrong", Region: "eu-central-1", Service: "appstream"}.Sign(r, []byte("{}"), testNow)
		w := httptest.NewRecorder()
		b.ServeHTTP(w, r)
		if !strings.Contains(w.Body.String(), want) || strings.Contains(w.Body.String(), "fire") {
			t.Errorf("%s: %s", key, w.Body)
		}
	}
	if !strings.Contains(b.log.String(), "fire") {
		t.Error("a broken lookup is not in the log")
	}
}

func TestTheFunnel(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		status int
		parts  []string
		logged bool
	}{
		"an exception":       {wire.Exceptionf("OperationNotPermittedException", "No."), 400, []string{"OperationNotPermittedException", `"Message":"No."`}, false},
		"a wrapped one":      {fmt.Errorf("x: %w", wire.Exceptionf("AccessDeniedException", "No.")), 400, []string{"AccessDeniedException", `"message":"No."`}, false},
		"a fault":            {fault.New(fault.NotFound, "Gone."), 400, []string{"ResourceNotFoundException", `"Message":"Gone."`}, false},
		"an unknown error":   {errors.New("secret path"), 500, []string{"InternalFailure"}, true},
		"one not modelled":   {wire.Exceptionf("InvalidRoleException", "secret role"), 500, []string{"InternalFailure"}, true},
		"one of our fault":   {fault.New(fault.Internal, "secret"), 500, []string{"InternalFailure"}, true},
		"bad value, a habit": {wire.Exceptionf("InvalidParameterValueException", "No."), 400, []string{"InvalidParameterValueException"}, false},
	} {
		b := newBench(t, deleteBuilder(c.err), nil)
		w := b.json("DeleteImageBuilder", `{"Name":"b"}`)
		expect(t, name, w, c.status, c.parts...)
		if strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s: leaks: %s", name, w.Body)
		}
		if got := strings.Contains(b.log.String(), "req-1"); got != c.logged {
			t.Errorf("%s: log %q", name, b.log.String())
		}
		if len(b.outcomes) != 1 || b.outcomes[0].Cause != c.err || b.outcomes[0].Error == nil {
			t.Errorf("%s: After saw %+v", name, b.outcomes)
		}
	}
}

func TestAPanicIsAnInternalFailure(t *testing.T) {
	b := newBench(t, map[*wire.Op]wire.Handler{appstream.OpDeleteImageBuilder: func(context.Context, *wire.Call) (any, error) {
		panic("secret")
	}}, nil)
	w := b.json("DeleteImageBuilder", `{"Name":"b"}`)
	expect(t, "panic", w, 500, "InternalFailure")
	if strings.Contains(w.Body.String(), "secret") || !strings.Contains(b.log.String(), "secret") || !strings.Contains(b.log.String(), "req-1") {
		t.Errorf("%s\n%s", w.Body, b.log.String())
	}
}

func TestMistakesOfTheProgram(t *testing.T) {
	wrong := map[*wire.Op]wire.Handler{
		appstream.OpDeleteImageBuilder: func(context.Context, *wire.Call) (any, error) { return 7, nil },
		appstream.OpDescribeFleets: wire.Handle(func(context.Context, *wire.Call, *sts.AssumeRoleInput) (*sts.AssumeRoleOutput, error) {
			return nil, nil
		})}
	b := newBench(t, wrong, nil)
	expect(t, "foreign output", b.json("DeleteImageBuilder", `{"Name":"b"}`), 500, "InternalFailure")
	expect(t, "foreign handler", b.json("DescribeFleets", `{}`), 500, "InternalFailure")
	for name, change := range map[string]func(*wire.Config){
		"no clock":        func(c *wire.Config) { c.Now = nil },
		"no verifier":     func(c *wire.Config) { c.Verifier = nil },
		"missing codec":   func(c *wire.Config) { c.Codecs = c.Codecs[1:] },
		"unserved opcode": func(c *wire.Config) { c.Services = []*wire.Service{ebs.Service} },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: accepted", name)
				}
			}()
			newBench(t, wrong, change)
		}()
	}
	func() {
		defer func() {
			if p := fmt.Sprint(recover()); !strings.Contains(p, "appstream.DescribeFleets takes *appstream.DescribeFleetsRequest") {
				t.Errorf("a foreign handler: %s", p)
			}
		}()
		wire.On(appstream.OpDescribeFleets, func(context.Context, *wire.Call, *sts.AssumeRoleInput) (*sts.AssumeRoleOutput, error) {
			return nil, nil
		})
	}()
}

func TestEC2NamesTheFirstProblem(t *testing.T) {
	b := newBench(t, map[*wire.Op]wire.Handler{ec2.OpCopyImage: wire.Handle(
		func(context.Context, *wire.Call, *ec2.CopyImageInput) (*ec2.CopyImageOutput, error) {
			return nil, wire.Exceptionf("InvalidAMIID.NotFound", "No.")
		})}, nil)
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	q := "Action=CopyImage&Version=2016-11-15&Name=abc&SourceRegion=eu-central-1"
	expect(t, "missing", b.ask("ec2", "POST", "/", q, form...), 400, "<Code>MissingParameter</Code>", "The request must contain the parameter SourceImageId")
	expect(t, "free codes", b.ask("ec2", "POST", "/", q+"&SourceImageId=ami-1", form...), 400, "<Code>InvalidAMIID.NotFound</Code>")
	expect(t, "by query string", b.ask("ec2", "GET", "/?"+q, ""), 400, "MissingParameter")
}

func TestRESTLabelsAndRawBodies(t *testing.T) {
	var got *ebs.PutSnapshotBlockInput
	b := newBench(t, map[*wire.Op]wire.Handler{ebs.OpPutSnapshotBlock: wire.Handle(
		func(_ context.Context, _ *wire.Call, in *ebs.PutSnapshotBlockInput) (*ebs.PutSnapshotBlockOutput, error) {
			got = in
			return nil, nil
		})}, nil)
	block := strings.Repeat("\x00\xff{", 1000)
	header := []string{"X-Amz-Checksum", strings.Repeat("A", 43) + "=", "X-Amz-Checksum-Algorithm", "SHA256", "X-Amz-Data-Length", "524288"}
	expect(t, "put", b.ask("ebs", "PUT", "/snapshots/snap-0123456789abcdef0/blocks/7", block, header...), 201)
	if got == nil || *got.BlockIndex != 7 || *got.SnapshotId != "snap-0123456789abcdef0" || string(got.BlockData) != block {
		t.Errorf("%+v", got)
	}
}

func TestOwnPaths(t *testing.T) {
	b := newBench(t, nil, nil)
	expect(t, "public", b.ask("", "GET", "/_slipway/healthz", ""), 200, "/_slipway/healthz false")
	expect(t, "signed", b.ask("slipway", "POST", "/_slipway/v1/x", "hello"), 200, "/_slipway/v1/x true 123456789012 hello")
	expect(t, "unsigned", b.ask("", "GET", "/_slipway/v1/x", ""), 403, "MissingAuthenticationTokenException")
	expect(t, "unsigned, no slash", b.ask("", "GET", "/_slipway/v1", ""), 403)
	expect(t, "escaped", b.ask("", "GET", "/_slipway/%761/x", ""), 403)
	expect(t, "escaped slash", b.ask("", "GET", "/_slipway%2fv1/x", ""), 403)
	expect(t, "signed for AWS", b.ask("appstream", "GET", "/_slipway/v1/x", ""), 403, "slipway")
	for _, p := range []string{"/_slipway/a/../v1/x", "/_slipway//v1/x", "/_slipway/./v1/x", "/_slipway/a/%2e%2e/v1/x", "/_slipway/a/.."} {
		expect(t, p, b.ask("", "GET", p, ""), 404)
	}
	if none := newBench(t, nil, func(c *wire.Config) { c.Own = nil }); none.ask("", "GET", "/_slipway/healthz", "").Code != 404 {
		t.Error("something serves /_slipway/ without Own")
	}
}

func TestDevCredentials(t *testing.T) {
	b := newBench(t, deleteBuilder(nil), func(c *wire.Config) {
		c.DevCredentials = true
		c.Keys = func(_ context.Context, id string) (wire.Secret, error) {
			return wire.Secret{Identity: wire.Identity{AccessKeyID: id, Account: "dev"}}, nil
		}
	})
	w := b.ask("", "POST", "/", `{"Name":"b"}`, "X-Amz-Target", "PhotonAdminProxyService.DeleteImageBuilder")
	expect(t, "unsigned", w, 200, "{}")
	expect(t, "signed with anything", b.json("DeleteImageBuilder", `{"Name":"b"}`), 200, "{}")
	if b.calls[1].Region != "eu-central-1" || b.calls[1].Identity.AccessKeyID != "AKIDEXAMPLE" {
		t.Errorf("%+v", b.calls[1])
	}
	expect(t, "own", b.ask("", "GET", "/_slipway/v1/x", ""), 200, "true dev")
}

func TestExpectContinue(t *testing.T) {
	b := newBench(t, deleteBuilder(nil), func(c *wire.Config) { c.DevCredentials = true; c.Keys = devKeys })
	srv := httptest.NewServer(b)
	defer srv.Close()
	r, err := http.NewRequest("POST", srv.URL, strings.NewReader(`{"Name":"b"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Expect", "100-continue")
	r.Header.Set("X-Amz-Target", "PhotonAdminProxyService.DeleteImageBuilder")
	resp, err := srv.Client().Do(r)
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
}

func devKeys(context.Context, string) (wire.Secret, error) { return wire.Secret{}, nil }

func TestEveryOperationWithoutAHandlerSaysSo(t *testing.T) {
	b := newBench(t, nil, nil)
	for _, op := range appstream.Service.Ops {
		expect(t, op.Name, b.json(op.Name, "{}"), 501, `"__type":"NotImplementedException"`, op.Name)
		w := b.ask("appstream", "POST", "/service/PhotonAdminProxyService/operation/"+op.Name, "\xa0", "Smithy-Protocol", "rpc-v2-cbor")
		doc, err := rpccbor.Decode(w.Body.Bytes())
		if m, _ := doc.(map[string]any); err != nil || m["__type"] != "NotImplementedException" || w.Code != 501 {
			t.Errorf("%s: %v, %v", op.Name, doc, err)
		}
	}
}
