package restjson_test

import (
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"slipway/wire"
	"slipway/wire/ebs"
	"slipway/wire/restjson"
)

type tree = map[string]any

func call(t testing.TB, op, target, body string, labels map[string]string, header ...string) *wire.Request {
	t.Helper()
	o := ebs.Service.Op(op)
	r, err := http.NewRequest(o.HTTP.Method, "http://h"+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return &wire.Request{HTTP: r, Body: []byte(body), Service: ebs.Service, Op: o, Labels: labels, RequestID: "req-1"}
}

func TestDecode(t *testing.T) {
	snap := map[string]string{"snapshotId": "snap-1", "blockIndex": "7", "secondSnapshotId": "snap-2"}
	for _, c := range []struct {
		name string
		r    *wire.Request
		want tree // nil: SerializationException
	}{
		{"put", call(t, "PutSnapshotBlock", "/", "\x00\x01", snap, "x-amz-Data-Length", "2", "X-Amz-Progress", "50", "x-amz-checksum", "c==", "x-amz-checksum-algorithm", "SHA256"),
			tree{"SnapshotId": "snap-1", "BlockIndex": int64(7), "BlockData": []byte{0, 1}, "DataLength": int64(2), "Progress": int64(50), "Checksum": "c==", "ChecksumAlgorithm": "SHA256"}},
		{"put without headers", call(t, "PutSnapshotBlock", "/", "", snap), tree{"SnapshotId": "snap-1", "BlockIndex": int64(7), "BlockData": []byte{}}},
		{"get", call(t, "GetSnapshotBlock", "/?blockToken=a%2Bb%3D", "", snap), tree{"SnapshotId": "snap-1", "BlockIndex": int64(7), "BlockToken": "a+b="}},
		{"list", call(t, "ListSnapshotBlocks", "/?maxResults=100&startingBlockIndex=3&pageToken=p", "", snap),
			tree{"SnapshotId": "snap-1", "MaxResults": int64(100), "StartingBlockIndex": int64(3), "NextToken": "p"}},
		{"changed", call(t, "ListChangedBlocks", "/?firstSnapshotId=snap-0", "", snap), tree{"SecondSnapshotId": "snap-2", "FirstSnapshotId": "snap-0"}},
		{"start", call(t, "StartSnapshot", "/", `{"VolumeSize":8,"Tags":[{"Key":"k","Value":"v"}],"Unknown":1,"Encrypted":false}`, nil),
			tree{"VolumeSize": int64(8), "Encrypted": false, "Tags": []any{tree{"Key": "k", "Value": "v"}}}},
		{"complete", call(t, "CompleteSnapshot", "/", "", snap, "x-amz-ChangedBlocksCount", "3"), tree{"SnapshotId": "snap-1", "ChangedBlocksCount": int64(3)}},
		{"bad index", call(t, "GetSnapshotBlock", "/", "", map[string]string{"blockIndex": "x"}), nil},
		{"32 bits", call(t, "GetSnapshotBlock", "/", "", map[string]string{"blockIndex": "4294967296"}), nil},
		{"twice", call(t, "GetSnapshotBlock", "/?blockToken=a&blockToken=b", "", snap), nil},
		{"bad query", call(t, "GetSnapshotBlock", "/?blockToken=%zz", "", snap), nil},
		{"bad json", call(t, "StartSnapshot", "/", "{", nil), nil},
		{"wrong json", call(t, "StartSnapshot", "/", `{"VolumeSize":"8"}`, nil), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := restjson.Codec{}.Decode(c.r)
			var ex *wire.Exception
			if c.want == nil {
				if !errors.As(err, &ex) || ex.Code != "SerializationException" {
					t.Errorf("%v %v", got, err)
				}
				return
			}
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %v (%v)\nwant %v", got, err, c.want)
			}
		})
	}
}

