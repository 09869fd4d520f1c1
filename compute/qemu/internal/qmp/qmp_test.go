package qmp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// monitor greets and answers the n-th line with the n-th reply.
func monitor(t *testing.T, greeting string, replies ...string) string {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		fmt.Fprint(c, greeting)
		r := bufio.NewReader(c)
		for _, reply := range replies {
			if _, err := r.ReadString('\n'); err != nil {
				return
			}
			fmt.Fprint(c, reply)
		}
		_, _ = r.ReadString('\n') // until the other side is done
	}()
	return l.Addr().String()
}

const hello, ok = `{"QMP": {}}` + "\n", `{"return": {}}` + "\n"

func TestEventsBetweenAnswersAreSkipped(t *testing.T) {
	c, err := Dial(t.Context(), monitor(t, hello, `{"event": "RESUME"}`+"\n"+ok,
		`{"event": "RESET"}`+"\n"+`{"return": {"status": "running"}}`+"\n",
		`{"error": {"class": "GenericError", "desc": "no such thing"}}`+"\n"), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var st struct{ Status string }
	if err := c.Do("query-status", nil, &st); err != nil || st.Status != "running" {
		t.Errorf("%+v, %v", st, err)
	}
	var refused *Error
	if err := c.Do("nothing", map[string]int{"x": 1}, nil); !errors.As(err, &refused) || refused.Desc != "no such thing" {
		t.Errorf("refusal: %v", err)
	}
}

func TestBadMonitors(t *testing.T) {
	for name, path := range map[string]string{
		"endless line":   monitor(t, strings.Repeat("x", maxReply+1)),
		"no JSON":        monitor(t, hello, "what?\n"),
		"torn":           monitor(t, `{"QMP"`, ""),
		"events forever": monitor(t, hello, strings.Repeat(`{"event": "X"}`+"\n", maxEvents+1)),
		"nobody":         filepath.Join(t.TempDir(), "none"),
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		if c, err := Dial(ctx, path, time.Minute); err == nil {
			c.Close()
			t.Errorf("%s: no error", name)
		}
		cancel()
	}
}
