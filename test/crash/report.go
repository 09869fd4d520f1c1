package crash

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"slipway/api/admin/adminapi"
)

// Report is what came out.
type Report struct {
	Table  string
	Faults []string // what is wrong with the server; none is a pass
}

// note counts the reasons that failed imports give.
func (j *journey) note(reason string) {
	if at := strings.IndexAny(reason, ".:"); at > 0 {
		reason = reason[:at]
	}
	j.ledger.count("reason", reason)
}

func (r *Rig) report(jobs []adminapi.Job) *Report {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	reasons := r.ledger.counts["reason"]
	builders := r.ledger.counts["builders"]
	delete(r.ledger.counts, "reason")
	delete(r.ledger.counts, "builders")
	lines, lost := r.ledger.lines()
	if lost > 0 {
		r.fail("%d accepted requests are lost", lost)
	}
	p("seed %d; %d journeys; %d jobs", r.o.Seed, r.next, len(jobs))
	p("killed with -9: server %d times, machine %d, TPM of a guest %d, network of a guest %d, inspection worker %d", r.kills.server, r.kills.machine, r.kills.tpm, r.kills.network, r.kills.worker)
	p("")
	p("request                    accepted    done  failed, with a reason  removed, as asked  lost")
	for _, l := range lines {
		p("%s", l)
	}
	for _, why := range slices.Sorted(maps.Keys(reasons)) {
		p("  %4d × %s", reasons[why], why)
	}
	p("builders came to rest: RUNNING %d times, STOPPED %d, FAILED with a reason %d; stuck: %d", builders["RUNNING"], builders["STOPPED"], builders["FAILED"], builders["stuck"])
	p("")
	p("%s", spread("start of the process to first answer", r.readies))
	p("%s", spread("start of the process to the interrupted step running again", r.resumes(jobs)))
	if r.o.Machine {
		p("machines that ran through a death of the server: %d, re-attached as the same process: %d", r.kills.candidates, r.kills.attached)
	}
	p("lost: %d   stuck builders: %d   wrong or left behind: %d", lost, builders["stuck"], len(r.faults))
	return &Report{Table: b.String(), Faults: r.faults}
}

func spread(what string, ds []time.Duration) string {
	if len(ds) == 0 {
		return what + ": never"
	}
	ds = slices.Sorted(slices.Values(ds))
	round := func(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
	return fmt.Sprintf("%s: %d times, median %s, longest %s", what, len(ds), round(ds[len(ds)/2]), round(ds[len(ds)-1]))
}