func TestEncode(t *testing.T) {
	at := time.UnixMilli(1767225600500).UTC()
	for _, c := range []struct {
		op     string
		out    tree
		status int
		body   string
		header map[string]string
	}{
		{"GetSnapshotBlock", tree{"DataLength": int64(3), "BlockData": []byte("abc"), "Checksum": "c=", "ChecksumAlgorithm": "SHA256"}, 200, "abc",
			map[string]string{"x-amz-Data-Length": "3", "x-amz-Checksum": "c=", "x-amz-Checksum-Algorithm": "SHA256", "Content-Type": "application/octet-stream"}},
		{"PutSnapshotBlock", tree{"Checksum": "c="}, 201, "", map[string]string{"x-amz-Checksum": "c=", "Content-Type": ""}},
		{"StartSnapshot", tree{"SnapshotId": "s", "StartTime": at, "VolumeSize": int64(8)}, 201, `{"SnapshotId":"s","StartTime":1767225600.5,"VolumeSize":8}`,
			map[string]string{"Content-Type": "application/json"}},
		{"CompleteSnapshot", tree{"Status": "completed"}, 202, `{"Status":"completed"}`, nil},
		{"ListSnapshotBlocks", tree{"Blocks": []any{tree{"BlockIndex": int64(0), "BlockToken": "t"}}}, 200, `{"Blocks":[{"BlockIndex":0,"BlockToken":"t"}]}`, nil},
		{"ListChangedBlocks", tree{}, 200, `{}`, nil},
	} {
		got, err := restjson.Codec{}.Encode(call(t, c.op, "/", "", nil), c.out)
		if err != nil || got.Status != c.status || string(got.Body) != c.body {
			t.Errorf("%s: %v %+v", c.op, err, got)
			continue
		}
		for k, v := range c.header {
			if got.Header.Get(k) != v {
				t.Errorf("%s: header %s is %q, want %q", c.op, k, got.Header.Get(k), v)
			}
		}
	}
	if _, err := (restjson.Codec{}).Encode(call(t, "PutSnapshotBlock", "/", "", nil), tree{"Checksum": "a\r\nX: y"}); err == nil {
		t.Error("a header was split")
	}
}

func TestEncodeError(t *testing.T) {
	r := call(t, "StartSnapshot", "/", "", nil)
	got := restjson.Codec{}.EncodeError(r, &wire.Exception{Code: "ResourceNotFoundException", Message: "no such snapshot",
		Fields: map[string]any{"Reason": "SNAPSHOT_NOT_FOUND", "Stray": "x"}})
	if got.Status != 404 || got.Header.Get("x-amzn-ErrorType") != "ResourceNotFoundException" ||
		string(got.Body) != `{"Message":"no such snapshot","Reason":"SNAPSHOT_NOT_FOUND"}` {
		t.Errorf("%+v %s", got, got.Body)
	}
	got = restjson.Codec{}.EncodeError(&wire.Request{}, wire.Exceptionf("UnknownOperationException", "m"))
	if got.Status != 404 || string(got.Body) != `{"message":"m"}` {
		t.Errorf("%+v %s", got, got.Body)
	}
}

// Whatever comes, decoding ends in a tree or in an *Exception.
func FuzzDecode(f *testing.F) {
	f.Add("snap-1", "7", "blockToken=a&maxResults=1", "3", `{"VolumeSize":1}`)
	f.Add("", "-1", "maxResults=&pageToken=%", "1e9", `[{}]`)
	f.Fuzz(func(t *testing.T, id, index, query, length, body string) {
		for _, op := range ebs.Service.Ops {
			r := call(t, op.Name, "/", body, map[string]string{"snapshotId": id, "secondSnapshotId": id, "blockIndex": index}, "X-Amz-Data-Length", length)
			r.HTTP.URL.RawQuery = query
			_, err := restjson.Codec{}.Decode(r)
			var ex *wire.Exception
			if err != nil && !errors.As(err, &ex) {
				t.Fatal(err)
			}
		}
	})
}
