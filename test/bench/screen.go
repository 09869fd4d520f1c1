package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"

	"slipway/test/rig"
)

const (
	screenGoal = 1.1
	presses    = 200 // keys that are measured each way
	watchers   = 20
	watchTime  = 5 * time.Second
)

// screens measures what the gateway adds between a key and the pixels it
// changes, on the console of a real guest, and what people who look cost.
func (b *bench) screens() (err error) {
	display, address, err := b.console()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.unbuild("screen")) }()
	byHand := &way{dial: func() (*eye, error) { return dialDisplay(b.ctx, display) }}
	byPage := &way{dial: func() (*eye, error) { return b.dialPage(address) }}
	// QEMU serves those who look in the order they came in: each way comes first
	// as often.
	for _, order := range [][]*way{{byHand, byPage}, {byPage, byHand}} {
		if err := b.pressKeys(order, presses/2); err != nil {
			return err
		}
	}
	hand, gateway := byHand.took, byPage.took
	d, g := prompt(hand), prompt(gateway)
	if len(d) == 0 || len(g) == 0 {
		return errors.New("no key was answered at once")
	}
	b.table.head("From a key to the pixels it changes on a guest's console; %d keys each, in turns: median of those answered before QEMU's timer (their share; median and mean of all)", presses)
	say := func(fast, all []time.Duration) string {
		return fmt.Sprintf("%s (%d %%; %s, %s)", finely(median(fast)), 100*len(fast)/len(all), finely(median(all)), finely(mean(all)))
	}
	b.table.add("QEMU's own display", say(d, hand), "", true)
	b.table.add("through the gateway", say(g, gateway), "", true)
	r := ratio(median(g), median(d))
	b.table.add("  against the display", times(r), "≤ 1.10 ×", r <= screenGoal)
	typist, err := byHand.dial()
	if err != nil {
		return err
	}
	defer typist.Close()
	return b.watched(address, typist)
}

// way is how one looks at a screen, and how long each key took that way.
type way struct {
	dial func() (*eye, error)
	took []time.Duration
	c    *eye
}

// pressKeys connects, in the order of the ways, and measures keys by each.
func (b *bench) pressKeys(ways []*way, keys int) (err error) {
	for _, w := range ways {
		if w.c, err = w.dial(); err != nil {
			return err
		}
		defer w.c.Close()
	}
	// A cursor that blinks would pass for an answer.
	if err := ways[0].c.say("echo 0 > /sys/class/graphics/fbcon/cursor_blink"); err != nil {
		return err
	}
	turns := slices.Clone(ways)
	for range keys {
		if b.ctx.Err() != nil {
			return b.ctx.Err()
		}
		// QEMU looks for changes less and less often while there are none: in
		// strict turns, each way would meet it always at the same pace.
		rand.Shuffle(len(turns), func(i, j int) { turns[i], turns[j] = turns[j], turns[i] })
		for _, w := range turns {
			took, err := w.c.press('a'+uint32(rand.IntN(26)), time.Duration(100+rand.IntN(200))*time.Millisecond)
			if err != nil {
				return err
			}
			w.took = append(w.took, took)
		}
	}
	return nil
}

// timer is how often QEMU looks for changes of the screen at most. It looks at
// once after a key; where the guest has not drawn by then, the key waits for the
// timer, which has slowed down to 80 ms, whoever looks and whichever way. How many
// keys meet with that is chance, and a median that lies between the two kinds says
// nothing about either.
const timer = 30 * time.Millisecond

// prompt are the answers that did not wait for QEMU's timer.
func prompt(all []time.Duration) (out []time.Duration) {
	for _, d := range all {
		if d < timer {
			out = append(out, d)
		}
	}
	return out
}

func finely(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1000) }

func mean(xs []time.Duration) (sum time.Duration) {
	for _, x := range xs {
		sum += x
	}
	return sum / time.Duration(len(xs))
}

