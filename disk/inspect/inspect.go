// Package inspect finds out what is on a disk: partition table, boot loader,
// operating system, drivers. It writes facts (disk/facts) and judges nothing
// (disk/rules).
//
// A disk comes from strangers, and no file system library survives everything
// that can be written on one. So the looking happens in a worker process, the
// program itself started again with "__inspect", that has the disk as one
// read-only descriptor, nothing else, and little memory and time. Whatever
// happens in there, the caller gets facts or an error. No file system is ever
// mounted on the host.
package inspect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"slipway/disk/facts"
	"slipway/fault"
)

// Arg is argv[1] of a worker; the program has to call WorkerMain when it sees it.
const Arg = "__inspect"

const (
	modeFull      = "full"
	modeStructure = "structure"

	formatRaw = "raw" // the file is the disk
	formatAny = "any" // the gate says where the disk is in the file

	wallTime  = 30 * time.Second
	cpuTime   = 20      // seconds
	memory    = 2 << 30 // bytes of address space
	maxAnswer = 1 << 20 // bytes
	maxStderr = 16 << 10
	diskFD    = 3
)

// Inspect looks at the raw disk image at path with a worker of exe, the
// running program. On an error the facts still hold what could be told of the
// partition table, unless the file itself cannot be read.
// Errors: NotFound (no such file); Incompatible with Code "not-inspected" when
// the worker crashed or took too long: the public text begins "The disk could
// not be inspected"; Unavailable when somebody killed the worker, which says
// nothing about the disk; Canceled.
func Inspect(ctx context.Context, exe, path string) (facts.Facts, error) {
	return look(ctx, exe, path, formatRaw)
}

// InspectAny is Inspect for a file of any format that the gate reads in place
// (disk/gate); the caller has asked the gate already. It does not guess: a file
// without a format is a raw disk.
func InspectAny(ctx context.Context, exe, path string) (facts.Facts, error) {
	return look(ctx, exe, path, formatAny)
}

func openDisk(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fault.Wrap(fault.NotFound, err, "The disk to inspect does not exist.")
	}
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "The disk to inspect could not be opened.")
	}
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		f.Close()
		return nil, fault.Wrap(fault.Internal, err, "The disk to inspect is not a file.")
	}
	return f, nil
}

func look(ctx context.Context, exe, path, format string) (facts.Facts, error) {
	f, err := openDisk(path)
	if err != nil {
		return facts.Facts{}, err
	}
	defer f.Close()
	out, err := run(ctx, exe, modeFull, format, f)
	if err == nil || ctx.Err() != nil || fault.Is(err, fault.Unavailable) {
		return out, err
	}
	// The libraries lost: tell at least what needs none of them.
	part, perr := run(ctx, exe, modeStructure, format, f)
	if perr != nil {
		part = facts.Facts{Version: facts.Version, OS: facts.Unknown, Table: facts.Table{Kind: facts.NoTable}}
	}
	part.Problems = append(part.Problems, "The file systems could not be inspected: "+reason(err)+".")
	return part, err
}

func reason(err error) string {
	var e *exec.ExitError
	if errors.Is(err, context.DeadlineExceeded) {
		return "it took too long"
	}
	if errors.As(err, &e) {
		return "they are damaged or made to mislead (the inspection ended with " + e.Error() + ")"
	}
	return "the inspection gave no answer"
}

// run starts one worker and reads its one line.
func run(ctx context.Context, exe, mode, format string, disk *os.File) (facts.Facts, error) {
	wall, cancel := context.WithTimeout(ctx, wallTime)
	defer cancel()
	return answer(ctx, wall, command(wall, exe, mode, format, disk))
}

// command is a worker before it starts: nothing of ours but the disk goes in.
func command(wall context.Context, exe, mode, format string, disk *os.File) *exec.Cmd {
	cmd := exec.CommandContext(wall, exe, Arg, mode, format)
	cmd.Env = []string{"GOTRACEBACK=single"}
	cmd.Dir = "/"
	cmd.ExtraFiles = []*os.File{disk}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	return cmd
}

func answer(ctx, wall context.Context, cmd *exec.Cmd) (out facts.Facts, err error) {
	if err := converse(ctx, wall, cmd, maxAnswer, func(line []byte) error { return decode(line, &out) }); err != nil {
		return facts.Facts{}, err
	}
	return out, nil
}

