// Package bucket reads and writes objects of an S3-compatible service, as much
// of it as importing and exporting disks takes: four operations, one key, signed
// requests to one address that the operator chose.
//
// What lives here: requests, signatures, parts and the service's errors. What may
// not: which objects anybody may have (service), trying again (the engine does),
// and any other address: redirections are not followed.
package bucket

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"slipway/fault"
)

// Client talks to one service. Its fields are set once; it is safe for use by
// several goroutines.
type Client struct {
	Endpoint string // origin, such as https://minio.example.com:9000
	Region   string
	KeyID    string
	Secret   string
	Now      func() time.Time
	HTTP     *http.Client  // nil: one of its own
	Stall    time.Duration // gives up on a silent service; 0: a minute
	PartSize int64         // of large objects; 0: 64 MiB
}

var plain = &http.Client{
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Transport:     &http.Transport{ResponseHeaderTimeout: 2 * time.Minute, MaxIdleConnsPerHost: 16, Proxy: nil},
}

const emptySum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// request is one signed request.
type request struct {
	method      string
	bucket, key string
	query       url.Values
	header      map[string]string
	body        io.ReadSeeker
	size        int64
}

// do sends a request and turns everything but success into an error.
func (c *Client) do(ctx context.Context, r request) (*http.Response, error) {
	u := strings.TrimRight(c.Endpoint, "/") + "/" + r.bucket + "/" + escape(r.key)
	if len(r.query) > 0 {
		u += "?" + r.query.Encode()
	}
	sum := emptySum
	var body io.Reader
	if r.body != nil {
		h := sha256.New()
		if _, err := io.Copy(h, r.body); err != nil {
			return nil, err
		}
		if _, err := r.body.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		sum, body = hex.EncodeToString(h.Sum(nil)), io.NopCloser(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, u, body)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "The request to the bucket could not be made.")
	}
	req.ContentLength = r.size
	for k, v := range r.header {
		req.Header.Set(k, v)
	}
	req.Header.Set("X-Amz-Content-Sha256", sum)
	err = v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }).SignHTTP(ctx,
		aws.Credentials{AccessKeyID: c.KeyID, SecretAccessKey: c.Secret}, req, sum, "s3", c.Region, c.Now())
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "The request to the bucket could not be signed.")
	}
	client := c.HTTP
	if client == nil {
		client = plain
	}
	resp, err := client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fault.Wrap(fault.Unavailable, err, "The service of the bucket does not answer.").WithHint("Look at the address of --s3-endpoint and at that service.")
	}
	if resp.StatusCode/100 != 2 {
		defer resp.Body.Close()
		return nil, refusal(resp)
	}
	return resp, nil
}

// escape writes a key as S3 wants it in a path.
func escape(key string) string {
	parts := strings.Split(key, "/")
	for i, p := range parts {
		parts[i] = strings.ReplaceAll(url.QueryEscape(p), "+", "%20")
	}
	return strings.Join(parts, "/")
}

func refusal(resp *http.Response) error {
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 4096)) // for the log only
	err := fmt.Errorf("%s %s: %s: %.500q", resp.Request.Method, resp.Request.URL.Path, resp.Status, said)
	switch resp.StatusCode {
	case http.StatusNotFound:
		return fault.Wrap(fault.NotFound, err, "The object or its bucket does not exist.")
	case http.StatusForbidden, http.StatusUnauthorized:
		return fault.Wrap(fault.Denied, err, "The bucket's service refused the access.")
	case http.StatusPreconditionFailed:
		return fault.Wrap(fault.Busy, err, "The object was changed meanwhile.")
	}
	return fault.Wrap(fault.Unavailable, err, "The bucket's service answered %s.", resp.Status)
}

// Stat tells an object's size and version.
func (c *Client) Stat(ctx context.Context, bucket, key string) (size int64, etag string, err error) {
	resp, err := c.do(ctx, request{method: http.MethodHead, bucket: bucket, key: key})
	if err != nil {
		return 0, "", err
	}
	resp.Body.Close()
	if resp.ContentLength < 0 {
		return 0, "", fault.New(fault.Unavailable, "The bucket's service does not tell the size of the object.")
	}
	return resp.ContentLength, resp.Header.Get("ETag"), nil
}

// Get reads an object from an offset on.
func (c *Client) Get(ctx context.Context, bucket, key, etag string, from int64) (io.ReadCloser, error) {
	r := request{method: http.MethodGet, bucket: bucket, key: key, header: map[string]string{}}
	if etag != "" {
		r.header["If-Match"] = etag
	}
	if from > 0 {
		r.header["Range"] = fmt.Sprintf("bytes=%d-", from)
	}
	ctx, stop := context.WithCancelCause(ctx)
	resp, err := c.do(ctx, r)
	if err != nil {
		stop(err)
		return nil, err
	}
	if from > 0 && resp.StatusCode != http.StatusPartialContent {
		resp.Body.Close()
		stop(nil)
		return nil, fault.New(fault.Unavailable, "The bucket's service does not read from the middle of an object.")
	}
	return c.guarded(resp.Body, stop), nil
}

