package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// quiet collects what a user would be told.
type quiet struct {
	mu   sync.Mutex
	said string
}

func (q *quiet) Start(string, int64, int64) {}
func (q *quiet) Add(int64)                  {}
func (q *quiet) End()                       {}
func (q *quiet) Say(format string, args ...any) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.said += fmt.Sprintf(format, args...) + "\n"
}

type bench struct {
	*fakeAWS
	clients Clients
	dir     string
	said    quiet
}

func newBench(t *testing.T) *bench {
	b := &bench{fakeAWS: newFakeAWS(), dir: t.TempDir()}
	srv := httptest.NewServer(b.fakeAWS)
	t.Cleanup(srv.Close)
	cfg := aws.Config{
		Region: "us-east-1", BaseEndpoint: &srv.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}
	b.clients = Clients{EBS: ebs.NewFromConfig(cfg), EC2: ec2.NewFromConfig(cfg)}
	return b
}

// disk makes a sparse disk with random data in the given blocks.
func (b *bench) disk(t *testing.T, size int64, blocks ...int) string {
	t.Helper()
	path := filepath.Join(b.dir, "disk.raw")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, i := range blocks {
		data := make([]byte, min(BlockSize, size-int64(i)*BlockSize))
		for j := range data {
			data[j] = byte(rng.Uint32())
		}
		if _, err := f.WriteAt(data, int64(i)*BlockSize); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func (b *bench) push(ctx context.Context, path, name string) (PushResult, error) {
	return Push(ctx, b.clients, PushOptions{Path: path, Name: name, Parallel: 4, StateDir: filepath.Join(b.dir, "state"), Endpoint: "here",
		Tags: map[string]string{"team": "blue"}}, &b.said)
}

func (b *bench) pull(ctx context.Context, ami, out string, force bool) (PullResult, error) {
	return Pull(ctx, b.clients, PullOptions{AMI: ami, Out: out, Force: force, Parallel: 4}, &b.said)
}

func same(t *testing.T, a, b string) {
	t.Helper()
	x, err1 := os.ReadFile(a)
	y, err2 := os.ReadFile(b)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(x, y) {
		t.Errorf("%s (%d bytes) and %s (%d bytes) differ", a, len(x), b, len(y))
	}
}

// There and back, for a disk that ends inside a block and has blocks of
// written zeros.
func TestThereAndBack(t *testing.T) {
	b := newBench(t)
	const size = 20*BlockSize + 1000
	path := b.disk(t, size, 0, 1, 7, 20)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteAt(zeros[:], 3*BlockSize)
	f.Close()
	r, err := b.push(t.Context(), path, "there")
	if err != nil {
		t.Fatal(err)
	}
	if r.Blocks != 4 || b.puts != 4 || r.VolumeGiB != 1 || r.SentBytes != 4*BlockSize {
		t.Errorf("%+v, %d puts", r, b.puts)
	}
	i := b.images[0]
	for k, want := range map[string]string{"Architecture": "x86_64", "VirtualizationType": "hvm", "BootMode": "uefi", "TpmSupport": "v2.0",
		"EnaSupport": "true", "RootDeviceName": "/dev/sda1", "BlockDeviceMapping.1.Ebs.VolumeType": "gp3"} {
		if i.form[k] != want {
			t.Errorf("RegisterImage: %s is %q", k, i.form[k])
		}
	}
	for _, tags := range []map[string]string{i.tags, b.snaps[r.Snapshot].tags} {
		if tags["team"] != "blue" || tags[ExactBytesTag] != fmt.Sprint(size) {
			t.Errorf("tags %v", tags)
		}
	}
	out := filepath.Join(b.dir, "out.raw")
	got, err := b.pull(t.Context(), r.AMI, out, false)
	if err != nil {
		t.Fatal(err)
	}
	same(t, path, out)
	if got.DiskBytes != size || got.Blocks != 4 {
		t.Errorf("%+v", got)
	}
	if s, _ := os.Stat(out); s.Sys().(*syscall.Stat_t).Blocks*512 > 5*BlockSize {
		t.Errorf("%s takes %d bytes: not sparse", out, s.Sys().(*syscall.Stat_t).Blocks*512)
	}
	if left, _ := filepath.Glob(out + ".*"); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
	if _, err := b.pull(t.Context(), r.AMI, out, false); err == nil || !strings.Contains(err.Error(), "--force") {
		t.Errorf("overwriting: %v", err)
	}
	if _, err := b.pull(t.Context(), r.AMI, out, true); err != nil {
		t.Errorf("overwriting by force: %v", err)
	}
}

func TestPushAgain(t *testing.T) {
	b := newBench(t)
	path := b.disk(t, 4*BlockSize, 1)
	first, err := b.push(t.Context(), path, "twice")
	if err != nil {
		t.Fatal(err)
	}
	again, err := b.push(t.Context(), path, "twice")
	if err != nil || !again.Existed || again.AMI != first.AMI || b.puts != 1 {
		t.Errorf("%+v %v, %d puts", again, err, b.puts)
	}
	if err := os.Chtimes(path, time.Time{}, time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err = b.push(t.Context(), path, "twice"); err == nil || !strings.Contains(err.Error(), "choose another --name") {
		t.Errorf("another disk of the same name: %v", err)
	}
}

// A push that ends in the middle sends only the rest the next time; so does one
// whose server loses the snapshot, from the start.
func TestPushResumes(t *testing.T) {
	b := newBench(t)
	path := b.disk(t, 12*BlockSize, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	ctx, cancel := context.WithCancel(t.Context())
	var puts atomic.Int64
	b.fault = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == "PUT" && puts.Add(1) > 5 {
			cancel()
			panic(http.ErrAbortHandler)
		}
		return false
	}
	if _, err := b.push(ctx, path, "cut"); !errors.Is(err, context.Canceled) {
		t.Fatalf("cut push: %v", err)
	}
	b.fault = nil
	// Of the five, three may have been on their way when it ended.
	r, err := b.push(t.Context(), path, "cut")
	if err != nil || !r.Resumed || r.SentBytes > 8*BlockSize || r.Blocks != 10 || len(b.snaps) != 1 {
		t.Fatalf("%+v %v", r, err)
	}
	// The image is removed and so is the snapshot: everything again.
	b.images, b.snaps = nil, map[string]*fakeSnap{}
	r, err = b.push(t.Context(), path, "cut")
	if err != nil || r.Resumed || len(b.snaps[r.Snapshot].blocks) != 10 {
		t.Fatalf("after the snapshot vanished: %+v %v", r, err)
	}
}

// A server that is away for a moment, answers badly, or forgets its block
// tokens costs time and nothing else.
func TestTrouble(t *testing.T) {
	b := newBench(t)
	path := b.disk(t, 8*BlockSize, 0, 2, 3, 4, 5, 6)
	var n atomic.Int64
	b.fault = func(w http.ResponseWriter, r *http.Request) bool {
		switch k := n.Add(1); {
		case k%5 == 0: // closed without an answer
			panic(http.ErrAbortHandler)
		case k%7 == 0:
			w.WriteHeader(503)
			return true
		}
		return false
	}
	r, err := b.push(t.Context(), path, "rough")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.said.said, "trying again") || !strings.Contains(b.said.said, "going on") {
		t.Errorf("said %q", b.said.said)
	}
	var damaged, restarted atomic.Bool
	b.fault = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/blocks/") {
			return false
		}
		if damaged.CompareAndSwap(false, true) {
			w.Header().Set("x-amz-Data-Length", fmt.Sprint(BlockSize))
			w.Header().Set("x-amz-Checksum", checksum(zeros[:]))
			w.Write(bytes.Repeat([]byte{1}, BlockSize))
			return true
		}
		if restarted.CompareAndSwap(false, true) {
			b.mu.Lock()
			b.epoch++
			b.mu.Unlock()
		}
		return false
	}
	out := filepath.Join(b.dir, "out.raw")
	if _, err := b.pull(t.Context(), r.AMI, out, false); err != nil {
		t.Fatal(err)
	}
	same(t, path, out)
}