// watched measures many who look while somebody types.
func (b *bench) watched(address string, typist *eye) error {
	idle, err := b.whileTyping(typist)
	if err != nil {
		return err
	}
	before, _, err := b.srv.Resident()
	if err != nil {
		return err
	}
	var all []*eye
	defer func() {
		for _, c := range all {
			c.Close()
		}
	}()
	var looking sync.WaitGroup
	for range watchers {
		c, err := b.dialPage(address)
		if err != nil {
			return err
		}
		all = append(all, c)
		looking.Go(c.look)
	}
	busy, err := b.whileTyping(typist)
	if err != nil {
		return err
	}
	after, _, err := b.srv.Resident()
	if err != nil {
		return err
	}
	var seen int64
	for _, c := range all {
		c.Close()
	}
	looking.Wait()
	for _, c := range all {
		seen += c.updates
	}
	b.table.head("%d people look at one screen for %s while somebody types", watchers, watchTime)
	b.table.add("resident memory for each", fmt.Sprintf("%d KB", (after-before)/watchers>>10), "", true)
	b.table.add("the server's processor time for each, of one processor", fmt.Sprintf("%.2f %%", 100*(busy-idle).Seconds()/watchTime.Seconds()/watchers), "", true)
	b.table.add("pictures that each has seen", fmt.Sprint(seen/watchers), "", true)
	if seen == 0 {
		return errors.New("nobody saw anything")
	}
	return nil
}

// whileTyping is the processor time that the server takes while somebody types.
func (b *bench) whileTyping(typist *eye) (time.Duration, error) {
	before, err := rig.CPU(b.srv.Pid())
	if err == nil {
		err = typist.typeFor(watchTime)
	}
	after, last := rig.CPU(b.srv.Pid())
	return after - before, errors.Join(err, last)
}

// console makes an image builder from the sample guest and gives its display's
// socket and its streaming address.
func (b *bench) console() (display, address string, err error) {
	if b.guest == "" {
		if b.guest, err = rig.SampleDisk(b.ctx); err != nil {
			return "", "", err
		}
	}
	ami, err := b.push(b.guest, "screen")
	if err != nil {
		return "", "", err
	}
	if _, err := b.importOnce("screen", ami, false); err != nil {
		return "", "", err
	}
	if _, err := b.buildOnce("screen"); err != nil {
		return "", "", err
	}
	out, err := b.c.AppStream.CreateImageBuilderStreamingURL(b.ctx, &appstream.CreateImageBuilderStreamingURLInput{Name: aws.String("screen")})
	if err != nil {
		return "", "", err
	}
	found, err := filepath.Glob(filepath.Join(b.srv.DataDir, "run", "b-*", "v"))
	if err != nil || len(found) != 1 {
		return "", "", fmt.Errorf("the display's socket: %v, %w", found, err)
	}
	return found[0], *out.StreamingURL, nil
}

// eye is a viewer that knows raw pictures only.
type eye struct {
	io.ReadWriteCloser
	in      *bufio.Reader
	w, h    uint16
	updates int64
	seen    chan error // one for each picture
	asked   bool       // and not answered
}

func dialDisplay(ctx context.Context, socket string) (*eye, error) {
	c, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, err
	}
	return open(c)
}

// open shakes hands and sees the whole screen once.
func open(c io.ReadWriteCloser) (*eye, error) {
	e := &eye{ReadWriteCloser: c, in: bufio.NewReaderSize(c, 64<<10), seen: make(chan error, 1)}
	var init struct {
		W, H   uint16
		Format [16]byte
		Name   uint32
	}
	steps := []func() error{
		func() error { return e.skip(12) },
		func() error { return e.send([]byte("RFB 003.008\n")) },
		func() error {
			n, err := e.in.ReadByte()
			if err == nil {
				err = e.skip(int64(n))
			}
			return err
		},
		func() error { return e.send([]byte{1}) },
		func() error { return e.skip(4) },
		func() error { return e.send([]byte{1}) },
		func() error { return binary.Read(e.in, binary.BigEndian, &init) },
		func() error { return e.skip(int64(init.Name)) },
		func() error { return e.send([]byte{2, 0, 0, 1, 0, 0, 0, 0}) },
		func() error { e.w, e.h = init.W, init.H; return e.ask(0) },
		e.update,
	}
	for _, f := range steps {
		if err := f(); err != nil {
			c.Close()
			return nil, err
		}
	}
	go func() {
		for err := error(nil); err == nil; {
			err = e.update()
			e.seen <- err
		}
	}()
	return e, nil
}

