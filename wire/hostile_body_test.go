package wire_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"slipway/wire"
)

func TestHostileSizes(t *testing.T) {
	s := besiege(t, nil)
	big := `{"Name":"` + strings.Repeat("a", 1<<20) + `"}`
	s.send("a body over the limit", s.json("DeleteImageBuilder", big), 413, "RequestEntityTooLargeException")
	s.send("the same as a form", s.form("Action=DescribeImages&Version=2016-11-15&X="+big), 413, "<Code>RequestEntityTooLarge</Code>")
	head := raw(s.json("DeleteImageBuilder", ""), "Content-Length: 1099511627776")
	s.sendRaw("a terabyte that is not sent", head+"\r\n", 413)
	s.sendRaw("asked for first", head+"Expect: 100-continue\r\n\r\n", 413)
	s.sendRaw("without a length", raw(s.json("DeleteImageBuilder", ""), "Transfer-Encoding: chunked", "", strings.Repeat("10000\r\n"+strings.Repeat("a", 1<<16)+"\r\n", 64)), 413)
	// Nobody in particular may not make us read at all.
	s.sendRaw("unsigned", raw(s.request("", "POST", "/", ""), "Content-Length: 1000000", "Expect: 100-continue", "", ""), 400, "MissingAuthenticationToken")
	s.got("sizes", 0)
	fits := `{"Name":"` + strings.Repeat("a", 100) + `"}`
	got := s.say(raw(s.json("DeleteImageBuilder", fits), fmt.Sprintf("Content-Length: %d", len(fits)), "Expect: 100-continue", "Connection: close", "", fits), 3)
	if len(got) != 2 || got[0].status != 100 || got[1].status != 200 {
		t.Errorf("100-continue: %+v", got)
	}
	s.sendRaw("another expectation", raw(s.json("DeleteImageBuilder", fits), fmt.Sprintf("Content-Length: %d", len(fits)), "Expect: miracles", "", fits), 417)
}

// Callers who only know the form of a signature send large bodies slowly, all
// at once: what is held for them is bounded, the others are told to come again,
// and small requests go through.
func TestHostileCrowd(t *testing.T) {
	const fits = 3
	s := besiege(t, func(_ *http.Server, c *wire.Config) { c.MaxBody, c.BodyRoom = 1<<20, fits<<20 })
	forged := tamper(s.json("DeleteImageBuilder", ""), func(h string) string { return strings.Replace(h, "AKIDEXAMPLE", "AKIDNOBODY00", 1) })
	head := raw(forged, fmt.Sprintf("Content-Length: %d", 1<<20), "Expect: 100-continue", "", "")
	var waiting []net.Conn
	for i := range fits {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte(head)); err != nil {
			t.Fatal(err)
		}
		// Being asked for the body says that there is room for it.
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, "100") {
			t.Fatalf("body %d: %q %v", i, line, err)
		}
		waiting = append(waiting, c)
	}
	s.sendRaw("one too many", head, 503, "ServiceUnavailable")
	s.sendRaw("one without a length", raw(s.json("DeleteImageBuilder", ""), "Transfer-Encoding: chunked", "", ""), 503, "ServiceUnavailable")
	s.send("a small one", s.json("DeleteImageBuilder", `{"Name":"b"}`), 200)
	s.got("crowd", 1)
	// Room comes back when a body ends, also one that nobody has signed.
	if _, err := waiting[0].Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(io.LimitReader(waiting[0], 1)); err != nil {
		t.Fatal(err)
	}
	big := `{"Name":"` + strings.Repeat("a", 1<<19) + `"}`
	s.send("the next one", s.json("DeleteImageBuilder", big), 400, "ValidationException")
}

