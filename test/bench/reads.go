package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"slipway/test/rig"
	"slipway/wire/sigv4"
)

const (
	readsGoal = 20_000 // a second, on two processors
	flatGoal  = 1.5
)

// sample is one sort of request.
type sample struct {
	name    string
	service string
	status  int
	bodies  [][]byte
	path    string
	header  http.Header
}

// describe asks for pages of 25: the first one, or any of many.
func describe(cbor bool, images, pages int) sample {
	s := sample{name: "awsJson", service: "appstream", status: 200, path: "/",
		header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {"PhotonAdminProxyService.DescribeImages"}}}
	if cbor {
		s.name, s.path = "CBOR", "/service/PhotonAdminProxyService/operation/DescribeImages"
		s.header = http.Header{"Content-Type": {"application/cbor"}, "Accept": {"application/cbor"}, "Smithy-Protocol": {"rpc-v2-cbor"}}
	}
	for i := range pages {
		token := ""
		if at := i * (images - 26) / max(pages-1, 1); at > 0 {
			token = base64.RawURLEncoding.EncodeToString([]byte("p1:o:" + seedName(at)))
		}
		switch {
		case cbor && token == "":
			s.bodies = append(s.bodies, []byte("\xa1\x6aMaxResults\x18\x19"))
		case cbor:
			s.bodies = append(s.bodies, append([]byte("\xa2\x6aMaxResults\x18\x19\x69NextToken\x78"), append([]byte{byte(len(token))}, token...)...))
		case token == "":
			s.bodies = append(s.bodies, []byte(`{"MaxResults":25}`))
		default:
			s.bodies = append(s.bodies, []byte(`{"MaxResults":25,"NextToken":"`+token+`"}`))
		}
	}
	return s
}

func dryRun() sample {
	return sample{name: "dry run", service: "appstream", status: 400, path: "/",
		header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {"PhotonAdminProxyService.CreateImportedImage"}},
		bodies: [][]byte{[]byte(`{"Name":"another","SourceAmiId":"` + seedAMI + `","IamRoleArn":"arn:aws:iam::` + seedAccount + `:role/import","DryRun":true}`)}}
}

func amis() sample {
	return sample{name: "EC2", service: "ec2", status: 200, path: "/", header: http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}},
		bodies: [][]byte{[]byte(url.Values{"Action": {"DescribeImages"}, "Version": {"2016-11-15"}, "Owner.1": {"self"}}.Encode())}}
}

// signed makes the requests of a sample for an endpoint.
func (s sample) signed(address string, who reader) [][]byte {
	signer := sigv4.Signer{AccessKeyID: who.id, Secret: who.secret, Region: seedRegion, Service: s.service}
	var out [][]byte
	for _, body := range s.bodies {
		r := &http.Request{Method: "POST", URL: &url.URL{Scheme: "http", Host: address, Path: s.path}, Host: address, Header: s.header.Clone()}
		r.Header.Set("User-Agent", "aws-sdk-go-v2/1.43.4 ua/2.1 os/linux lang/go#1.26.0 md/GOOS#linux md/GOARCH#amd64 api/appstream#1.64.5")
		r.Header.Set("Amz-Sdk-Invocation-Id", "8a1e0a2b-5c5c-4c52-9f0e-7e2f0a5d7c11")
		signer.Sign(r, body, time.Now())
		out = append(out, raw(r, body))
	}
	return out
}

// reads measures how many requests the server answers.
func (b *bench) reads() error {
	b.table.head("Requests (signed, by a user with a policy). One machine is server and client: \"on 2 CPUs\" is twice the requests per second of the server's processor time")
	first, dry := map[string]figures{}, map[string]figures{}
	for _, n := range b.sizes {
		if err := b.readsOf(n, first, dry); err != nil {
			return fmt.Errorf("%d images: %w", n, err)
		}
	}
	b.flat("DescribeImages, first page", first)
	b.flat("CreateImportedImage, dry run", dry)
	return b.versusMoto()
}

// flat compares the processor time of a request at the last size to the first.
func (b *bench) flat(what string, of map[string]figures) {
	small, large := b.sizes[0], b.sizes[len(b.sizes)-1]
	for _, conns := range []int{1, 64} {
		few, many := of[fmt.Sprintf("%d %d", small, conns)], of[fmt.Sprintf("%d %d", large, conns)]
		r := float64(many.each()) / float64(few.each())
		b.table.add(fmt.Sprintf("%s, %d conn.: server time at %d images to that at %d", what, conns, large, small), times(r), "< 1.5 ×", r < flatGoal)
	}
}