func (e *eye) skip(n int64) error {
	_, err := io.CopyN(io.Discard, e.in, n)
	return err
}

func (e *eye) send(p []byte) error {
	_, err := e.Write(p)
	return err
}

func (e *eye) ask(incremental byte) error {
	p := binary.BigEndian.AppendUint16([]byte{3, incremental, 0, 0, 0, 0}, e.w)
	return e.send(binary.BigEndian.AppendUint16(p, e.h))
}

// update reads one picture, or part of one.
func (e *eye) update() error {
	kind, err := e.in.ReadByte()
	if err != nil {
		return err
	}
	if kind != 0 {
		return fmt.Errorf("message %d", kind)
	}
	var head struct {
		_ uint8
		N uint16
	}
	if err := binary.Read(e.in, binary.BigEndian, &head); err != nil {
		return err
	}
	for range head.N {
		var r struct {
			X, Y, W, H uint16
			Encoding   int32
		}
		if err := binary.Read(e.in, binary.BigEndian, &r); err != nil {
			return err
		}
		if r.Encoding != 0 {
			return fmt.Errorf("encoding %d", r.Encoding)
		}
		if err := e.skip(4 * int64(r.W) * int64(r.H)); err != nil {
			return err
		}
	}
	e.updates++
	return nil
}

func (e *eye) key(sym uint32) error {
	var p []byte
	for _, down := range []byte{1, 0} {
		p = binary.BigEndian.AppendUint32(append(p, 4, down, 0, 0), sym)
	}
	return e.send(p)
}

// press measures from a key to the picture of it, after the screen has been at
// rest for a while. What others changed before is looked at first.
func (e *eye) press(sym uint32, rest time.Duration) (time.Duration, error) {
	for rested := false; !rested; {
		if !e.asked {
			if err := e.ask(1); err != nil {
				return 0, err
			}
			e.asked = true
		}
		select {
		case err := <-e.seen:
			if err != nil {
				return 0, err
			}
			e.asked = false
		case <-time.After(rest):
			rested = true
		}
	}
	begun := time.Now()
	if err := e.key(sym); err != nil {
		return 0, err
	}
	select {
	case err := <-e.seen:
		e.asked = false
		return time.Since(begun), err
	case <-time.After(10 * time.Second):
		return 0, errors.New("a key changed nothing on the screen")
	}
}

// say types a line.
func (e *eye) say(line string) error {
	pace := time.NewTicker(30 * time.Millisecond) // a guest's keyboard holds a few keys
	defer pace.Stop()
	for _, c := range line + "\r" {
		sym := uint32(c)
		if c == '\r' {
			sym = 0xff0d
		}
		shift := strings.ContainsRune(">_", c)
		if shift {
			if err := e.send([]byte{4, 1, 0, 0, 0, 0, 0xff, 0xe1}); err != nil {
				return err
			}
		}
		if err := e.key(sym); err != nil {
			return err
		}
		if shift {
			if err := e.send([]byte{4, 0, 0, 0, 0, 0, 0xff, 0xe1}); err != nil {
				return err
			}
		}
		<-pace.C
	}
	<-time.After(time.Second) // and does it
	return nil
}

// typeFor types ten keys a second, without looking.
func (e *eye) typeFor(d time.Duration) error {
	pace := time.NewTicker(100 * time.Millisecond)
	defer pace.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); <-pace.C {
		if err := e.key('x'); err != nil {
			return err
		}
	}
	return nil
}

// look sees picture after picture until the connection is closed.
func (e *eye) look() {
	for e.ask(1) == nil && <-e.seen == nil {
	}
}