func TestHostileContentTypes(t *testing.T) {
	s := besiege(t, nil)
	as := func(ct string) *http.Request {
		return s.request("appstream", "POST", "/", `{"Name":"b"}`, "X-Amz-Target", "PhotonAdminProxyService.DeleteImageBuilder", "Content-Type", ct)
	}
	for _, ct := range []string{"application/x-amz-json-1.1", "Application/X-Amz-JSON-1.1; charset=utf-8", "application/x-amz-json-1.1;charset=\"UTF-8\""} {
		s.send(ct, as(ct), 200)
		s.got(ct, 1)
	}
	for _, ct := range []string{"application/json", "text/xml", "application/x-www-form-urlencoded", "application/cbor", "multipart/form-data; boundary=x", "\xff/\xff", ";", "application/x-amz-json-1.10"} {
		s.send(ct, as(ct), 400, "UnknownOperationException")
	}
	cbor := s.request("appstream", "POST", "/service/PhotonAdminProxyService/operation/DeleteImageBuilder", `{"Name":"b"}`,
		"Smithy-Protocol", "rpc-v2-cbor", "Content-Type", "application/json")
	s.send("JSON to CBOR", cbor, 415, "SerializationException")
	s.send("JSON called CBOR", s.cbor("DeleteImageBuilder", `{"Name":"b"}`), 400, "SerializationException")
	s.send("CBOR called JSON", s.json("DeleteImageBuilder", "\xa1\x64Name\x61b"), 400, "SerializationException")
	s.send("a form that is JSON", s.form(`{"Action":"DescribeImages"}`), 400, "InvalidAction")
	s.got("content types", 0)
}

func TestHostileNesting(t *testing.T) {
	s := besiege(t, nil)
	for _, n := range []int{65, 10_000, 500_000} {
		s.send("JSON lists", s.json("DescribeImages", `{"Names":`+strings.Repeat("[", n)), 400, "SerializationException")
		s.send("JSON objects", s.json("DescribeImages", strings.Repeat(`{"a":`, min(n, 200_000))), 400, "SerializationException")
		s.send("CBOR lists", s.cbor("DescribeImages", "\xa1\x65Names"+strings.Repeat("\x81", n)), 400, "SerializationException")
		s.send("CBOR without lengths", s.cbor("DescribeImages", strings.Repeat("\xbf\x61a", min(n, 300_000))), 400, "SerializationException")
		s.send("CBOR tags", s.cbor("DescribeImages", strings.Repeat("\xc1", n)), 400, "SerializationException")
		s.send("a parameter", s.form("Action=DescribeImages&Version=2016-11-15&Filter"+strings.Repeat(".1", n)+"=x"), 400, "MalformedQueryString")
	}
	s.got("nesting", 0)
}

