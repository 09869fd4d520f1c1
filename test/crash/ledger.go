package crash

import (
	"fmt"
	"sort"
	"sync"
)

// ledger is what the clients know: everything the server has said yes to.
type ledger struct {
	mu        *sync.Mutex
	counts    map[string]map[string]int // kind of request → outcome → how often
	snapshots map[string]string         // id → "pending" when its upload was left, else ""
	amis      map[string]string         // name → id of those that must be there
	images    map[string]bool           // region/name of those that must be there
	exported  map[string]string         // AMI id → name of those that exports made
}

func newLedger() ledger {
	return ledger{mu: new(sync.Mutex), counts: map[string]map[string]int{}, snapshots: map[string]string{},
		amis: map[string]string{}, images: map[string]bool{}, exported: map[string]string{}}
}

// Outcomes of a request.
const (
	accepted = "accepted"
	done     = "done"
	failed   = "failed, with a reason"
	gone     = "removed, as asked"
)

func (l *ledger) count(kind, outcome string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts[kind] == nil {
		l.counts[kind] = map[string]int{}
	}
	l.counts[kind][outcome]++
}

func (l *ledger) set(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

// lines is one line for each kind of request, and how many were lost.
func (l *ledger) lines() (out []string, lost int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for kind, c := range l.counts {
		missing := c[accepted] - c[done] - c[failed] - c[gone]
		lost += missing
		out = append(out, fmt.Sprintf("%-25s  %8d  %6d  %21d  %17d  %4d", kind, c[accepted], c[done], c[failed], c[gone], missing))
	}
	sort.Strings(out)
	return out, lost
}
