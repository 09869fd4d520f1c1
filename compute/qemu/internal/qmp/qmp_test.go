package qmp

import (
	"bufio"
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
	for name, c := range map[string]struct{ path, want string }{
		"endless line":   {monitor(t, strings.Repeat("x", 2*maxReply)), "a reply longer than"},
		"no JSON":        {monitor(t, hello, "what?\n"), "invalid character"},
		"torn":           {monitor(t, `{"QMP"`, ""), "greeting of QEMU"}, // until the limit
		"events forever": {monitor(t, hello, strings.Repeat(`{"event": "X"}`+"\n", maxEvents+1)), "only events"},
		"nobody":         {filepath.Join(t.TempDir(), "none"), "connect to QEMU"},
	} {
		limit := time.Minute
		if name == "torn" {
			limit = 100 * time.Millisecond
		}
		conn, err := Dial(t.Context(), c.path, limit)
		if err == nil {
			conn.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
