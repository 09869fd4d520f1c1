package work

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"time"

	"slipway/compute"
	"slipway/compute/rfb"
	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// The rungs of the evidence ladder, lowest first. What AWS calls validation is
// an image builder that streams; the agent is a bonus no stock Windows has.
const (
	rungHandedOver = "handed-over"
	rungNetwork    = "network"
	rungScreen     = "screen"
	rungDisplay    = "display"
	rungAgent      = "agent"
)

// maxResets is how often a guest may restart itself: Windows does so a few
// times when it meets new hardware.
const maxResets = 6

// climber watches one guest until every needed rung is reached, it is plain
// that one never will be, or the time is up.
type climber struct {
	w       *World
	r       *Run
	id      string
	ladder  ladder
	limits  BootLimits
	started time.Time
	rungs   []domain.Rung

	pictures map[[32]byte]bool
	lastShot time.Time // when the screen was last looked at
	lastNew  time.Time // when the screen last showed something new
	lastPNG  []byte
	picture  image.Image
	complete time.Time // when the last needed rung was reached
}

// ladder is what a guest has to show, and whose evidence that is.
type ladder struct {
	rungs   []domain.Rung
	display string // the rung that comes before a look at the display
	retry   string // what a person does when the machine ended, "import again"
	dir     string // for the files
	// quiet keeps no files of a guest that came up.
	quiet bool
	load  func(ctx context.Context) (domain.Evidence, error)
	edit  func(ctx context.Context, change func(*domain.Evidence)) error
}

// fullLadder proves that an image works.
func (w *World) fullLadder(img domain.Key) ladder {
	return ladder{
		rungs: []domain.Rung{
			{Name: rungHandedOver, Needed: true}, {Name: rungNetwork, Needed: true}, {Name: rungScreen, Needed: true},
			{Name: rungDisplay, Needed: true}, {Name: rungAgent},
		},
		display: rungScreen, retry: "import again", dir: w.evidenceDir(img),
		load: func(ctx context.Context) (domain.Evidence, error) {
			i, err := read[domain.Image](ctx, w.Store, img)
			return i.Evidence, err
		},
		edit: func(ctx context.Context, change func(*domain.Evidence)) error {
			_, err := edit(ctx, w.Store, img, func(_ store.Tx, i *domain.Image) error { change(&i.Evidence); return nil })
			return err
		},
	}
}

