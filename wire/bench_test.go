package wire_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"slipway/wire"
	"slipway/wire/appstream"
	"slipway/wire/awsjson"
	"slipway/wire/protocols"
	"slipway/wire/rpccbor"
	"slipway/wire/shape"
	"slipway/wire/sigv4"
	"slipway/wire/wiretest"
)

// measure runs f b.N times and reports the processor time of the whole process
// besides the clock's: the latter says little on a machine that others use.
func measure(b *testing.B, f func()) {
	b.Helper()
	b.ReportAllocs()
	f() // caches are not what is measured
	before := cpu(b)
	n := 0
	for b.Loop() {
		f()
		n++
	}
	b.ReportMetric(float64(cpu(b)-before)/float64(n), "cpu-ns/op")
}

func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// images is a page of DescribeImages as a caller with imported images sees it.
func images(n int) *appstream.DescribeImagesResult {
	out := &appstream.DescribeImagesResult{NextToken: new("eyJhZnRlciI6ImltYWdlLTAwMjUifQ")}
	for i := range n {
		name := fmt.Sprintf("image-%04d", i)
		out.Images = append(out.Images, appstream.Image{
			Name: &name, Arn: new("arn:aws:appstream:eu-central-1:123456789012:image/" + name),
			DisplayName: new("Image number " + name), Description: new("A desktop for the \"accounting\" department, made from " + name),
			State: new("AVAILABLE"), Visibility: new("PRIVATE"), ImageBuilderSupported: new(true), ImageBuilderName: new("builder-" + name),
			Platform: new("WINDOWS_SERVER_2022"), CreatedTime: new(testNow.Add(time.Duration(i) * time.Hour)),
			PublicBaseImageReleasedDate: new(testNow), AppstreamAgentVersion: new("07-01-2026"), LatestAppstreamAgentVersion: new("TRUE"),
			Applications: []appstream.Application{
				{Name: new("notepad"), DisplayName: new("Notepad"), LaunchPath: new(`C:\Windows\notepad.exe`), Enabled: new(true)},
				{Name: new("calc"), DisplayName: new("Calculator"), LaunchPath: new(`C:\Windows\calc.exe`), Enabled: new(true), Metadata: map[string]string{"a": "b"}},
			},
			ImagePermissions:          &appstream.ImagePermissions{AllowFleet: new(true), AllowImageBuilder: new(false)},
			SupportedInstanceFamilies: []string{"GENERAL_PURPOSE", "COMPUTE_OPTIMIZED", "MEMORY_OPTIMIZED"},
			StateChangeReason:         &appstream.ImageStateChangeReason{Code: new("INTERNAL_ERROR"), Message: new("None of note.")},
		})
	}
	return out
}

func benchServer(out *appstream.DescribeImagesResult) http.Handler {
	return wire.NewServer(wire.Config{
		Services: protocols.Services(), Codecs: protocols.Codecs(),
		Handlers: map[*wire.Op]wire.Handler{appstream.OpDescribeImages: wire.Handle(
			func(context.Context, *wire.Call, *appstream.DescribeImagesRequest) (*appstream.DescribeImagesResult, error) {
				return out, nil
			})},
		Verifier: protocols.Verifier(func() time.Time { return testNow }, protocols.Services()),
		Keys: func(_ context.Context, id string) (wire.Secret, error) {
			return wire.Secret{Key: "secret", Identity: wire.Identity{AccessKeyID: id, Account: "123456789012"}}, nil
		},
		Now: func() time.Time { return testNow }, NewRequestID: func() string { return "00000000-0000-4000-8000-000000000000" }, Log: silent,
	})
}

// signedRequest is a request that can be served again and again.
func signedRequest(method, path string, body []byte, header ...string) func() *http.Request {
	r := httptest.NewRequest(method, path, bytes.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	r.Header.Set("Amz-Sdk-Invocation-Id", "8a1e0a2b-5c5c-4c52-9f0e-7e2f0a5d7c11")
	r.Header.Set("Amz-Sdk-Request", "attempt=1; max=3")
	r.Header.Set("User-Agent", "aws-sdk-go-v2/1.43.4 ua/2.1 os/linux lang/go#1.26.0 md/GOOS#linux md/GOARCH#amd64 api/appstream#1.64.5")
	sigv4.Signer{AccessKeyID: "AKIDEXAMPLE", Secret: "secret", Region: "eu-central-1", Service: "appstream"}.Sign(r, body, testNow)
	reader := bytes.NewReader(body)
	return func() *http.Request {
		reader.Reset(body)
		r.Body = readCloser{reader}
		return r
	}
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

func benchPage(b *testing.B, request func() *http.Request) {
	h := benchServer(images(25))
	size := 0
	body := new(bytes.Buffer)
	measure(b, func() {
		body.Reset()
		w := httptest.NewRecorder()
		w.Body = body
		h.ServeHTTP(w, request())
		if w.Code != 200 {
			b.Fatal(w.Body)
		}
		size = w.Body.Len()
	})
	b.ReportMetric(float64(size), "bytes")
}

func BenchmarkDescribeImagesJSON(b *testing.B) {
	benchPage(b, signedRequest("POST", "/", []byte(`{"MaxResults":25,"Type":"PRIVATE"}`),
		"X-Amz-Target", "PhotonAdminProxyService.DescribeImages", "Content-Type", "application/x-amz-json-1.1"))
}

func BenchmarkDescribeImagesCBOR(b *testing.B) {
	benchPage(b, signedRequest("POST", "/service/PhotonAdminProxyService/operation/DescribeImages", []byte("\xa2\x6aMaxResults\x18\x19\x64Type\x67PRIVATE"),
		"Smithy-Protocol", "rpc-v2-cbor", "Content-Type", "application/cbor", "Accept", "application/cbor"))
}

func BenchmarkVerify(b *testing.B) {
	body := []byte(`{"MaxResults":25,"Type":"PRIVATE"}`)
	r := signedRequest("POST", "/", body, "X-Amz-Target", "PhotonAdminProxyService.DescribeImages", "Content-Type", "application/x-amz-json-1.1")()
	v := protocols.Verifier(func() time.Time { return testNow }, protocols.Services())
	keys := func(context.Context, string) (wire.Secret, error) { return wire.Secret{Key: "secret"}, nil }
	measure(b, func() {
		c, err := v.Claim(r)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Verify(r, body, keys); err != nil {
			b.Fatal(err)
		}
	})
}

// benchInput is decoding, validating and binding a request with every member set.
func benchInput(b *testing.B, c wire.Codec) {
	op := appstream.OpCreateFleet
	resp, err := c.Encode(&wire.Request{Service: op.Service, Op: &wire.Op{Output: op.Input}}, wiretest.Tree(op.Input))
	if err != nil {
		b.Fatal(err)
	}
	measure(b, func() {
		tree, err := c.Decode(&wire.Request{Service: op.Service, Op: op, Body: resp.Body})
		if err != nil {
			b.Fatal(err)
		}
		_ = shape.Validate(tree, op.Input)
		if err := shape.Bind(tree, op.Input, op.NewInput()); err != nil {
			b.Fatal(err)
		}
	})
}

func BenchmarkInputJSON(b *testing.B) { benchInput(b, awsjson.Codec{}) }
func BenchmarkInputCBOR(b *testing.B) { benchInput(b, rpccbor.Codec{}) }
