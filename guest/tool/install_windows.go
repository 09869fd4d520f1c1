package tool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/mgr"
)

const serviceName = "SlipwayGuest"

// assistantPath is where the developer guide has the Image Assistant.
func assistantPath() string {
	return filepath.Join(folder(windows.FOLDERID_ProgramFiles), "Amazon", "Photon", "ConsoleImageBuilder", "image-assistant.exe")
}

// Install puts this program where the Image Assistant is expected and lets
// Windows start its daemon as a service. Repeatable: the service is stopped while
// a newer program takes the older one's place.
func Install(out io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	m, err := mgr.Connect()
	if err != nil {
		return fmt.Errorf("the service manager: %w", err)
	}
	defer func() { _ = m.Disconnect() }()
	s, err := m.OpenService(serviceName)
	if err == nil {
		_, _ = s.Control(svc.Stop) // one that does not run is as good
	}
	path := filepath.Join(folder(windows.FOLDERID_ProgramFiles), "Slipway", "slipway-guest.exe")
	for _, to := range []string{path, assistantPath()} {
		_ = os.Rename(to, to+".old") // of a program that runs, only the name can be changed
		_ = os.Remove(to + ".old")
		if err := copyProgram(self, to); err != nil {
			return err
		}
	}
	if s == nil {
		s, err = m.CreateService(serviceName, path, mgr.Config{StartType: mgr.StartAutomatic, DisplayName: "Slipway guest tool",
			Description: "Connects this machine to the server that runs it."}, "serve")
		if err != nil {
			return fmt.Errorf("the service: %w", err)
		}
	}
	defer s.Close()
	if err := s.Start(); err != nil && !errors.Is(err, windows.ERROR_SERVICE_ALREADY_RUNNING) {
		return fmt.Errorf("start the service: %w", err)
	}
	_, err = fmt.Fprintf(out, "installed and started; image-assistant.exe is in %s\r\n", filepath.Dir(assistantPath()))
	return err
}

// RunService runs serve under the service manager; false when this process was
// not started by it.
func RunService(ctx context.Context, serve func(context.Context) error) (bool, error) {
	is, err := svc.IsWindowsService()
	if err != nil || !is {
		return false, err
	}
	return true, svc.Run(serviceName, service{ctx, serve})
}

type service struct {
	ctx   context.Context
	serve func(context.Context) error
}

// Execute implements svc.Handler.
func (s service) Execute(_ []string, requests <-chan svc.ChangeRequest, tell chan<- svc.Status) (bool, uint32) {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.serve(ctx) }()
	tell <- svc.Status{State: svc.Running, Accepts: svc.AcceptStop | svc.AcceptShutdown}
	for {
		select {
		case err := <-done:
			if err != nil && ctx.Err() == nil {
				return true, 1
			}
			return false, 0
		case r := <-requests:
			switch r.Cmd {
			case svc.Interrogate:
				tell <- r.CurrentStatus
			case svc.Stop, svc.Shutdown:
				tell <- svc.Status{State: svc.StopPending}
				cancel()
			}
		}
	}
}