// squash is body as gzip.
func squash(t *testing.T, body []byte) string {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestHostileCompression(t *testing.T) {
	s := besiege(t, nil)
	small := squash(t, []byte(`{"Name":"b"}`))
	coded := func(body, coding string) *http.Request {
		return s.json("DeleteImageBuilder", body, "Content-Encoding", coding)
	}
	for _, coding := range []string{"gzip", "GZIP", "identity, gzip"} {
		s.send(coding, coded(small, coding), 200)
		s.got(coding, 1)
	}
	s.send("identity", coded(`{"Name":"b"}`, "identity"), 200)
	s.got("identity", 1)
	bomb := squash(t, bytes.Repeat([]byte{' '}, 16<<20))
	half := squash(t, append(bytes.Repeat([]byte{' '}, 900<<10), `{"Name":"b"}`...))
	s.send("a bomb", coded(bomb, "gzip"), 413, "RequestEntityTooLargeException", "larger than")
	s.send("a small bomb", coded(half, "gzip"), 413, "RequestEntityTooLargeException", "200 times")
	s.send("many bombs in a row", coded(strings.Repeat(bomb, 20), "gzip"), 413, "RequestEntityTooLargeException")
	s.send("twice", coded(small, "gzip, gzip"), 415, "SerializationException")
	s.send("another coding", coded(small, "br"), 415, "SerializationException", "br")
	s.send("not gzip", coded(`{"Name":"b"}`, "gzip"), 400, "not valid gzip")
	s.send("cut off", coded(small[:len(small)-4], "gzip"), 400, "not valid gzip")
	s.send("nothing", coded("", "gzip"), 400, "not valid gzip")
	// Not even the first byte is inflated for who cannot prove who they are.
	s.send("a bomb from nobody", tamper(coded(bomb, "gzip"), func(a string) string { return strings.Replace(a, "AKIDEXAMPLE", "AKIDNOBODY", 1) }), 400, "UnrecognizedClient")
	s.got("bombs", 0)
	form := s.request("ec2", "POST", "/", squash(t, []byte("Action=DescribeImages&Version=2016-11-15")),
		"Content-Type", "application/x-www-form-urlencoded", "Content-Encoding", "gzip")
	s.send("a form", form, 200, "DescribeImagesResponse")
	s.got("a form", 1)
}

func TestHostileRepetition(t *testing.T) {
	s := besiege(t, nil)
	s.send("a JSON key", s.json("DeleteImageBuilder", `{"Name":"a","Name":"b"}`), 400, "SerializationException", "repeated")
	s.send("an escaped one", s.json("DeleteImageBuilder", `{"Name":"a","N\u0061me":"b"}`), 400, "SerializationException", "repeated")
	s.send("one that is not known", s.json("DeleteImageBuilder", `{"Name":"a","x":{"y":1,"y":2}}`), 400, "SerializationException")
	s.send("a CBOR key", s.cbor("DeleteImageBuilder", "\xa2\x64Name\x61a\x64Name\x61b"), 400, "SerializationException")
	s.send("one in chunks", s.cbor("DeleteImageBuilder", "\xa2\x64Name\x61a\x7f\x62Na\x62me\xff\x61b"), 400, "SerializationException")
	s.send("a parameter", s.form("Action=DescribeImages&Version=2016-11-15&Owner.1=a&Owner.1=b"), 400, "InvalidParameterCombination")
	s.send("the action", s.form("Action=DescribeImages&Action=CreateTags&Version=2016-11-15"), 400, "InvalidParameterCombination")
	s.send("in the address and the body", s.request("ec2", "POST", "/?Action=CreateTags", "Action=DescribeImages&Version=2016-11-15",
		"Content-Type", "application/x-www-form-urlencoded"), 400, "InvalidParameterCombination")
	r := s.json("DeleteImageBuilder", `{"Name":"b"}`)
	r.Header.Add("X-Amz-Target", "PhotonAdminProxyService.TagResource")
	s.send("the operation, unsigned", r, 400, "InvalidSignatureException")
	s.got("repetition", 0)
}

func TestHostileIndexes(t *testing.T) {
	s := besiege(t, nil)
	const q = "Action=DescribeImages&Version=2016-11-15"
	s.send("a huge index", s.form(q+"&ImageId.999999999=ami-1&ImageId.1=ami-2"), 200)
	s.send("larger than an int", s.form(q+"&ImageId.18446744073709551617=ami-1&ImageId.-1=ami-2&ImageId.01=ami-3"), 200)
	s.got("indexes", 2)
	var many strings.Builder
	for i := range 30_000 {
		fmt.Fprintf(&many, "&ImageId.%d=a", 999_999_999-i)
	}
	s.send("30,000 of them", s.form(q+many.String()), 400, "MalformedQueryString")
	s.got("indexes", 0)
	s.send("a JSON list of 200,000", s.json("DescribeImages", `{"Names":[`+strings.Repeat(`"",`, 200_000)+`""]}`), 400, "ValidationException", "200001 validation errors")
	s.send("a CBOR list that says it is long", s.cbor("DescribeImages", "\xa1\x65Names\x9b\x7f\xff\xff\xff\xff\xff\xff\xff"), 400, "SerializationException")
	s.send("a CBOR text that says it is long", s.cbor("DescribeImages", "\xa1\x69NextToken\x7b\x7f\xff\xff\xff\xff\xff\xff\xff"), 400, "SerializationException")
	s.got("indexes", 0)
}
