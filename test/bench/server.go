package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sts"

	"slipway/test/rig"
)

const (
	startGoal  = 100 * time.Millisecond
	memoryGoal = 60 << 20
)

func (b *bench) memory(what string, rss, anon int64) {
	b.table.add(what, fmt.Sprintf("%d MB, %d of them in no file", rss>>20, anon>>20), "< 60 MB", rss < memoryGoal)
}

// idle measures a server that has answered one request.
func (b *bench) idle() error {
	if _, err := b.c.STS.GetCallerIdentity(b.ctx, &sts.GetCallerIdentityInput{}); err != nil {
		return err
	}
	rss, anon, err := b.srv.Resident()
	if err != nil {
		return err
	}
	b.table.head("The server")
	b.memory("resident memory when idle", rss, anon)
	return nil
}

// starts measures the time from the start of the process to its first answer,
// on new directories and on the one that this run has filled.
func (b *bench) starts() error {
	if err := b.srv.Stop(); err != nil {
		return err
	}
	var empty, used []time.Duration
	for n := range 2*b.rounds + 1 {
		e, err := b.start(filepath.Join(b.dir, fmt.Sprintf("empty-%d", n)))
		if err != nil {
			return err
		}
		u, err := b.start(b.srv.DataDir)
		if err != nil {
			return err
		}
		empty, used = append(empty, e), append(used, u)
	}
	b.table.head("From the start of the process to the first answer; median of %d", len(empty))
	b.table.add("on an empty directory", ms(median(empty)), "< 100 ms", median(empty) < startGoal)
	b.table.add("on the directory of this run", ms(median(used)), "< 100 ms", median(used) < startGoal)
	return nil
}

// start asks a server that starts until it answers.
func (b *bench) start(dir string) (time.Duration, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	addr := ln.Addr().String()
	if err := ln.Close(); err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(b.ctx, b.bin, "serve", "--data-dir", dir, "--listen", addr, "--import-rules", "open", "--log-level", "error")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}()
	err = rig.Poll(b.ctx, time.Minute, time.Millisecond, func() (bool, error) {
		r, err := client.Get("http://" + addr + "/_slipway/healthz")
		if err != nil {
			return false, nil
		}
		return r.StatusCode == http.StatusOK, r.Body.Close()
	})
	return time.Since(begun), err
}
