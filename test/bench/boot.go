package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"slipway/api/admin/adminapi"
	"slipway/test/rig"
)

// bootGoal is what a validation may cost, in boots by hand.
const bootGoal = 1.05

// boots measures a validation against the same machine started by hand.
func (b *bench) boots() error {
	if b.guest == "" {
		var err error
		if b.guest, err = rig.SampleDisk(b.ctx); err != nil {
			return fmt.Errorf("making the guest's disk: %w", err)
		}
	}
	ami, err := b.push(b.guest, "guest")
	if err != nil {
		return err
	}
	var agents, wholes, hands []time.Duration
	for n := range b.rounds {
		name := fmt.Sprintf("boot-%d", n)
		lines := make(chan [][]string, 1)
		go func() { lines <- b.watchCommands() }()
		whole, err := b.importOnce(name, ami, true)
		if err != nil {
			return err
		}
		img, err := b.c.Image(b.ctx, name)
		if err != nil {
			return err
		}
		agent := agentRung(img)
		if agent == 0 {
			return errors.New("the guest's agent was not seen")
		}
		hand, err := b.byHand(<-lines, 0, 20*time.Millisecond, func(h *hand) bool { return ping(h.path("a")) })
		if err != nil {
			return fmt.Errorf("by hand: %w", err)
		}
		agents, wholes, hands = append(agents, agent), append(wholes, whole), append(hands, hand)
		if err := b.forget(name); err != nil {
			return err
		}
	}
	agent, whole, hand := median(agents), median(wholes), median(hands)
	b.table.head("Validation boot of the sample guest; median of %d, one guest at a time, in turns", b.rounds)
	b.table.add("the same command lines by hand, exec to the guest agent's answer", ms(hand), "", true)
	b.table.add("validation: machine start to the agent's rung", ms(agent), "", true)
	b.table.add("  against by hand", times(ratio(agent, hand)), "≤ 1.05 ×", ratio(agent, hand) <= bootGoal)
	b.table.add("validation: from the call to AVAILABLE (stable screen, display, power off)", ms(whole), "", true)
	b.table.add("  against by hand", times(ratio(whole, hand)), "", true)
	return nil
}

func agentRung(img adminapi.Image) time.Duration {
	for _, r := range img.Evidence.Rungs {
		if r.Name == "agent" && r.Reached {
			return time.Duration(r.AfterMS) * time.Millisecond
		}
	}
	return 0
}

// watchCommands reads the command lines of the machine that comes up.
func (b *bench) watchCommands() (found [][]string) {
	_ = rig.Poll(b.ctx, time.Minute, 20*time.Millisecond, func() (bool, error) {
		found = nil
		dirs, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, d := range dirs {
			raw, _ := os.ReadFile(d) // it may be gone
			args := strings.Split(strings.TrimSuffix(string(raw), "\x00"), "\x00")
			if !strings.Contains(string(raw), filepath.Join(b.srv.DataDir, "run")) {
				continue
			}
			switch base := filepath.Base(args[0]); {
			case base == "swtpm":
				found = append([][]string{args}, found...)
			case strings.HasPrefix(base, "qemu-system"):
				found = append(found, args)
			}
		}
		return len(found) == 2, nil
	})
	return found
}

// hand is a machine of the bench's own.
type hand struct {
	dir   string
	procs []*exec.Cmd
	ports []net.PacketConn
	// handed: the firmware has handed over to a kernel.
	handed bool
}

// byHand runs the same command lines on files of its own, a layer of so many
// bytes over the guest's disk (0: a new disk of its size), and measures until the
// guest is up.
func (b *bench) byHand(lines [][]string, layer int64, every time.Duration, up func(*hand) bool) (time.Duration, error) {
	if len(lines) != 2 {
		return 0, errors.New("the machine's command lines were not seen")
	}
	h := &hand{dir: filepath.Join(b.dir, "h")}
	defer h.end()
	tpm, qemu, err := h.prepare(b, lines[0], lines[1])
	if err != nil {
		return 0, err
	}
	if err := h.disk(b.guest, layer); err != nil {
		return 0, err
	}
	begun := time.Now()
	if err := h.run(tpm); err != nil {
		return 0, err
	}
	err = rig.Poll(b.ctx, 10*time.Second, time.Millisecond, func() (bool, error) {
		_, err := os.Lstat(h.path("t"))
		return err == nil, nil
	})
	if err != nil {
		return 0, err
	}
	if err := h.run(qemu); err != nil {
		return 0, err
	}
	if err := rig.Poll(b.ctx, 90*time.Second, every, func() (bool, error) { return up(h), nil }); err != nil {
		said, _ := os.ReadFile(h.path("out-" + filepath.Base(qemu[0])))
		return 0, fmt.Errorf("the guest did not come up: %w; QEMU: %s", err, said)
	}
	return time.Since(begun), nil
}

