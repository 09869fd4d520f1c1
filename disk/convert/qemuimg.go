package convert

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"slipway/disk/gate"
	"slipway/fault"
)

// written is how qemu-img is asked for each format.
var written = map[gate.Format][]string{
	gate.QCOW2: {"-O", "qcow2", "-c", "-o", "compression_type=zstd"},
	gate.VMDK:  {"-O", "vmdk", "-o", "subformat=streamOptimized"},
	// Without force_size the size is rounded up to whole cylinders, which moves
	// the end of the disk away from its second partition table.
	gate.VHD:  {"-O", "vpc", "-o", "subformat=dynamic,force_size=on"},
	gate.VHDX: {"-O", "vhdx", "-o", "subformat=dynamic"},
}

// convertArgs is what follows qemu-img: everything is said, nothing guessed.
func convertArgs(f gate.Format, in, out string) []string {
	args := append([]string{"convert", "-p", "-f", "raw"}, written[f]...)
	return append(args, in, out)
}

// qemuImg converts the source into the directory of the conversion.
func (j *job) qemuImg(ctx context.Context, f gate.Format) (string, error) {
	s, err := j.prepared(ctx)
	if err != nil {
		return "", err
	}
	in, err := filepath.Abs(j.path)
	if err == nil {
		in, err = filepath.EvalSymlinks(in)
	}
	if err != nil {
		return "", err
	}
	name := "disk." + string(f)
	path := filepath.Join(j.dir, name)
	argv := s.argv(f, in, j.dir, name, j.limits())
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	watch := newWatch(path)
	watched := make(chan struct{})
	defer func() { stop(nil); <-watched }()
	go func() {
		defer close(watched)
		if watch.stalled(ctx, j.stall()) {
			stop(errStalled)
		}
	}()
	err = j.runner().Run(ctx, argv, func(line string) {
		if percent, ok := progressOf(line); ok {
			watch.note(percent)
			j.notify(int64(percent*full*9/10/100), full, "converting")
		}
	})
	switch {
	case err == nil:
		return path, nil
	case context.Cause(ctx) != nil:
		return "", explainStop(context.Cause(ctx))
	}
	if free, ferr := freeBytes(j.dir); ferr == nil && free < 1<<20 {
		return "", noRoom(err, "") // the VMDK writer calls a short write an invalid argument
	}
	return "", explain(err)
}

var errStalled = errors.New("nothing moved")

func explainStop(err error) error {
	if errors.Is(err, errStalled) {
		return fault.Wrap(fault.Unavailable, err, "The conversion stood still and was stopped.").
			WithHint("Look at the load and the disk of the machine, then try again.").WithCode("conversion-stalled")
	}
	return err
}

// explain says what a program that failed meant.
func explain(err error) error {
	var e *ExitError
	if !errors.As(err, &e) {
		return err
	}
	said := strings.TrimSpace(e.Stderr)
	switch {
	case strings.Contains(said, "No space left on device"), strings.Contains(said, "Disk quota exceeded"):
		return noRoom(err, "")
	case strings.Contains(said, "File too large"):
		return fault.Wrap(fault.Unavailable, err, "The file system cannot hold a file of this size.").WithHint("Write to a file system with larger files, for example XFS.")
	case e.Signal != "":
		return fault.Wrap(fault.Internal, err, "qemu-img was ended by the signal %q.", e.Signal).WithHint("Look at the machine's memory and its log, then try again.")
	}
	return fault.Wrap(fault.Internal, err, "qemu-img failed.").WithHint("Its words are in the log.")
}

// progressOf reads what qemu-img -p prints: "    (12.34/100%)".
func progressOf(line string) (percent float64, ok bool) {
	line, ok = strings.CutSuffix(strings.TrimSpace(line), "/100%)")
	if !ok {
		return 0, false
	}
	_, line, ok = strings.Cut(line, "(")
	if !ok {
		return 0, false
	}
	percent, err := strconv.ParseFloat(line, 64)
	return percent, err == nil && percent >= 0 && percent <= 100
}

func (c *Converter) stall() time.Duration {
	if c.Stall == 0 {
		return 5 * time.Minute
	}
	return c.Stall
}

// watch sees whether a conversion goes on: by its words, which come in whole
// percents only, or by its file.
type watch struct {
	path  string
	moved chan struct{}
	last  float64
	size  int64
	alloc int64
	mtime time.Time
}

func newWatch(path string) *watch { return &watch{path: path, moved: make(chan struct{}, 1), last: -1} }

// note is called by one goroutine.
func (w *watch) note(percent float64) {
	if percent != w.last {
		w.last = percent
		select {
		case w.moved <- struct{}{}:
		default:
		}
	}
}

// stalled returns true when nothing moved for d, false when ctx ended.
func (w *watch) stalled(ctx context.Context, d time.Duration) bool {
	const looks = 10
	tick := time.NewTicker(max(d/looks, time.Millisecond))
	defer tick.Stop()
	for quiet := 0; quiet < looks; {
		select {
		case <-ctx.Done():
			return false
		case <-w.moved:
			quiet = 0
		case <-tick.C:
			quiet++
			if w.grew() {
				quiet = 0
			}
		}
	}
	return true
}

func (w *watch) grew() bool {
	st, err := os.Stat(w.path)
	if err != nil {
		return false
	}
	a := allocated(st)
	if st.Size() == w.size && a == w.alloc && st.ModTime().Equal(w.mtime) {
		return false
	}
	w.size, w.alloc, w.mtime = st.Size(), a, st.ModTime()
	return true
}
