package disks

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"unsafe"

	"slipway/disk/gate/hostile"
	"slipway/test/rig"
)

// Every file of the hostile corpus that names another file or a machine names
// canaries here: the program looks at it, by itself and to push it, and neither
// is ever touched.
func TestHostileFilesLeadNowhere(t *testing.T) {
	canary, sang := canaryFile(t)
	called := listeners(t, "127.0.0.1:10809", "127.0.0.1:80", "127.0.0.1:22") // nbd, http, ssh
	s := rig.Start(t, "--compute", "fake")
	dir, n := t.TempDir(), 0
	for _, f := range hostile.Files() {
		if f.Code == "" || f.Size > 16<<20 {
			continue
		}
		data := bytes.ReplaceAll(f.Data, []byte("/etc/passwd"), []byte(canary))
		data = bytes.ReplaceAll(data, []byte("192.0.2.1"), []byte("127.0.0.1"))
		if bytes.Equal(data, f.Data) {
			continue // names nobody
		}
		n++
		path := filepath.Join(dir, f.Name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, f.Size); err != nil {
			t.Fatal(err)
		}
		code, out := status(t, s, "check", path)
		pushed, errs, err := s.CLI("ami", "push", path, "--name", "hostile")
		// Some are harmful only with an option, or found when all is read.
		if f.When != hostile.Read && f.MaxBytes == 0 && f.Declared == "" && f.Member == "" && (code != 2 || err == nil) {
			t.Errorf("%s (%s): exit %d, pushed as %q\n%s\n%s", f.Name, f.Item, code, pushed, out, errs)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if sang() {
		t.Error("the canary file was opened")
	}
	if c := called(); c != "" {
		t.Errorf("somebody was called: %s", c)
	}
	if _, err := os.ReadFile(canary); err != nil || !sang() {
		t.Errorf("the canary does not sing when it is read: %v", err)
	}
	t.Logf("%d files that name others; nobody was read or called", n)
	if n < 25 {
		t.Errorf("only %d files name others", n)
	}
}

// canaryFile is a file whose path is as long as /etc/passwd; sang tells whether
// it was opened since it was asked last.
func canaryFile(t *testing.T) (path string, sang func() bool) {
	t.Helper()
	for i := 0; ; i++ {
		path = fmt.Sprintf("/tmp/%06x", (os.Getpid()+i)&0xffffff)
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Remove(path) })
		if _, err := f.WriteString("sing"); err != nil || f.Close() != nil {
			t.Fatal(err)
		}
		break
	}
	fd, err := syscall.InotifyInit1(syscall.IN_NONBLOCK | syscall.IN_CLOEXEC)
	if err == nil {
		_, err = syscall.InotifyAddWatch(fd, path, syscall.IN_OPEN|syscall.IN_ACCESS)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	return path, func() bool {
		b := make([]byte, 64*int(unsafe.Sizeof(syscall.InotifyEvent{})))
		n, _ := syscall.Read(fd, b)
		return n > 0
	}
}

// listeners wait for calls where hostile files point; called says who got some.
func listeners(t *testing.T, addresses ...string) (called func() string) {
	t.Helper()
	counts := map[string]*atomic.Int64{}
	for _, a := range addresses {
		l, err := net.Listen("tcp", a)
		if err != nil {
			t.Logf("%s is not listened at: %v", a, err)
			continue
		}
		t.Cleanup(func() { l.Close() })
		n := new(atomic.Int64)
		counts[a] = n
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				n.Add(1)
				c.Close()
			}
		}()
	}
	if len(counts) == 0 {
		t.Error("no address could be listened at")
	}
	return func() string {
		var out []string
		for a, n := range counts {
			if n.Load() > 0 {
				out = append(out, a)
			}
		}
		return strings.Join(out, " ")
	}
}
