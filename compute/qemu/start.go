package qemu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"slipway/compute"
	"slipway/compute/qemu/internal/qmp"
	"slipway/fault"
)

const (
	tpmTime = 20 * time.Second // until swtpm listens, on a loaded host
	runTime = 60 * time.Second // until QEMU says that the machine runs
)

// Start implements compute.Driver. A machine that is off, or half there, is
// cleared away first and made anew: its disk is kept, its firmware variables
// and TPM only where the caller has a directory for them.
func (d *Driver) Start(ctx context.Context, spec compute.Spec) (compute.Handle, error) {
	spec, err := spec.Checked()
	if err != nil {
		return compute.Handle{}, err
	}
	defer d.locks.lock(spec.ID)()
	if r, _, err := d.load(spec.ID); err == nil && r.Complete && r.QEMU.alive() {
		return r.handle(), nil
	}
	if err := d.canRun(spec); err != nil {
		return compute.Handle{}, err
	}
	if err := d.clear(ctx, spec.ID); err != nil {
		return compute.Handle{}, err
	}
	d.setStarting(spec.ID, true)
	defer d.setStarting(spec.ID, false)
	r, err := d.start(ctx, spec)
	if err != nil {
		// The caller's context may be what failed; cleaning up is not his wish
		// to be cancelled.
		if e := d.clear(context.WithoutCancel(ctx), spec.ID); e != nil {
			err = fmt.Errorf("%w; cleaning up: %w", err, e)
		}
		return compute.Handle{}, err
	}
	return r.handle(), nil
}

func (d *Driver) setStarting(id string, on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if on {
		d.starting[id] = true
	} else {
		delete(d.starting, id)
	}
}

// canRun looks for what would make a start fail, before anything is made.
func (d *Driver) canRun(s compute.Spec) error {
	if len(d.missing) > 0 {
		return fault.New(fault.Unavailable, "This host cannot run machines: %s is missing.", strings.Join(d.missing, ", ")).
			WithHint("slipway doctor says what to install.")
	}
	if free := d.freeMemory(); free > 0 && s.MemoryMB > free {
		return fault.New(fault.Unavailable, "A machine of %d MiB does not fit into the %d MiB that are free.", s.MemoryMB, free)
	}
	if s.StateDir != "" {
		if st, err := os.Stat(s.StateDir); err != nil || !st.IsDir() {
			return fault.Wrap(fault.BadValue, err, "The directory for the machine's state is missing.")
		}
	}
	files := []string{s.CD}
	for _, f := range s.Disk.Chain {
		files = append(files, f.Path)
	}
	for _, p := range files {
		if st, err := os.Stat(p); p != "" && (err != nil || !st.Mode().IsRegular()) {
			return fault.Wrap(fault.BadValue, err, "A file of the disk is missing.")
		}
	}
	return nil
}

// start makes everything; the caller clears away what it has left on an error.
func (d *Driver) start(ctx context.Context, spec compute.Spec) (record, error) {
	r := record{Version: recordVersion, ID: spec.ID, Nonce: token(16), Sockets: socketDir(d.path(spec.ID)),
		Accel: d.accel(), Started: time.Now().UTC(), Spec: spec}
	f := r.files(d.path(spec.ID))
	if err := os.Mkdir(f.dir, 0o700); err != nil {
		return r, fault.Wrap(fault.Unavailable, err, "The directory of the machine cannot be made.")
	}
	// From here on a later Destroy knows what to look for.
	if err := d.save(r); err != nil {
		return r, err
	}
	d.step("record")
	if err := d.prepare(f); err != nil {
		return r, fault.Wrap(fault.Unavailable, err, "The files of the machine cannot be made.")
	}
	if err := d.attach(r, f); err != nil {
		return r, fault.Wrap(fault.Unavailable, err, "The network of the machine cannot be made.")
	}
	if err := d.startNet(&r, f); err != nil {
		return r, err
	}
	d.step("net")
	if spec.TPM {
		if err := d.startTPM(ctx, &r, f); err != nil {
			return r, err
		}
		d.step("tpm")
	}
	if err := d.startQEMU(ctx, &r, f); err != nil {
		return r, err
	}
	// Firmware sends nothing: there is time until here.
	if err := netListens(ctx, r, f); err != nil {
		return r, err
	}
	r.Complete = true
	if err := d.save(r); err != nil {
		return r, err
	}
	d.step("complete")
	return r, nil
}

// prepare makes the files that the processes find.
func (d *Driver) prepare(f files) error {
	if f.socks != f.dir {
		if err := os.Mkdir(f.socks, 0o700); err != nil {
			return err
		}
	}
	if err := os.Mkdir(f.tpmState(), 0o700); err != nil && (f.state == "" || !errors.Is(err, fs.ErrExist)) {
		return err
	}
	if err := os.WriteFile(f.commands(), []byte(`{"execute":"qmp_capabilities"}`+"\n"), 0o600); err != nil {
		return err
	}
	return d.makeVars(f)
}