func TestPullResumes(t *testing.T) {
	b := newBench(t)
	path := b.disk(t, 32<<20, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	r, err := b.push(t.Context(), path, "cut")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var gets atomic.Int64
	b.fault = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == "GET" && strings.Contains(r.URL.Path, "/blocks/") && gets.Add(1) > 5 {
			cancel()
			panic(http.ErrAbortHandler)
		}
		return false
	}
	out := filepath.Join(b.dir, "out.raw")
	if _, err := b.pull(ctx, r.AMI, out, false); !errors.Is(err, context.Canceled) {
		t.Fatalf("cut pull: %v", err)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("half a file has the name of a whole one")
	}
	b.fault = nil
	got, err := b.pull(t.Context(), r.AMI, out, false)
	if err != nil || !got.Resumed || b.gets >= 15 || got.GotBytes >= 10*BlockSize {
		t.Fatalf("%+v %v, %d gets", got, err, b.gets)
	}
	same(t, path, out)
}

func TestRefusedDisks(t *testing.T) {
	b := newBench(t)
	file := func(name string, data string, size int64) string {
		path := filepath.Join(b.dir, name)
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, max(size, int64(len(data)))); err != nil {
			t.Fatal(err)
		}
		return path
	}
	vhd := file("fixed.vhd", "", 4096)
	f, _ := os.OpenFile(vhd, os.O_WRONLY|os.O_APPEND, 0)
	f.WriteString("conectix" + strings.Repeat("\x00", 504))
	f.Close()
	for path, want := range map[string]string{
		file("a.qcow2", "QFI\xfb", 1<<20):                                         "version 0; 2 and 3 are known. Convert it with `qemu-img convert -O raw`.",
		file("a.vmdk", "KDMV", 1<<20):                                             "VMDK",
		file("b.vmdk", "# Disk DescriptorFile\nRW 8 FLAT \"/etc/passwd\" 0\n", 0): "FLAT `/etc/passwd`",
		file("a.vhdx", "vhdxfile", 1<<20):                                         "VHDX",
		vhd:                                                                       "VHD",
		file("a.raw.gz", "\x1f\x8b\x08", 1<<20):                                   "gzip",
		file("a.ova", strings.Repeat("\x00", 257)+"ustar", 1024):                  "tar",
		file("a.vdi", strings.Repeat("\x00", 64)+"\x7f\x10\xda\xbe", 1024):        "a VDI image. Convert it with",
		file("empty", "", 0):                                                      "empty",
		b.dir:                                                                     "not a file",
		filepath.Join(b.dir, "none"):                                              "no such file",
	} {
		if _, err := b.push(t.Context(), path, "x"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if len(b.snaps) != 0 {
		t.Error("a refused disk left a snapshot")
	}
	// A boot sector may hold anything before its table.
	boot := make([]byte, 1<<20)
	copy(boot, "BZh")
	copy(boot[257:], "ustar")
	boot[510], boot[511] = 0x55, 0xaa
	if _, err := b.push(t.Context(), file("boot.raw", string(boot), 0), "boot"); err != nil {
		t.Errorf("a disk with a boot sector: %v", err)
	}
}

func TestPullRefusals(t *testing.T) {
	b := newBench(t)
	r, err := b.push(t.Context(), b.disk(t, 4*BlockSize, 0, 3), "short")
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(b.dir, "out.raw")
	for tag, want := range map[string]string{
		fmt.Sprint(2 * BlockSize): "data beyond",
		"-1":                      "no size of a disk",
		fmt.Sprint(2 << 30):       "no size of a disk",
	} {
		b.images[0].tags[ExactBytesTag] = tag
		if _, err := b.pull(t.Context(), r.AMI, out, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("tag %s: %v", tag, err)
		}
	}
	if _, err := b.pull(t.Context(), "ami-unknown", out, false); err == nil || !strings.Contains(err.Error(), "no machine image") {
		t.Errorf("unknown: %v", err)
	}
	if _, err := b.pull(t.Context(), r.AMI, b.dir, true); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("directory: %v", err)
	}
}
