package domain

import (
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGoldenTables shows every answer of every table, so that a change of
// policy is seen as a diff.
func TestGoldenTables(t *testing.T) {
	for kind, m := range Machines {
		path := filepath.Join("testdata", string(kind)+".golden")
		if *update {
			if err := os.WriteFile(path, []byte(m.Table()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(want) != m.Table() {
			t.Errorf("%s: the table changed; look at the diff after go test ./domain -update", kind)
		}
	}
}

func TestMachinesAreWhole(t *testing.T) {
	for kind, m := range Machines {
		if m.Kind != kind || m.Initial == "" || InitialState(kind) != m.Initial {
			t.Errorf("%s: kind %s, initial state %q", kind, m.Kind, m.Initial)
		}
		seen := map[[2]string]bool{}
		handled := map[Event]bool{}
		for _, r := range m.Rules {
			if !slices.Contains(m.States, r.From) || !slices.Contains(m.Events, r.On) {
				t.Errorf("%s: the rule %v is about something undeclared", kind, r)
			}
			if (r.Then == Accept) != (r.To != "") || r.To != "" && !slices.Contains(m.States, r.To) {
				t.Errorf("%s: the rule %v leads nowhere", kind, r)
			}
			pair := [2]string{string(r.From), string(r.On)}
			if seen[pair] {
				t.Errorf("%s: two rules for %v", kind, pair)
			}
			seen[pair] = true
			handled[r.On] = handled[r.On] || r.Then == Accept
			if r.Then == Accept {
				// Events are sent again after a crash.
				if _, v := m.Next(r.To, r.On); v == Refuse {
					t.Errorf("%s: %s is refused when it is repeated in %s", kind, r.On, r.To)
				}
			}
		}
		for _, e := range m.Events {
			if !handled[e] {
				t.Errorf("%s: no state accepts %s", kind, e)
			}
		}
	}
	if InitialState(KindRole) != "" {
		t.Error("roles have no states")
	}
}

func TestEveryStateIsReachableAndHasAnExit(t *testing.T) {
	for kind, m := range Machines {
		reached := []State{m.Initial}
		for i := 0; i < len(reached); i++ {
			exits := 0
			for _, e := range m.Events {
				if to, v := m.Next(reached[i], e); v == Accept && to != reached[i] {
					exits++
					if !slices.Contains(reached, to) {
						reached = append(reached, to)
					}
				}
			}
			if exits == 0 && !slices.Contains(m.Final, reached[i]) {
				t.Errorf("%s: nothing leads out of %s", kind, reached[i])
			}
		}
		for _, s := range append(slices.Clone(m.States), m.Final...) {
			if !slices.Contains(reached, s) {
				t.Errorf("%s: nothing leads to %s", kind, s)
			}
		}
	}
}

// TestRandomWalks sends random events, unknown ones among them: states stay
// declared ones and change only when an event is accepted.
func TestRandomWalks(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for kind, m := range Machines {
		events := append(slices.Clone(m.Events), "unheard-of", "")
		for range 200 {
			state := m.Initial
			for range 30 {
				to, v := m.Next(state, events[rnd.IntN(len(events))])
				if !slices.Contains(m.States, to) || v != Accept && to != state {
					t.Fatalf("%s: from %s to %s with %s", kind, state, to, v)
				}
				state = to
			}
		}
		for _, s := range []State{"", "nowhere"} {
			for _, e := range m.Events {
				if _, v := m.Next(s, e); v != Refuse {
					t.Errorf("%s: %s in state %q: %s", kind, e, s, v)
				}
			}
		}
	}
}
