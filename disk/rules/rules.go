// Package rules judges facts about a disk: may it become an image, and what
// does its owner have to change. It is pure; it reads no disks (disk/inspect)
// and knows nothing of machines that run, of accounts or of the AMI around a
// disk.
//
// All rules are in one table. A set takes a column of it: what a rule means
// under that set, or that it does not belong to it.
package rules

//go:generate go run slipway/tools/genrules -o ../../docs/RULES.md

import (
	"slipway/disk/facts"
)

// Set is a set of rules.
type Set string

const (
	// AWS is what AWS publishes for importing an image, as far as a disk shows it.
	AWS Set = "aws"
	// BYOL is what WorkSpaces asks of a Windows desktop whose licence the
	// customer brings.
	BYOL Set = "byol"
	// Open takes every disk that has a chance to start and tells what it waived.
	Open Set = "open"
)

// Sets lists the sets.
func Sets() []Set { return []Set{AWS, BYOL, Open} }

// Severity is what a finding means for the import.
type Severity string

const (
	Block  Severity = "block"   // the disk is refused
	Warn   Severity = "warning" // the disk is taken; something will probably go wrong later
	Waived Severity = "waived"  // AWS would refuse or is not known to accept it; this server does not
	Info   Severity = "info"    // worth knowing
	none   Severity = ""        // the rule does not belong to the set
)

// Finding is one thing that a rule noticed. Texts are whole sentences for people.
type Finding struct {
	Rule     string   `json:"rule"` // what is asked
	Severity Severity `json:"severity"`
	Found    string   `json:"found"`             // what the disk has instead
	Where    string   `json:"where,omitempty"`   // the file, or the registry key with the value's name
	Value    string   `json:"value,omitempty"`   // what stands there
	Remedy   string   `json:"remedy,omitempty"`  // what its owner can do
	Source   string   `json:"source"`            // where the rule is published
	Code     string   `json:"code"`              // stable word for programs
	AWSCode  string   `json:"awsCode,omitempty"` // the word of the BYOL checker for it
}

// Rule is a row of the table.
type Rule struct {
	Code    string
	AWSCode string // of the WorkSpaces API: WorkspaceImageErrorDetailCode
	Text    string
	Detect  string // where it is seen
	Remedy  string
	Source  string

	AWS, BYOL, Open Severity

	check func(f *facts.Facts) hit // nil: only a running machine shows it
}

// hit is what a check noticed: nothing when found is empty.
type hit struct{ found, where, value, remedy string }

// Visible tells whether a disk shows what the rule asks.
func (r Rule) Visible() bool { return r.check != nil }

// Severity is what the rule means under a set, "" when it does not belong to
// it. A set that is neither Open nor BYOL counts as AWS.
func (r Rule) Severity(s Set) Severity {
	switch s {
	case Open:
		return r.Open
	case BYOL:
		return r.BYOL
	}
	return r.AWS
}

// Table lists every rule, those first without which nothing else can be told.
func Table() []Rule {
	var all []Rule
	for _, part := range [][]Rule{diskRules(), serverRules(), desktopRules(), desktopStateRules(), noteRules(), unseenRules()} {
		all = append(all, part...)
	}
	return all
}

// Evaluate applies a set to the facts of one disk. The findings come in the
// order of the rules; without one of severity Block the disk may be imported.
func Evaluate(set Set, f facts.Facts) []Finding {
	var out []Finding
	for _, r := range Table() {
		sev := r.Severity(set)
		if sev == none {
			continue
		}
		h := hit{found: "A disk does not show this; only the running machine does."}
		if r.check != nil {
			h = r.check(&f)
		} else if set == BYOL && !desktop(&f) || f.OS != facts.Windows {
			continue // the machine would not be asked
		}
		if h.found == "" {
			continue
		}
		out = append(out, Finding{Rule: r.Text, Severity: sev, Found: h.found, Where: h.where, Value: h.value,
			Remedy: or(h.remedy, r.Remedy), Source: r.Source, Code: r.Code, AWSCode: r.AWSCode})
		if r.Code == "disk-empty" || r.Code == "partition-table" {
			break // everything else follows from it
		}
	}
	return out
}

// Blocked tells whether any finding refuses the disk.
func Blocked(fs []Finding) bool {
	for _, f := range fs {
		if f.Severity == Block {
			return true
		}
	}
	return false
}
