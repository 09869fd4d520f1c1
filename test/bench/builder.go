package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"

	"slipway/compute/rfb"
	"slipway/test/rig"
)

// runningGoal is what an image builder's way to RUNNING may cost, in boots of the
// same machine by hand.
const runningGoal = 1.05

// runnings measures from CreateImageBuilder to RUNNING against the same command
// lines run by hand on a layer of the same size over the same disk. RUNNING means
// the same for both: a 64-bit kernel has its interrupt table in place, and then a
// picture that is not blank comes over the display. By hand, that is looked for
// five times as often as the server does.
func (b *bench) runnings() error {
	if b.guest == "" {
		var err error
		if b.guest, err = rig.SampleDisk(b.ctx); err != nil {
			return fmt.Errorf("making the guest's disk: %w", err)
		}
	}
	ami, err := b.push(b.guest, "builder")
	if err != nil {
		return err
	}
	if _, err := b.importOnce("builder", ami, false); err != nil {
		return err
	}
	var ours, hands []time.Duration
	for range b.rounds {
		lines := make(chan [][]string, 1)
		go func() { lines <- b.watchCommands() }()
		took, err := b.buildOnce("builder")
		if err != nil {
			return err
		}
		if err := b.unbuild("builder"); err != nil {
			return err
		}
		ours = append(ours, took)
		hand, err := b.byHand(<-lines, volumeBytes, 50*time.Millisecond, func(h *hand) bool { return h.shows(b.ctx) })
		if err != nil {
			return fmt.Errorf("by hand: %w", err)
		}
		hands = append(hands, hand)
	}
	o, h := median(ours), median(hands)
	b.table.head("An image builder of the sample guest, until an operating system runs and its display shows a picture; median of %d, in turns", b.rounds)
	b.table.add("the same command lines by hand, exec to that", ms(h), "", true)
	b.table.add("from CreateImageBuilder to RUNNING", ms(o), "", true)
	b.table.add("  against by hand", times(ratio(o, h)), "≤ 1.05 ×", ratio(o, h) <= runningGoal)
	return nil
}

// buildOnce makes an image builder and measures until a client sees it RUNNING.
func (b *bench) buildOnce(name string) (time.Duration, error) {
	begun := time.Now()
	if _, err := b.c.AppStream.CreateImageBuilder(b.ctx, &appstream.CreateImageBuilderInput{
		Name: &name, ImageName: &name, InstanceType: aws.String("GeneralPurpose.m7i.large"),
	}); err != nil {
		return 0, err
	}
	err := rig.Poll(b.ctx, 5*time.Minute, 20*time.Millisecond, func() (bool, error) {
		out, err := b.c.AppStream.DescribeImageBuilders(b.ctx, &appstream.DescribeImageBuildersInput{Names: []string{name}})
		if err != nil {
			return false, err
		}
		if out.ImageBuilders[0].State == types.ImageBuilderStateFailed {
			return false, errors.New("the image builder failed")
		}
		return out.ImageBuilders[0].State == types.ImageBuilderStateRunning, nil
	})
	return time.Since(begun), err
}

// unbuild removes a builder and waits until its machine is gone.
func (b *bench) unbuild(name string) error {
	if _, err := b.c.AppStream.DeleteImageBuilder(b.ctx, &appstream.DeleteImageBuilderInput{Name: &name}); err != nil {
		return err
	}
	return rig.Poll(b.ctx, time.Minute, 100*time.Millisecond, func() (bool, error) {
		_, err := b.c.AppStream.DescribeImageBuilders(b.ctx, &appstream.DescribeImageBuildersInput{Names: []string{name}})
		return err != nil, nil
	})
}

// shows tells whether the guest's kernel runs and its display shows something.
func (h *hand) shows(ctx context.Context) bool {
	if !h.kernel() {
		return false
	}
	c, err := net.Dial("unix", h.path("v"))
	if err != nil {
		return false
	}
	defer c.Close()
	img, err := rfb.Frame(ctx, c)
	return err == nil && !rfb.Blank(img)
}

// kernel asks QEMU whether the interrupt table lies in the upper half of memory,
// where 64-bit kernels have theirs and firmware never has.
func (h *hand) kernel() bool {
	if h.handed {
		return true
	}
	c, err := net.Dial("unix", h.path("q"))
	if err != nil {
		return false
	}
	defer c.Close()
	if c.SetDeadline(time.Now().Add(5*time.Second)) != nil {
		return false
	}
	answers := json.NewDecoder(c)
	ask := func(command string) (text string, err error) {
		if _, err := c.Write([]byte(command + "\n")); err != nil {
			return "", err
		}
		for { // past events
			var v struct{ Return *json.RawMessage }
			if err := answers.Decode(&v); err != nil {
				return "", err
			}
			if v.Return != nil {
				_ = json.Unmarshal(*v.Return, &text) // one that is no text has none
				return text, nil
			}
		}
	}
	if _, err := ask(`{"execute":"qmp_capabilities"}`); err != nil {
		return false
	}
	registers, err := ask(`{"execute":"human-monitor-command","arguments":{"command-line":"info registers"}}`)
	if err != nil {
		return false
	}
	_, table, _ := strings.Cut(registers, "\nIDT=")
	h.handed = strings.HasPrefix(strings.TrimSpace(table), "ff")
	return h.handed
}
