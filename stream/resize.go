package stream

import (
	"context"
	"time"

	"slipway/service"
)

// size is that of a screen in pixels.
type size struct{ width, height int }

// A guest is asked again for a while: its desktop may come up only now.
const (
	resizeTime  = 15 * time.Second // that one try may take
	resizePause = 10 * time.Second
	resizeTries = 6
)

// wish remembers the size that the viewer wants, in place of one that nobody has
// begun with.
func (v *viewer) wish(s size) {
	select {
	case <-v.wishes:
	default:
	}
	v.wishes <- s // only one goroutine sends, so there is room
}

// resize has the guest follow the size of the viewer's window, one wish after the
// other. Displays are asked too, by the protocol; those of machines that run have
// no say in what the guest shows. A guest that cannot keeps its size, and the page
// scales the picture.
func (v *viewer) resize(ctx context.Context, scr *service.Screen) {
	if v.s.c.Resize == nil {
		return
	}
	who := scr.Ticket.Subject
	if scr.Session != nil {
		who = scr.Session.Key
	}
	var last size
	tries := 0
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case last = <-v.wishes:
			tries = resizeTries
		case <-again.C:
		}
		if tries == 0 {
			continue
		}
		asking, done := context.WithTimeout(ctx, resizeTime)
		err := v.s.c.Resize(asking, who, last.width, last.height)
		done()
		v.s.c.Log.Debug("a screen's size", "page", v.page, "width", last.width, "height", last.height, "err", err)
		if tries--; err == nil {
			tries = 0
		}
		again.Reset(resizePause)
	}
}
