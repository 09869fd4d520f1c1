package work

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"slipway/domain"
	"slipway/fault"
	"slipway/guest"
)

// updating is the talk with one guest about its updates.
type updating struct {
	*guest.Orders
	way domain.Updater
}

// askSeconds is how long a guest may take to say what is pending: a package manager
// fetches its lists first.
const askSeconds = 30 * 60

// updates finds the way to update a guest. Errors: Incompatible when none is known.
func (w *World) updates(ctx context.Context, o *guest.Orders, tool guest.Greeting) (*updating, error) {
	ways := w.Updaters
	if ways == nil {
		ways = domain.Updaters()
	}
	for _, way := range ways {
		if way.System != tool.System {
			continue
		}
		r, err := o.Run(ctx, guest.Command{ID: "update-applies", Line: way.Applies, Seconds: 60})
		if err != nil {
			return nil, err
		}
		if !r.Late && r.Exit == 0 {
			return &updating{o, way}, nil
		}
	}
	return nil, fault.New(fault.Incompatible, "No way to update this guest, whose system is %s, is known.", tool.System).
		WithHint("An operator adds one with `slipway serve --update-commands FILE`.")
}

// pending asks the guest what could be installed.
func (u *updating) pending(ctx context.Context) ([]string, error) {
	r, err := u.Run(ctx, guest.Command{ID: "update-pending", Line: u.way.Pending, Seconds: askSeconds})
	if err != nil {
		return nil, err
	}
	if r.Late || r.Exit != 0 {
		return nil, fault.New(fault.Incompatible, "The guest could not say what is pending (%s): %s", u.way.Name, ending(r))
	}
	var out []string
	for l := range strings.Lines(r.Output) {
		if l = strings.TrimSpace(l); l != "" && !slices.Contains(out, l) {
			out = append(out, l)
		}
	}
	return out, nil
}

// install installs what is pending and tells whether the guest must start anew.
func (u *updating) install(ctx context.Context) (reboot bool, err error) {
	minutes := u.way.Minutes
	if minutes == 0 {
		minutes = 120
	}
	r, err := u.Run(ctx, guest.Command{ID: "update-install", Line: u.way.Update, Seconds: minutes * 60})
	if err != nil {
		return false, err
	}
	if r.Late || r.Exit != 0 {
		return false, fault.New(fault.Incompatible, "The update ended badly (%s): %s", u.way.Name, ending(r))
	}
	if strings.TrimSpace(u.way.Reboot) == "" {
		return false, nil
	}
	r, err = u.Run(ctx, guest.Command{ID: "update-reboot", Line: u.way.Reboot, Seconds: 300})
	return err == nil && !r.Late && r.Exit == 0, err
}

// several names some of a list, for people.
func several(list []string) string {
	if len(list) > 5 {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:5], ", "), len(list)-5)
	}
	return strings.Join(list, ", ")
}
