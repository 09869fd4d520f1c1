package domain

import "fmt"

// State is a word of a noun's state machine, as AWS spells it.
type State string

// Event is what happens to a noun.
type Event string

// Verdict is a state table's answer to an event.
type Verdict uint8

const (
	Refuse Verdict = iota // the zero value: what is not written down is refused
	Accept
	Ignore // already so, or on its way: succeed without doing work
)

func (v Verdict) String() string { return [...]string{"refuse", "accept", "ignore"}[v] }

// Rule is one row of a state table.
type Rule struct {
	From State
	On   Event
	Then Verdict
	To   State // Accept only
}

// Machine is the state table of one noun.
type Machine struct {
	Kind    Kind
	Initial State
	States  []State
	Final   []State // states that need no exit
	Events  []Event
	Rules   []Rule
}

// Next answers what event does in state from.
func (m *Machine) Next(from State, on Event) (State, Verdict) {
	for _, r := range m.Rules {
		if r.From == from && r.On == on {
			if r.Then == Accept {
				return r.To, Accept
			}
			return from, r.Then
		}
	}
	return from, Refuse
}

// Machines holds the state table of every noun that has states.
var Machines = map[Kind]*Machine{
	KindSnapshot: SnapshotMachine,
	KindAMI:      AMIMachine,
	KindImage:    ImageMachine,
	KindExport:   ExportMachine,
	KindBuilder:  BuilderMachine,
	KindSoftware: SoftwareMachine,
	KindFleet:    FleetMachine,
	KindSession:  SessionMachine,

	KindFleetInstance: InstanceMachine,

	KindImportImage:    taskMachine(KindImportImage),
	KindImportSnapshot: taskMachine(KindImportSnapshot),
	KindExportImage:    taskMachine(KindExportImage),
}

// InitialState is the state a new resource of kind k is born in; "" for nouns
// without states.
func InitialState(k Kind) State {
	if m := Machines[k]; m != nil {
		return m.Initial
	}
	return ""
}

// Table prints every (state, event) pair, for golden files and docs.
func (m *Machine) Table() string {
	s := ""
	for _, st := range m.States {
		for _, ev := range m.Events {
			to, v := m.Next(st, ev)
			line := fmt.Sprintf("%-12s %-16s %s", st, ev, v)
			if v == Accept {
				line += " -> " + string(to)
			}
			s += line + "\n"
		}
	}
	return s
}
