package tool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// System is what this program calls the system it was made for.
const System = "windows"

// openPort opens the serial port with a name, as the virtio-serial driver
// publishes it. Overlapped: a read that waits must not hold up a write.
func openPort(name string) (io.ReadWriteCloser, error) {
	path := `\\.\Global\` + name
	p, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	h, err := windows.CreateFile(p, windows.GENERIC_READ|windows.GENERIC_WRITE, 0, nil, windows.OPEN_EXISTING, windows.FILE_FLAG_OVERLAPPED, 0)
	if err != nil {
		return nil, fmt.Errorf("open the port %s (is the virtio-serial driver installed?): %w", path, err)
	}
	return os.NewFile(uintptr(h), path), nil
}

// folder is one of the system's own directories.
func folder(id *windows.KNOWNFOLDERID) string {
	p, err := windows.KnownFolderPath(id, windows.KF_FLAG_DEFAULT)
	if err != nil {
		panic(err) // a Windows without them does not start services either
	}
	return p
}

func socketDir() string { return filepath.Join(folder(windows.FOLDERID_ProgramData), "Slipway") }

// socketPath is where the Image Assistant finds the daemon.
var socketPath = filepath.Join(socketDir(), "guest.sock")

// adminsOnly: the system and administrators, and nobody else, whatever is above.
const adminsOnly = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"

// listenPlace makes a directory that only administrators may look into.
func listenPlace() (string, error) {
	sd, err := windows.SecurityDescriptorFromString(adminsOnly)
	if err != nil {
		return "", err
	}
	dacl, _, err := sd.DACL()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(socketDir(), 0o700); err != nil {
		return "", err
	}
	const what = windows.DACL_SECURITY_INFORMATION | windows.PROTECTED_DACL_SECURITY_INFORMATION
	if err := windows.SetNamedSecurityInfo(socketDir(), windows.SE_FILE_OBJECT, what, nil, nil, dacl, nil); err != nil {
		return "", fmt.Errorf("protect %s: %w", socketDir(), err)
	}
	if err := os.Remove(socketPath); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return socketPath, nil
}

// guard has nothing left to do: the directory is protected.
func guard(string) error { return nil }

// Administrator tells whether this process may change the system.
func Administrator() bool { return windows.GetCurrentProcessToken().IsElevated() }