// makeVars makes the firmware variables, unless they were kept. They appear in
// one step: half of them would be kept as well.
func (d *Driver) makeVars(f files) error {
	if _, err := os.Stat(f.vars()); err == nil {
		return nil
	}
	vars, err := os.ReadFile(d.paths.Vars)
	if err != nil {
		return err
	}
	if err := os.WriteFile(f.vars()+".new", vars, 0o600); err != nil {
		return err
	}
	return os.Rename(f.vars()+".new", f.vars())
}

func (d *Driver) startTPM(ctx context.Context, r *record, f files) error {
	log, err := os.OpenFile(f.tpmLog(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "The log of the TPM cannot be made.")
	}
	defer log.Close()
	ended, err := launch(r.Nonce, d.paths.TPM, tpmCommandLine(f), nil, log, log, &r.TPM)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "The software TPM cannot be started.")
	}
	if err := d.save(*r); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, tpmTime)
	defer cancel()
	err = wait(ctx, 10*time.Millisecond, func() bool {
		_, err := os.Lstat(f.tpm())
		return err == nil || isClosed(ended)
	})
	if err == nil && isClosed(ended) {
		err = errors.New("it ended")
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, fmt.Errorf("%w: %s", err, lastLine(f.tpmLog())), "The software TPM did not come up.")
	}
	return nil
}

func (d *Driver) startQEMU(ctx context.Context, r *record, f files) error {
	in, err := os.Open(f.commands())
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "The files of the machine cannot be read.")
	}
	defer in.Close()
	const flags = os.O_CREATE | os.O_APPEND | os.O_WRONLY
	events, err := os.OpenFile(f.events(), flags, 0o600)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "The files of the machine cannot be made.")
	}
	defer events.Close()
	log, err := os.OpenFile(f.qemuLog(), flags, 0o600)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "The files of the machine cannot be made.")
	}
	defer log.Close()
	args := commandLine(plan{spec: r.Spec, files: f, accel: r.Accel, code: d.paths.Code, clipboard: d.vdagent()})
	ended, err := launch(r.Nonce, d.paths.QEMU, args, in, events, log, &r.QEMU)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "QEMU cannot be started.")
	}
	d.step("qemu") // the worst moment to die: it runs and its pid is not written
	if err := d.save(*r); err != nil {
		return err
	}
	return runs(ctx, f, ended)
}

// runs waits until QEMU answers that the machine runs.
func runs(ctx context.Context, f files, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, runTime)
	defer cancel()
	var last error
	err := wait(ctx, 20*time.Millisecond, func() bool {
		if isClosed(ended) {
			return true
		}
		var st string
		if st, last = runState(ctx, f); last != nil {
			return false
		}
		return st == "running"
	})
	if isClosed(ended) {
		return fault.Wrap(fault.Unavailable, errors.New(lastLine(f.qemuLog())), "QEMU ended at once.")
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, errors.Join(err, last), "QEMU did not come up.")
	}
	return nil
}

func runState(ctx context.Context, f files) (string, error) {
	c, err := qmp.Dial(ctx, f.monitor(), askTime)
	if err != nil {
		return "", err
	}
	defer c.Close()
	var st struct{ Status string }
	return st.Status, c.Do("query-status", nil, &st)
}

// launch starts a program that outlives us: in a session of its own, with its
// output in files, known by the nonce in its environment.
func launch(nonce, program string, args []string, in, out, errs *os.File, id *process) (<-chan struct{}, error) {
	cmd := exec.Command(program, args...)
	if in != nil {
		cmd.Stdin = in
	}
	cmd.Stdout, cmd.Stderr = out, errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	// Nothing else of our environment is a business of theirs.
	cmd.Env = []string{environ + "=" + nonce, "PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	cmd.Dir = "/"
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	// While it is not waited for, its pid stays its own.
	p, err := identify(cmd.Process.Pid)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // how it ended is read from its files
	}()
	*id = p
	if err != nil {
		<-ended // a zombie already
		return nil, fmt.Errorf("%s ended at once", program)
	}
	return ended, nil
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// lastLine is the end of a log, for an error message; at most 1 KiB.
func lastLine(path string) string {
	b, err := tail(path, 1024)
	if err != nil {
		return ""
	}
	s := strings.TrimSpace(string(b))
	return s[strings.LastIndexByte(s, '\n')+1:]
}

// tail reads the last max bytes of a file.
func tail(path string, max int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	from := st.Size() - max
	if from < 0 {
		from = 0
	}
	return io.ReadAll(io.NewSectionReader(f, from, max))
}