func (b *bench) readsOf(images int, first, dry map[string]figures) (err error) {
	dir := filepath.Join(b.dir, fmt.Sprintf("reads-%d", images))
	who, err := seed(b.ctx, dir, images)
	if err != nil {
		return err
	}
	srv, err := b.readServer(dir)
	if err != nil {
		return err
	}
	defer srv.Kill()
	for _, conns := range []int{1, 64} {
		at := fmt.Sprintf("%d %d", images, conns)
		for _, s := range []sample{describe(false, images, 1), describe(true, images, 1), dryRun()} {
			f, err := b.sampled(srv, who, s, conns)
			if err != nil {
				return err
			}
			what := "DescribeImages, first page, " + s.name
			if s.status == 400 {
				what, dry[at] = "CreateImportedImage, dry run", f
			} else if s.name == "awsJson" {
				first[at] = f
			}
			b.request(fmt.Sprintf("%d images, %d conn.: %s", images, conns, what), f, s.status == 200)
		}
	}
	// All pages in turn: what does not fit the cache comes from the file.
	f, err := b.sampled(srv, who, describe(false, images, min(images/25, 4000)), 64)
	if err != nil {
		return err
	}
	b.request(fmt.Sprintf("%d images, 64 conn.: DescribeImages, all pages in turn, awsJson", images), f, false)
	rss, anon, err := srv.Resident()
	if err != nil {
		return err
	}
	b.table.add(fmt.Sprintf("%d images: resident memory after that", images), fmt.Sprintf("%d MB, %d of them in no file", rss>>20, anon>>20), "", true)
	return nil
}

func (b *bench) readServer(dir string) (*rig.Daemon, error) {
	args := []string{"--region", seedRegion, "--account", seedAccount, "--compute", "fake", "--throttle-reads", "0", "--throttle-writes", "0"}
	args = append(args, b.serve...)
	return rig.Launch(b.ctx, rig.Options{Bin: b.bin, DataDir: dir, Args: args})
}

// sampled sends a sample after a second of it, each request twice at least, that
// is not measured, and gives the
// median of the rounds by the server's processor time.
func (b *bench) sampled(srv *rig.Daemon, who reader, s sample, conns int) (figures, error) {
	l := load{address: srv.Address, requests: s.signed(srv.Address, who), status: s.status, conns: conns, time: time.Second, pid: srv.Pid()}
	for sent := 0; sent < 2*len(l.requests); {
		f, err := l.run()
		if err != nil {
			return f, err
		}
		sent += f.calls
	}
	l.time = b.readTime
	var all []figures
	for range b.rounds {
		l.requests = s.signed(srv.Address, who)
		f, err := l.run()
		if err != nil {
			return f, err
		}
		all = append(all, f)
	}
	var each []time.Duration
	for _, f := range all {
		each = append(each, f.each())
	}
	for _, f := range all {
		if f.each() == median(each) {
			return f, nil
		}
	}
	return all[0], nil
}

// request adds a row; only pages at many connections have the goal.
func (b *bench) request(what string, f figures, goal bool) {
	text := fmt.Sprintf("%.0f/s, p50 %s, p99 %s; server %d µs each (client %d): %.0f/s on 2 CPUs; %d bytes", f.perSecond, short(f.p50), short(f.p99),
		f.each().Microseconds(), (f.client / time.Duration(f.calls)).Microseconds(), f.capacity(), f.bytes)
	if !goal || !strings.Contains(what, " 64 conn") {
		b.table.add(what, text, "", true)
		return
	}
	b.table.add(what, text, "20,000/s on 2 CPUs", f.capacity() >= readsGoal)
}

func short(d time.Duration) string {
	if d < time.Millisecond {
		return fmt.Sprintf("%d µs", d.Microseconds())
	}
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// versusMoto sends both servers the same requests. Moto has no AppStream, so
// they are EC2's DescribeImages with 25 images of the caller's own.
func (b *bench) versusMoto() error {
	dir := filepath.Join(b.dir, "reads-100")
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	who, err := seed(b.ctx, dir, 100)
	if err != nil {
		return err
	}
	srv, err := b.readServer(dir)
	if err != nil {
		return err
	}
	defer srv.Kill()
	ours, err := b.sampled(srv, who, amis(), 64)
	if err != nil {
		return err
	}
	b.request("EC2 DescribeImages of 25 AMIs, 64 conn.", ours, false)
	theirs, ok, err := b.moto(who)
	if err != nil {
		b.table.add("the same of moto_server", "failed: "+err.Error(), "", true)
		return nil
	}
	if !ok {
		b.table.add("the same of moto_server", "skipped: moto_server is not installed (pip install 'moto[server]')", "", true)
		return nil
	}
	b.request("the same of moto_server", theirs, false)
	b.table.add("requests/s, Slipway to moto_server", times(ours.perSecond/theirs.perSecond), "", true)
	return nil
}