func (h *hand) path(name string) string { return filepath.Join(h.dir, name) }

// disk makes what the guest writes into.
func (h *hand) disk(guest string, bytes int64) error {
	if bytes == 0 {
		st, err := os.Stat(guest)
		if err != nil {
			return err
		}
		bytes = st.Size()
	}
	if out, err := exec.Command("qemu-img", "create", "-f", "qcow2", h.path("disk.qcow2"), fmt.Sprint(bytes)).CombinedOutput(); err != nil {
		return fmt.Errorf("qemu-img: %w: %s", err, out)
	}
	return nil
}

// prepare makes the files that the machine finds, as the driver does.
func (h *hand) prepare(b *bench, tpm, qemu []string) (ours, theirs []string, err error) {
	roots := []string{filepath.Join(b.srv.DataDir, "run") + "/", filepath.Join(b.srv.DataDir, "disks", "overlays") + "/", filepath.Join(b.srv.DataDir, "builders") + "/"}
	move := func(args []string) (out []string) {
		for _, a := range args {
			for _, root := range roots {
				if at := strings.Index(a, root); at >= 0 {
					id, _, _ := strings.Cut(a[at+len(root):], "/")
					a = strings.ReplaceAll(a, root+id, h.dir)
				}
			}
			out = append(out, a)
		}
		return out
	}
	ours, theirs = move(tpm), move(qemu)
	for _, a := range ours {
		if state, ok := strings.CutPrefix(a, "mode=0600,dir="); ok {
			if err := os.MkdirAll(state, 0o700); err != nil {
				return nil, nil, err
			}
		}
	}
	var code, kept string
	for _, a := range theirs {
		if f, ok := strings.CutPrefix(a, "if=pflash,unit=0,format=raw,readonly=on,file="); ok {
			code = f
		} else if f, ok := strings.CutPrefix(a, "if=pflash,unit=1,format=raw,file="); ok {
			kept = f
		}
	}
	vars, err := os.ReadFile(strings.ReplaceAll(code, "CODE", "VARS"))
	if err == nil {
		err = os.WriteFile(kept, vars, 0o600)
	}
	if err != nil {
		return nil, nil, err
	}
	if err := os.WriteFile(h.path("commands"), []byte(`{"execute":"qmp_capabilities"}`+"\n"), 0o600); err != nil {
		return nil, nil, err
	}
	// Somebody takes the guest's frames, as the driver does.
	sink, err := net.ListenPacket("unixgram", h.path("n"))
	if err != nil {
		return nil, nil, err
	}
	h.ports = append(h.ports, sink)
	go func() {
		for buf := make([]byte, 64<<10); ; {
			if _, _, err := sink.ReadFrom(buf); err != nil {
				return
			}
		}
	}()
	return ours, theirs, nil
}

func (h *hand) run(args []string) error {
	cmd := exec.Command(args[0], args[1:]...)
	in, err := os.Open(h.path("commands"))
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(h.path("out-" + filepath.Base(args[0])))
	if err != nil {
		return err
	}
	defer out.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Dir = in, out, out, "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	h.procs = append(h.procs, cmd)
	return cmd.Start()
}

func (h *hand) end() {
	for i := len(h.procs) - 1; i >= 0; i-- {
		if p := h.procs[i]; p.Process != nil {
			_ = p.Process.Kill() // it may have ended with the other
			_ = p.Wait()
		}
	}
	for _, p := range h.ports {
		_ = p.Close()
	}
	_ = os.RemoveAll(h.dir)
}

// ping asks the guest's agent and tells whether it answered.
func ping(socket string) bool {
	c, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	if c.SetDeadline(time.Now().Add(200*time.Millisecond)) != nil {
		return false
	}
	if _, err := io.WriteString(c, `{"execute":"guest-ping"}`+"\n"); err != nil {
		return false
	}
	line, err := bufio.NewReader(c).ReadBytes('\n')
	var v struct{ Return *struct{} }
	return err == nil && json.Unmarshal(line, &v) == nil && v.Return != nil
}
