package fake

import (
	"context"
	"encoding/binary"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"slipway/compute"
	"slipway/fault"
)

var _ compute.Teller = (*Driver)(nil)

// Ends implements compute.Teller: the kernel tells which files are removed or
// replaced. Of machines that end as time passes it tells nothing.
func (d *Driver) Ends(ctx context.Context) (<-chan string, error) {
	const what = "The directory of the fake machines cannot be watched."
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, what)
	}
	f := os.NewFile(uintptr(fd), "inotify")
	if _, err := unix.InotifyAddWatch(fd, d.o.Dir, unix.IN_DELETE|unix.IN_MOVED_FROM|unix.IN_MOVED_TO|unix.IN_CLOSE_WRITE); err != nil {
		_ = f.Close()
		return nil, fault.Wrap(fault.Unavailable, err, what)
	}
	out := make(chan string)
	stop := context.AfterFunc(ctx, func() { _ = f.Close() }) // ends the read
	go func() {
		defer close(out)
		defer stop()
		buf := make([]byte, 64<<10)
		for {
			n, err := f.Read(buf)
			if err != nil {
				return
			}
			for _, name := range names(buf[:n]) {
				id, ok := strings.CutSuffix(name, suffix)
				if !ok || compute.CheckID(id) != nil {
					continue
				}
				if m, err := d.peek(id); err == nil && d.state(m) == compute.Running {
					continue
				}
				select {
				case out <- id:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return out, nil
}

// names are the files that some events are about (inotify(7), struct
// inotify_event).
func names(b []byte) (out []string) {
	for len(b) >= unix.SizeofInotifyEvent {
		end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:]))
		if end > len(b) {
			break
		}
		if name := strings.TrimRight(string(b[unix.SizeofInotifyEvent:end]), "\x00"); name != "" {
			out = append(out, name)
		}
		b = b[end:]
	}
	return out
}