// guarded ends a body on which nothing arrives for too long.
func (c *Client) guarded(body io.ReadCloser, stop context.CancelCauseFunc) io.ReadCloser {
	d := c.Stall
	if d == 0 {
		d = time.Minute
	}
	g := &guard{body: body, d: d, stop: stop}
	g.timer = time.AfterFunc(d, func() { stop(errStalled) })
	return g
}

var errStalled = errors.New("nothing arrived for too long")

type guard struct {
	body  io.ReadCloser
	d     time.Duration
	timer *time.Timer
	stop  context.CancelCauseFunc
}

func (g *guard) Read(b []byte) (int, error) {
	n, err := g.body.Read(b)
	g.timer.Reset(g.d)
	return n, err
}

func (g *guard) Close() error {
	g.timer.Stop()
	err := g.body.Close()
	g.stop(nil)
	return err
}

// Delete removes an object; that there is none is fine.
func (c *Client) Delete(ctx context.Context, bucket, key string) error {
	resp, err := c.do(ctx, request{method: http.MethodDelete, bucket: bucket, key: key})
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err == nil {
		resp.Body.Close()
	}
	return err
}

// Put makes an object, in parts when it is large. It appears when all is there;
// the parts of one that failed are taken back.
func (c *Client) Put(ctx context.Context, bucket, key string, r io.ReaderAt, size int64, progress func(done int64)) error {
	part := c.PartSize
	if part == 0 {
		part = 64 << 20
	}
	part = max(part, size/9000+1) // at most 10,000 parts
	if size <= part {
		resp, err := c.do(ctx, request{method: http.MethodPut, bucket: bucket, key: key, body: io.NewSectionReader(r, 0, size), size: size})
		if err == nil {
			resp.Body.Close()
			progress(size)
		}
		return err
	}
	id, err := c.begin(ctx, bucket, key)
	if err != nil {
		return err
	}
	q := url.Values{"uploadId": {id}}
	err = c.parts(ctx, request{bucket: bucket, key: key, query: q}, r, size, part, progress)
	if err != nil {
		resp, aerr := c.do(context.WithoutCancel(ctx), request{method: http.MethodDelete, bucket: bucket, key: key, query: q})
		if aerr == nil {
			resp.Body.Close()
		} else if !fault.Is(aerr, fault.NotFound) {
			err = errors.Join(err, aerr)
		}
	}
	return err
}

func (c *Client) begin(ctx context.Context, bucket, key string) (id string, err error) {
	resp, err := c.do(ctx, request{method: http.MethodPost, bucket: bucket, key: key, query: url.Values{"uploads": {""}}})
	if err != nil {
		return "", err
	}
	var begun struct {
		UploadID string `xml:"UploadId"`
	}
	if err := readXML(resp, &begun); err != nil || begun.UploadID == "" {
		return "", fault.Wrap(fault.Unavailable, err, "The bucket's service began no upload.")
	}
	return begun.UploadID, nil
}

type completedPart struct {
	XMLName xml.Name `xml:"Part"`
	Number  int      `xml:"PartNumber"`
	ETag    string   `xml:"ETag"`
}

func (c *Client) parts(ctx context.Context, base request, r io.ReaderAt, size, part int64, progress func(int64)) error {
	var done struct {
		XMLName xml.Name `xml:"CompleteMultipartUpload"`
		Parts   []completedPart
	}
	for off := int64(0); off < size; off += part {
		n := min(part, size-off)
		p := base
		number := len(done.Parts) + 1
		p.method, p.query = http.MethodPut, url.Values{"uploadId": base.query["uploadId"], "partNumber": {fmt.Sprint(number)}}
		p.body, p.size = io.NewSectionReader(r, off, n), n
		resp, err := c.do(ctx, p)
		if err != nil {
			return err
		}
		resp.Body.Close()
		done.Parts = append(done.Parts, completedPart{Number: number, ETag: resp.Header.Get("ETag")})
		progress(off + n)
	}
	text, err := xml.Marshal(done)
	if err != nil {
		return err
	}
	base.method, base.body, base.size = http.MethodPost, bytes.NewReader(text), int64(len(text))
	resp, err := c.do(ctx, base)
	if err != nil {
		return err
	}
	// Success has begun before it is known: the body tells.
	var end struct {
		XMLName xml.Name
		Code    string
	}
	if err := readXML(resp, &end); err != nil || end.XMLName.Local == "Error" {
		return fault.Wrap(fault.Unavailable, err, "The bucket's service could not put the parts together (%.100s).", end.Code)
	}
	return nil
}

func readXML(resp *http.Response, v any) error {
	defer resp.Body.Close()
	return xml.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(v)
}