func (w *World) climb(ctx context.Context, r *Run, id string, l ladder) error {
	st, err := w.Driver.Status(ctx, id)
	if err != nil {
		return err
	}
	if st.State == compute.Gone {
		return GiveUp(fault.New(fault.Incompatible, "The guest's machine ended before it could be judged.").WithHint("Look at the host's log, then %s.", l.retry))
	}
	c := &climber{
		w: w, r: r, id: id, ladder: l, limits: w.Boot.filled(w.Driver.Features().Accel), started: st.Started,
		pictures: map[[32]byte]bool{}, lastNew: w.Clock.Now(),
		rungs: slices.Clone(l.rungs),
	}
	if err := c.resume(ctx); err != nil {
		return err
	}
	verdict := c.watch(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if l.quiet && verdict == nil {
		return nil
	}
	if err := c.keepEvidence(ctx); err != nil {
		return err
	}
	return verdict
}

// resume takes over the rungs that were recorded before a restart of ours; a
// guest does not repeat itself for us.
func (c *climber) resume(ctx context.Context) error {
	have, err := c.ladder.load(ctx)
	if err != nil {
		return err
	}
	for i := range c.rungs {
		for _, old := range have.Rungs {
			if old.Name == c.rungs[i].Name && old.Reached {
				c.rungs[i] = old
			}
		}
	}
	return nil
}

func (c *climber) watch(ctx context.Context) error {
	tick := time.NewTicker(c.limits.Tick)
	defer tick.Stop()
	for {
		done, err := c.look(ctx)
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// look takes one look at the guest.
func (c *climber) look(ctx context.Context) (done bool, err error) {
	now := c.w.Clock.Now()
	signs, err := c.w.Driver.Observe(ctx, c.id)
	if fault.Is(err, fault.NotFound) {
		signs, err = compute.Signs{State: compute.Gone}, nil
	}
	if err != nil {
		return false, err
	}
	if err := c.alive(signs); err != nil {
		return false, err
	}
	if signs.HandedOver {
		c.reach(ctx, rungHandedOver, now, "a 64-bit operating system took over from the firmware")
	}
	// The card has no boot ROM: the firmware sends nothing through it.
	if signs.Frames > 0 && c.reached(rungHandedOver) {
		c.reach(ctx, rungNetwork, now, fmt.Sprintf("%d frames sent", signs.Frames))
	}
	if c.reached(c.ladder.display) && !c.reached(rungDisplay) {
		c.display(ctx, now)
	}
	if !c.allNeeded() { // a screenshot costs time, and nothing depends on it any more
		if err := c.screen(ctx, now); err != nil {
			return false, err
		}
	}
	if c.reached(rungHandedOver) && c.has(rungAgent) && !c.reached(rungAgent) {
		c.agent(ctx, now)
	}
	c.r.Progress(int64(c.count()), int64(len(c.rungs)), c.waitingFor())
	if c.allNeeded() {
		if c.complete.IsZero() {
			c.complete = now
		}
		if c.reached(rungAgent) || !c.has(rungAgent) || now.Sub(c.complete) >= c.limits.Agent {
			return true, nil
		}
		return false, nil
	}
	return false, c.late(now)
}

// alive refuses guests that have plainly failed.
func (c *climber) alive(s compute.Signs) error {
	switch {
	case s.State == compute.Paniced:
		return c.fail("The guest's operating system crashed while booting.", "Look at the screenshot and the serial log.")
	case s.State == compute.Off:
		return c.fail("The guest powered itself off while booting.", "Boot it in your own environment and make sure that it stays up.")
	case s.State == compute.Gone:
		return c.fail("The guest's machine ended while it was booting.", "Look at the host's log, then "+c.ladder.retry+".")
	case s.Resets > maxResets:
		return c.fail(fmt.Sprintf("The guest restarted itself %d times while booting.", s.Resets), "It probably lacks the driver of its disk: install the NVMe driver before the export.")
	}
	return nil
}

func (c *climber) fail(what, remedy string) error {
	return GiveUp(fault.New(fault.Incompatible, "%s", what).WithHint("%s", remedy))
}

// late says which rung was not reached in time, and what that means.
func (c *climber) late(now time.Time) error {
	took := now.Sub(c.started).Round(time.Second)
	if !c.reached(rungHandedOver) && now.Sub(c.lastNew) > c.limits.Stall {
		return c.fail(fmt.Sprintf("No operating system took over from the firmware within %s: it ended in the firmware's shell or in its boot loader.", took),
			"Make sure that the EFI system partition holds the boot loader at \\EFI\\BOOT\\BOOTX64.EFI and that it starts without a key press.")
	}
	if now.Sub(c.started) < c.limits.Total {
		return nil
	}
	for _, r := range c.rungs {
		if r.Needed && !r.Reached {
			return c.fail(fmt.Sprintf("The guest did not get past %q within %s.", waiting[r.Name], took), remedies[r.Name])
		}
	}
	return nil
}

var waiting = map[string]string{
	rungHandedOver: "waiting for an operating system",
	rungNetwork:    "waiting for the guest to use its network",
	rungScreen:     "waiting for a stable screen",
	rungDisplay:    "waiting for a picture over the display",
	rungAgent:      "waiting for the guest agent",
}

var remedies = map[string]string{
	rungHandedOver: "Boot the disk in your own environment under UEFI first.",
	rungNetwork:    "Make sure that it has the driver of its network card and asks for an address by DHCP.",
	rungScreen:     "Look at the screenshot: it shows an error or never comes to rest.",
	rungDisplay:    "Make sure that it uses the standard VGA adapter.",
}

func (c *climber) has(name string) bool {
	return slices.ContainsFunc(c.rungs, func(r domain.Rung) bool { return r.Name == name })
}

func (c *climber) reached(name string) bool {
	for _, r := range c.rungs {
		if r.Name == name {
			return r.Reached
		}
	}
	return false
}

// after is when a rung was reached, counted from the start.
func (c *climber) after(name string) time.Duration {
	for _, r := range c.rungs {
		if r.Name == name {
			return r.After
		}
	}
	return 0
}

func (c *climber) count() (n int) {
	for _, r := range c.rungs {
		if r.Reached {
			n++
		}
	}
	return n
}

func (c *climber) allNeeded() bool {
	for _, r := range c.rungs {
		if r.Needed && !r.Reached {
			return false
		}
	}
	return true
}

func (c *climber) waitingFor() string {
	for _, r := range c.rungs {
		if !r.Reached {
			return waiting[r.Name]
		}
	}
	return "everything was seen"
}

// reach records a rung at once: the operator watches, and a restart must not
// lose what the guest will not do again.
func (c *climber) reach(ctx context.Context, name string, now time.Time, detail string) {
	for i := range c.rungs {
		r := &c.rungs[i]
		if r.Name != name || r.Reached {
			continue
		}
		r.Reached, r.After, r.Detail = true, now.Sub(c.started), detail
		if err := c.ladder.edit(ctx, func(e *domain.Evidence) {
			e.Rungs, e.BootMillis = slices.Clone(c.rungs), r.After.Milliseconds()
		}); err != nil {
			c.r.Log.Warn("rung not recorded", "rung", name, "error", err)
		}
	}
}

// screen looks whether the screen has come to rest on something that is no
// error. A blinking cursor is not new: it was seen before.
func (c *climber) screen(ctx context.Context, now time.Time) error {
	every := c.limits.Shot
	if !c.reached(rungHandedOver) {
		every *= 4 // until then only a stall is looked for
	}
	if c.reached(rungScreen) || now.Sub(c.lastShot) < every {
		return nil
	}
	c.lastShot = now
	raw, err := c.w.Driver.Screenshot(ctx, c.id)
	if err != nil {
		return nil // the guest may be changing its mode; the next look decides
	}
	sum := sha256.Sum256(raw)
	if !c.pictures[sum] {
		c.pictures[sum] = true
		c.lastNew, c.lastPNG, c.picture = now, raw, nil
	}
	// What the firmware left on the screen does not count as the system's.
	since := max(now.Sub(c.lastNew), 0)
	if over := c.started.Add(c.after(rungHandedOver)); over.After(c.lastNew) {
		since = now.Sub(over)
	}
	if !c.reached(rungHandedOver) || c.reached(rungScreen) || since < c.limits.Settle {
		return nil
	}
	if c.picture == nil {
		if c.picture, err = png.Decode(bytes.NewReader(c.lastPNG)); err != nil {
			return nil
		}
	}
	if rfb.Blank(c.picture) {
		return nil
	}
	if stopScreen(c.picture) {
		return c.fail("The guest shows the stop screen of Windows.", "Look at the screenshot for the stop code; INACCESSIBLE_BOOT_DEVICE means that the disk's driver is missing.")
	}
	c.reach(ctx, rungScreen, now, fmt.Sprintf("nothing new for %s", c.limits.Settle))
	return nil
}

// stopScreen tells whether most of a picture has the one blue of a Windows
// stop screen (Windows 8 and later, or the text screen before).
func stopScreen(img image.Image) bool {
	b := img.Bounds()
	total, blue := 0, 0
	for y := b.Min.Y; y < b.Max.Y; y += 4 {
		for x := b.Min.X; x < b.Max.X; x += 4 {
			r, g, bl, _ := img.At(x, y).RGBA()
			total++
			if in(r>>8, 0, 0x10) && in(g>>8, 0x6d, 0x80) && in(bl>>8, 0xaa, 0xdc) || in(r>>8, 0, 4) && in(g>>8, 0, 4) && in(bl>>8, 0x80, 0xaa) {
				blue++
			}
		}
	}
	return total > 0 && blue*10 > total*7
}

func in(v, lo, hi uint32) bool { return v >= lo && v <= hi }

// display proves streaming: a picture that is not blank comes over RFB.
func (c *climber) display(ctx context.Context, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, err := c.w.Driver.Display(ctx, c.id)
	if err != nil {
		return
	}
	defer conn.Close()
	img, err := rfb.Frame(ctx, conn)
	if err != nil || rfb.Blank(img) {
		return
	}
	c.reach(ctx, rungDisplay, now, fmt.Sprintf("%d×%d over RFB", img.Bounds().Dx(), img.Bounds().Dy()))
}

func (c *climber) agent(ctx context.Context, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	info, err := c.w.Driver.Agent(ctx, c.id)
	if err == nil {
		c.reach(context.WithoutCancel(ctx), rungAgent, now, info.Name+" "+info.Version)
	}
}

// keepEvidence writes the last screenshot and the serial log, good or bad.
func (c *climber) keepEvidence(ctx context.Context) error {
	shot, serial, err := c.w.keepFiles(ctx, c.id, c.ladder.dir, c.lastPNG)
	if err != nil {
		return err
	}
	return c.ladder.edit(ctx, func(e *domain.Evidence) {
		e.Rungs, e.Screenshot, e.SerialLog = slices.Clone(c.rungs), shot, serial
	})
}

// keepFiles writes a machine's screen and serial log into a directory and says
// where; "" for what there is none of. Without a screen of now, the last one
// that was seen is kept.
func (w *World) keepFiles(ctx context.Context, machine, dir string, last []byte) (shot, serial string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", "", fault.Wrap(fault.Unavailable, err, "The evidence could not be kept.")
	}
	if raw, err := w.Driver.Screenshot(ctx, machine); err == nil {
		last = raw
	}
	if len(last) > 0 {
		shot = filepath.Join(dir, "screen.png")
		if err := os.WriteFile(shot, last, 0o600); err != nil {
			return "", "", fault.Wrap(fault.Unavailable, err, "The screenshot could not be kept.")
		}
	}
	if log, err := w.Driver.SerialLog(ctx, machine, 1<<20); err == nil && len(log) > 0 {
		serial = filepath.Join(dir, "serial.log")
		if err := os.WriteFile(serial, log, 0o600); err != nil {
			return "", "", fault.Wrap(fault.Unavailable, err, "The serial log could not be kept.")
		}
	}
	return shot, serial, nil
}
