package tool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// System is what this program calls the system it was made for.
const System = "linux"

// openPort opens the serial port with a name. The kernel lists the ports under
// /sys; the links under /dev/virtio-ports are udev's and may be missing.
func openPort(name string) (io.ReadWriteCloser, error) {
	all, err := filepath.Glob("/sys/class/virtio-ports/*/name")
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		b, err := os.ReadFile(p)
		if err == nil && strings.TrimSpace(string(b)) == name {
			f, err := os.OpenFile("/dev/"+filepath.Base(filepath.Dir(p)), os.O_RDWR, 0)
			if err != nil {
				return nil, fmt.Errorf("open the port: %w", err)
			}
			return f, nil
		}
	}
	return nil, fmt.Errorf("this machine has no port %s: %w", name, fs.ErrNotExist)
}

// Where the Image Assistant finds the daemon; root alone may open it.
const socketPath = "/run/slipway-guest.sock"

// listenPlace makes the place of the socket ready for a daemon.
func listenPlace() (string, error) {
	if err := os.Remove(socketPath); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return socketPath, nil
}

// guard keeps everybody but administrators from the socket.
func guard(path string) error { return os.Chmod(path, 0o600) }

// Administrator tells whether this process may change the system.
func Administrator() bool { return os.Geteuid() == 0 }
