package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"slipway/cmd/slipway/internal/transfer"
)

func amiCommand() *command {
	return &command{
		name:    "ami",
		summary: "Bring machine images in and out, as a plain AWS client",
		subs:    []*command{amiPush(), amiPull(), amiLs()},
	}
}

func transferClients(t *target) transfer.Clients {
	cfg := once(t.Config)
	return transfer.Clients{EBS: ebs.NewFromConfig(cfg), EC2: ec2.NewFromConfig(cfg)}
}

func defaultParallel() int { return 2 * runtime.NumCPU() }

func checkParallel(n int) error {
	if n < 1 || n > 64 {
		return &usageError{msg: fmt.Sprintf("--parallel is %d: it must be from 1 to 64", n)}
	}
	return nil
}

// pushStateDir is where uploads are remembered, as the XDG base directory
// specification has it.
func pushStateDir() (string, error) {
	base := os.Getenv("XDG_STATE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", errors.New("there is no home directory to remember uploads in: set XDG_STATE_HOME")
		}
		base = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(base, "slipway", "push"), nil
}

// tagsFlag collects --tag KEY=VALUE.
type tagsFlag map[string]string

func (t tagsFlag) String() string { return "" }

func (t tagsFlag) Set(s string) error {
	k, v, ok := strings.Cut(s, "=")
	switch {
	case !ok || k == "":
		return fmt.Errorf("%q is not KEY=VALUE", s)
	case k == transfer.ExactBytesTag || strings.HasPrefix(k, "aws:"):
		return fmt.Errorf("the key %s is reserved", k)
	}
	if _, twice := t[k]; twice {
		return fmt.Errorf("the key %s is given twice", k)
	}
	t[k] = v
	return nil
}

// console shows a transfer as a bar.
type console struct {
	io  streams
	mu  sync.Mutex
	bar *bar
}

func (c *console) Start(label string, done, total int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bar = newBar(c.io.err, label, "MB", done, total)
}

func (c *console) current() *bar {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bar
}

func (c *console) Add(n int64) {
	if b := c.current(); b != nil {
		b.add(n)
	}
}

func (c *console) Say(format string, args ...any) {
	if b := c.current(); b != nil {
		b.say(format, args...)
		return
	}
	fmt.Fprintf(c.io.err, format+"\n", args...)
}

func (c *console) End() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bar != nil {
		c.bar.end()
		c.bar = nil
	}
}
