package tool

import (
	"errors"
	"os"
	"runtime"
	"unicode/utf16"
	"unsafe"

	"golang.org/x/sys/windows"

	"slipway/guest"
)

// folderPath is where files come and go, below the profile (where AppStream's
// Windows instances have it).
const folderPath = "My Files/Temporary Files"

// noFollow: os.Root refuses links out of it by itself, and what stands behind
// others is looked at before it is read.
const noFollow = 0

const diskQuota = windows.ERROR_DISK_FULL

// seat is the console session of Windows.
type seat struct {
	token windows.Token // of its user
	home  string
}

func (s *seat) close() { _ = s.token.Close() }

const noSession = 0xffffffff

// findSeat takes the session that is connected to the screen. Its user's token is
// given to the system's own services alone, which this program runs as.
func findSeat() (*seat, error) {
	s := &seat{}
	id := windows.WTSGetActiveConsoleSessionId()
	nobody := &problem{kind: guest.ProblemNobody, text: "nobody is signed in at the screen"}
	if id == noSession {
		return nil, nobody
	}
	err := windows.WTSQueryUserToken(id, &s.token)
	switch {
	case errors.Is(err, windows.ERROR_NO_TOKEN):
		return nil, nobody
	case err != nil:
		return nil, err
	}
	if s.home, err = s.token.GetUserProfileDirectory(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// start runs a program on the user's desktop.
func (s *seat) start(in guest.Launch, given guest.Environment) (*started, error) {
	dir := in.Directory
	err := s.as(func() error {
		if st, err := os.Stat(in.Directory); in.Directory != "" && (err != nil || !st.IsDir()) {
			return &problem{kind: guest.ProblemDirectory, text: "there is no such directory to start in"}
		}
		st, err := os.Stat(in.Path)
		if err == nil && !st.Mode().IsRegular() {
			err = os.ErrPermission
		}
		if err != nil {
			return whyNot(err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if dir == "" {
		dir = s.home
	}
	env, err := s.token.Environ(false)
	if err != nil {
		return nil, err
	}
	line, err := windows.UTF16PtrFromString(commandLine(in.Path, in.Parameters))
	if err != nil {
		return nil, whyNot(err)
	}
	at, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return nil, whyNot(err)
	}
	desktop, err := windows.UTF16PtrFromString(`winsta0\default`)
	if err != nil {
		return nil, err
	}
	si := &windows.StartupInfo{Desktop: desktop}
	si.Cb = uint32(unsafe.Sizeof(*si))
	var pi windows.ProcessInformation
	if err := windows.CreateProcessAsUser(s.token, nil, line, nil, nil, false, windows.CREATE_UNICODE_ENVIRONMENT|windows.CREATE_NEW_CONSOLE, block(with(env, given)), at, si, &pi); err != nil {
		return nil, whyNot(err)
	}
	_ = windows.CloseHandle(pi.Thread)
	p := &started{done: make(chan struct{})}
	go func() {
		defer windows.CloseHandle(pi.Process)
		if _, err := windows.WaitForSingleObject(pi.Process, windows.INFINITE); err != nil {
			return // never known to have ended
		}
		var code uint32
		if windows.GetExitCodeProcess(pi.Process, &code) == nil {
			p.exit = int(int32(code))
		}
		close(p.done)
	}()
	return p, nil
}

// block is an environment as Windows takes it.
func block(env []string) *uint16 {
	var b []uint16
	for _, kv := range env {
		b = append(append(b, utf16.Encode([]rune(kv))...), 0)
	}
	b = append(b, 0, 0)
	return &b[0]
}

// as runs f with the user's rights, on a thread that is not used for anything
// else and ends.
func (s *seat) as(f func() error) error {
	var own windows.Token
	err := windows.DuplicateTokenEx(s.token, windows.TOKEN_QUERY|windows.TOKEN_IMPERSONATE, nil, windows.SecurityImpersonation, windows.TokenImpersonation, &own)
	if err != nil {
		return err
	}
	defer own.Close()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked
		if err := windows.SetThreadToken(nil, own); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}
