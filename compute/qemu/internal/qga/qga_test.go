package qga

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// agent answers each synchronisation with prefix, sentinel and number, and
// everything else with reply.
func agent(t *testing.T, prefix, reply string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for r := bufio.NewReader(c); ; {
					line, err := r.ReadBytes('\n')
					if err != nil {
						return
					}
					var q struct {
						Execute   string
						Arguments struct{ ID int64 }
					}
					if json.Unmarshal(bytes.TrimLeft(line, "\xff"), &q) == nil && q.Execute == "guest-sync-delimited" {
						fmt.Fprintf(c, "%s\xff{\"return\": %d}\n", prefix, q.Arguments.ID)
					} else {
						fmt.Fprint(c, reply)
					}
				}
			}()
		}
	}()
	return path
}

func TestStaleAnswersAreSkipped(t *testing.T) {
	p := agent(t, "{\"return\": \"old\"}\n\xff{\"return\": 17}\n{\"ret", `{"return": {"id": "debian", "version-id": "12", "kernel-release": "6.1"}}`+"\n")
	c, err := Dial(t.Context(), p, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if i, err := c.OSInfo(); err != nil || i.ID != "debian" || i.KernelRelease != "6.1" {
		t.Fatalf("%+v, %v", i, err)
	}
}

func TestHostileAgents(t *testing.T) {
	if c, err := Dial(t.Context(), agent(t, strings.Repeat("x", maxStale+1), ""), 5*time.Second); err == nil {
		c.Close()
		t.Error("endless noise before the answer is accepted")
	}
	for name, reply := range map[string]string{
		"endless": strings.Repeat("x", maxReply+1) + "\n",
		"error":   `{"error": {"class": "GenericError", "desc": "no"}}` + "\n",
		"broken":  "{]\n",
	} {
		c, err := Dial(t.Context(), agent(t, "", reply), 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.OSInfo(); err == nil {
			t.Errorf("%s: no error", name)
		}
		c.Close()
	}
}

func TestSilentAgentEndsWithTheContext(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if c, err := Dial(ctx, l.Addr().String(), time.Minute); err == nil {
		c.Close()
		t.Fatal("an agent that says nothing counts as there")
	}
}
