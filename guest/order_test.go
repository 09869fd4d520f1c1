package guest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"testing"

	"slipway/fault"
)

// TestToolsThatNeverEnd: a tool that loses every command, and one that takes every
// piece of a file and has none, hold nobody for ever.
func TestToolsThatNeverEnd(t *testing.T) {
	o := &Orders{}
	c := serve(t, Host{Role: RoleBuilder, Session: "s", Answer: echo, Orders: o})
	p := &Peer{Do: func(context.Context, string, json.RawMessage) Report { return Report{Lost: true} }}
	go func() { _ = p.Run(t.Context(), c) }()
	if _, err := o.Run(t.Context(), Command{ID: "x", Line: "true", Seconds: 60}); !fault.Is(err, fault.NotAvailable) {
		t.Errorf("a command: %v", err)
	}
	data := []byte("file")
	if err := o.Put(t.Context(), "f", bytes.NewReader(data), int64(len(data)), sha256.Sum256(data), nil); !fault.Is(err, fault.NotAvailable) {
		t.Errorf("a file: %v", err)
	}
}