// converse runs a worker to its end and gives its one line to take.
func converse(ctx, wall context.Context, cmd *exec.Cmd, most int, take func(line []byte) error) (err error) {
	stdout, stderr := limited{max: most}, limited{max: maxStderr}
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// Nothing is ever written into it: it ends when we do.
	if _, err := cmd.StdinPipe(); err != nil {
		return fault.Wrap(fault.Unavailable, err, "The inspection could not be started.")
	}
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return fault.Wrap(fault.Canceled, ctx.Err(), "The inspection was cancelled.")
	case wall.Err() != nil:
		err = wall.Err()
	case killed(err):
		return fault.Wrap(fault.Unavailable, err, "The inspection of the disk was killed.")
	case err == nil:
		line := stdout.Bytes()
		if n := bytes.IndexByte(line, '\n'); n < 0 || n != len(line)-1 {
			err = errors.New("the worker did not answer with one line")
		} else {
			err = take(line)
		}
	}
	if err != nil {
		if s := strings.TrimSpace(stderr.String()); s != "" {
			err = fmt.Errorf("%w: %s", err, s)
		}
		return fault.Wrap(fault.Incompatible, err, "The disk could not be inspected.").
			WithHint("Check that it starts where it comes from, and export it again after a clean shutdown.").WithCode("not-inspected")
	}
	return nil
}

// killed tells whether a worker was ended from outside: by SIGKILL, and not
// because its processor time was up, for which the kernel sends the same.
func killed(err error) bool {
	var e *exec.ExitError
	if !errors.As(err, &e) {
		return false
	}
	st, ok := e.Sys().(syscall.WaitStatus)
	return ok && st.Signaled() && st.Signal() == syscall.SIGKILL && e.UserTime()+e.SystemTime() < cpuTime*time.Second
}

func decode(line []byte, out *facts.Facts) error {
	if err := json.Unmarshal(line, out); err != nil {
		return fmt.Errorf("the worker's answer: %w", err)
	}
	if out.Version != facts.Version {
		return fmt.Errorf("the worker is inspector %d, not %d", out.Version, facts.Version)
	}
	return nil
}

// limited keeps the first max bytes and reads the rest away.
type limited struct {
	bytes.Buffer
	max int
}

func (l *limited) Write(b []byte) (int, error) {
	if room := l.max - l.Len(); room > 0 {
		l.Buffer.Write(b[:min(room, len(b))])
	}
	return len(b), nil
}

// WorkerMain is the whole life of a worker: args are those after Arg, out is
// where the answer goes (standard output), and the result is the exit code.
// The disk is descriptor 3.
func WorkerMain(args []string, out io.Writer) int {
	open := map[string]func(*os.File) (source, error){formatRaw: raw, formatAny: mapped}
	looks := map[string]func(source) (any, error){
		modeFull:      func(d source) (any, error) { return examine(d) },
		modeStructure: func(d source) (any, error) { return structure(d) },
		modeApps:      func(d source) (any, error) { return apps(d, os.NewFile(askFD, "questions")) },
	}
	if len(args) != 2 || open[args[1]] == nil || looks[args[0]] == nil {
		fmt.Fprintln(os.Stderr, "this is an internal command")
		return 2
	}
	if err := confine(); err != nil {
		fmt.Fprintln(os.Stderr, "limits:", err)
		return 3
	}
	go endWith(os.Stdin)
	disk, err := open[args[1]](os.NewFile(diskFD, "disk"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	f, err := looks[args[0]](disk)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	b, err := json.Marshal(f)
	if err == nil {
		_, err = out.Write(append(b, '\n'))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// endWith ends this process when its parent is gone, however that ended: then
// nobody wants the answer.
func endWith(parent io.Reader) {
	_, _ = io.Copy(io.Discard, parent)
	os.Exit(4)
}

// confine limits this process for good, before it reads a byte of the disk.
func confine() error {
	debug.SetMemoryLimit(memory / 4) // collect harder long before the hard limit
	debug.SetMaxStack(64 << 20)
	for _, l := range []struct {
		what  int
		value uint64
	}{
		{syscall.RLIMIT_AS, memory}, {syscall.RLIMIT_CPU, cpuTime}, {syscall.RLIMIT_CORE, 0},
		{syscall.RLIMIT_FSIZE, 0}, // no file can be written
		{syscall.RLIMIT_NOFILE, 32},
	} {
		if err := syscall.Setrlimit(l.what, &syscall.Rlimit{Cur: l.value, Max: l.value}); err != nil {
			return err
		}
	}
	const prSetNoNewPrivs = 38 // prctl(2)
	if _, _, e := syscall.RawSyscall6(syscall.SYS_PRCTL, prSetNoNewPrivs, 1, 0, 0, 0, 0); e != 0 {
		return e
	}
	return nil
}
