package work

import (
	"bytes"
	"context"
	"crypto/sha256"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/guest"
)

// toolLines put a newer guest tool in the place of one that is installed; the next
// start runs it. The one that runs keeps its file. They end with toolElsewhere where
// none is installed: somebody runs it from a place of their own.
var toolLines = map[string]string{
	domain.SystemLinux: `set -e; t=/usr/local/sbin/slipway-guest; [ -e $t ] || exit 44; cp "$SLIPWAY_FILE" $t.new; chmod 755 $t.new; mv -f $t.new $t; sync`,
	domain.SystemWindows: `$ErrorActionPreference = 'Stop'; $t = Join-Path $env:ProgramFiles 'Slipway\slipway-guest.exe'; if (-not (Test-Path $t)) { exit 44 }; ` +
		`Remove-Item -Force -ErrorAction SilentlyContinue ($t + '.old'); Move-Item $t ($t + '.old'); Copy-Item $env:SLIPWAY_FILE $t`,
	domain.SystemFake: `touch tool`,
}

const toolElsewhere = 44

// toolThere ends with 0 where toolLines would put a newer tool in place.
var toolThere = map[string]string{
	domain.SystemLinux:   `[ -e /usr/local/sbin/slipway-guest ]`,
	domain.SystemWindows: `if (Test-Path (Join-Path $env:ProgramFiles 'Slipway\slipway-guest.exe')) { exit 0 } else { exit 1 }`,
	domain.SystemFake:    `true`,
}

// newerTool is the version of this server's guest tool, if the guest has an older
// one that an update would replace; else "".
func (w *World) newerTool(ctx context.Context, o *guest.Orders, tool guest.Greeting) (string, error) {
	if w.isFresh(tool) {
		return "", nil
	}
	rep, err := o.Run(ctx, guest.Command{ID: "tool-there", Line: toolThere[tool.System], Seconds: 60})
	if err != nil || rep.Late || rep.Exit != 0 {
		return "", err
	}
	_, version := w.Tool(tool.System)
	return version, nil
}

// updateTool puts this server's guest tool in the place of one of another version,
// if that is installed: then done is true.
func (w *World) updateTool(ctx context.Context, r *Run, o *guest.Orders, tool guest.Greeting) (done bool, err error) {
	if w.isFresh(tool) {
		return false, nil
	}
	program, _ := w.Tool(tool.System)
	const name = "slipway-guest.program"
	err = o.Put(ctx, name, bytes.NewReader(program), int64(len(program)), sha256.Sum256(program), func(done, total int64) { r.Progress(done, total, "sending the guest tool") })
	if err != nil {
		return false, err
	}
	rep, err := o.Run(ctx, guest.Command{ID: "update-tool", Line: toolLines[tool.System], Seconds: 300, File: name})
	if err != nil {
		return false, err
	}
	if done = !rep.Late && rep.Exit == 0; !done && rep.Exit != toolElsewhere {
		return false, fault.New(fault.Incompatible, "The guest tool could not be updated: %s", ending(rep))
	}
	_, err = o.Give(ctx, guest.OrderDrop, guest.Asked{ID: name})
	return done, err
}

// againLines let the guest run the tool that was put in place: by its service where
// that starts it anew, else by starting the whole guest anew. They end some seconds
// before that, so that their end is still told.
// A guest whose init does not know what to do about a reboot gets a hard one.
var againLines = map[string]string{
	domain.SystemLinux: `(sleep 3; if [ -d /run/systemd/system ] && systemctl -q is-active slipway-guest.service; then systemctl restart slipway-guest.service; ` +
		`else sync; reboot; sleep 30; sync; reboot -f; fi) >/dev/null 2>&1 &`,
	domain.SystemWindows: `shutdown.exe /r /t 3`,
	domain.SystemFake:    `touch again`,
}

// isFresh tells whether a tool is this server's, as far as it has one for that
// system.
func (w *World) isFresh(tool guest.Greeting) bool {
	if w.Tool == nil {
		return true
	}
	program, version := w.Tool(tool.System)
	return len(program) == 0 || version == "" || version == tool.Tool
}

// freshen sees to it that the guest of a machine, which is up and in which nobody
// works yet, runs this server's guest tool, and waits until it does. begun is
// called before anything is changed, and never when there is nothing to do.
// heard says that the guest is known to have the tool; of others it is not waited
// for long. Repeatable. Errors: NotAvailable, Incompatible; the guest is then as it
// was or has the new tool in place.
func (w *World) freshen(ctx context.Context, r *Run, machine string, role string, heard bool, begun func() error) error {
	if w.Tool == nil {
		return nil
	}
	stale := false
	err := w.talkAs(ctx, machine, role, w.patience(heard), func(ctx context.Context, o *guest.Orders, tool guest.Greeting) error {
		if stale = !w.isFresh(tool); !stale {
			return nil
		}
		if err := begun(); err != nil {
			return err
		}
		if done, err := w.updateTool(ctx, r, o, tool); err != nil {
			return err
		} else if !done {
			return fault.New(fault.Incompatible, "The guest tool %s is not installed where the CD's installer puts it.", plain(tool.Tool)).
				WithHint("Install it in the guest from its CD: install.sh on Linux, install.cmd on Windows.")
		}
		rep, err := o.Run(ctx, guest.Command{ID: "tool-again", Line: againLines[tool.System], Seconds: 60})
		switch {
		case fault.Is(err, fault.NotAvailable):
			return nil // it went sooner than it could say so
		case err == nil && (rep.Late || rep.Exit != 0):
			return fault.New(fault.Incompatible, "The guest tool could not be started anew: %s", ending(rep))
		}
		return err
	})
	if err != nil || !stale {
		return err
	}
	r.Progress(0, 0, "waiting for the new guest tool")
	return w.freshened(ctx, machine, role, w.Boot.filled(w.Driver.Features().Accel))
}

// patience is how long a tool is waited for that the guest is known to have, or may
// have.
func (w *World) patience(heard bool) time.Duration {
	limits := w.Boot.filled(w.Driver.Features().Accel)
	if heard {
		return limits.Tool
	}
	return limits.Agent
}

// freshened waits until a machine's tool is this server's.
func (w *World) freshened(ctx context.Context, machine string, role string, limits BootLimits) error {
	end := w.Clock.Now().Add(limits.Total)
	for {
		fresh := false
		err := w.talkAs(ctx, machine, role, limits.Tool, func(_ context.Context, _ *guest.Orders, tool guest.Greeting) error {
			fresh = w.isFresh(tool)
			return nil
		})
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil && fresh:
			return nil
		case err != nil && !fault.Is(err, fault.NotAvailable):
			return err
		case w.Clock.Now().After(end):
			return fault.New(fault.NotAvailable, "The new guest tool did not come up within %s.", limits.Total.Round(time.Second))
		}
		if !wait(ctx, limits.Tick, nil) {
			return context.Cause(ctx)
		}
	}
}
