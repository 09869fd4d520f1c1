package vm

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"

	"slipway/api/admin/adminapi"
	"slipway/compute"
	"slipway/test/rig"
)

// trace holds what a fleet says of itself, again and again, against the machines
// that this host's processes are, and against `slipway ps`.
type trace struct {
	h     *house
	fleet string
	stack string
	begun time.Time
	// demand: instances wait without machines, each for its user.
	demand bool
	stop   chan struct{}
	ended  chan struct{}

	mu      sync.Mutex
	rows    []string // one for each change
	samples int
	wrong   []string
	odd     string          // how ps and the processes differed at the last look
	known   map[string]bool // machines that were told as running
	gone    map[string]bool // machines whose session has ended
}

// moment is one look.
type moment struct {
	fleet        types.Fleet
	sessions     []types.Session
	before, now  []string // machines: processes before and after asking
	ps           []string
	same, listed bool // no session changed meanwhile; ps answered
}

func (h *house) trace(fleet, stack string) *trace {
	tr := &trace{h: h, fleet: fleet, stack: stack, begun: time.Now(), demand: h.fleet().FleetType == types.FleetTypeOnDemand, stop: make(chan struct{}), ended: make(chan struct{}), known: map[string]bool{}, gone: map[string]bool{}}
	go func() {
		defer close(tr.ended)
		t := time.NewTicker(500 * time.Millisecond)
		defer t.Stop()
		for {
			tr.look()
			select {
			case <-t.C:
			case <-tr.stop:
				return
			}
		}
	}()
	return tr
}

// end stops looking, keeps the trace for people, and fails the test for what was
// wrong.
func (tr *trace) end() {
	tr.h.t.Helper()
	close(tr.stop)
	<-tr.ended
	text := fmt.Sprintf("%d looks\n%s\n", tr.samples, strings.Join(tr.rows, "\n"))
	path := filepath.Join(filepath.Dir(picture("")), "vm-fleet-"+strings.TrimPrefix(tr.h.t.Name(), "Test")+".txt")
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o644)
	}
	if err != nil {
		tr.h.t.Error(err)
	}
	tr.h.t.Log("the fleet, at each change:\n" + text)
	for _, w := range tr.wrong {
		tr.h.t.Error(w)
	}
}

// look looks once more; one after the other, since each is held against those
// before it.
func (tr *trace) look() {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	m, err := tr.moment()
	tr.samples++
	row := fmt.Sprintf("the server is away; machines %s", short(m.now))
	if err == nil {
		c := m.fleet.ComputeCapacityStatus
		row = fmt.Sprintf("%-8s desired %d, running %d, in use %d, available %d; machines %s; sessions %s", m.fleet.State,
			*c.Desired, *c.Running, *c.InUse, *c.Available, short(m.now), people(m.sessions))
		for _, w := range tr.judge(m) {
			tr.wrong = append(tr.wrong, fmt.Sprintf("after %.1f s: %s\n%s, before %s, ps %s", time.Since(tr.begun).Seconds(), w, row, short(m.before), short(m.ps)))
		}
	}
	if len(tr.rows) == 0 || !strings.HasSuffix(tr.rows[len(tr.rows)-1], "  "+row) {
		tr.rows = append(tr.rows, fmt.Sprintf("%6.1f s  %s", time.Since(tr.begun).Seconds(), row))
	}
}

func (tr *trace) moment() (m moment, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	sessions := func() ([]types.Session, error) {
		out, err := tr.h.app.DescribeSessions(ctx, &appstream.DescribeSessionsInput{StackName: &tr.stack, FleetName: &tr.fleet})
		if err != nil {
			return nil, err
		}
		return out.Sessions, nil
	}
	m.before = tr.h.machines()
	defer func() { m.now = tr.h.machines() }()
	first, err := sessions()
	if err != nil {
		return m, err
	}
	out, err := tr.h.app.DescribeFleets(ctx, &appstream.DescribeFleetsInput{Names: []string{tr.fleet}})
	if err != nil {
		return m, err
	}
	m.fleet = out.Fleets[0]
	if m.sessions, err = sessions(); err != nil {
		return m, err
	}
	m.same = people(first) == people(m.sessions)
	var list adminapi.Machines
	if text, _, err := tr.h.CLIContext(ctx, "ps", "--json"); err == nil && json.Unmarshal([]byte(text), &list) == nil {
		m.listed = true
		for _, x := range list.Machines {
			if x.State != string(compute.Gone) { // one that is being made has no process yet
				m.ps = append(m.ps, x.ID)
			}
		}
		slices.Sort(m.ps)
	}
	return m, nil
}

// judge tells what cannot be at one moment.
func (tr *trace) judge(m moment) (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	c := m.fleet.ComputeCapacityStatus
	running, inUse := int(*c.Running), int(*c.InUse)
	still := slices.Equal(m.before, m.now)
	// A process that is being made is not what it will be: the next look decides.
	odd := ""
	if still && m.listed && !slices.Equal(m.ps, m.now) {
		odd = fmt.Sprint(m.ps, m.now)
	}
	if odd != "" && odd == tr.odd {
		say("ps does not list the machines there are")
	}
	tr.odd = odd
	live := map[string]string{}
	for _, x := range m.sessions {
		if x.State == types.SessionStateExpired {
			tr.gone[*x.InstanceId] = true
			continue
		}
		if other := live[*x.InstanceId]; other != "" {
			say("%s and %s have one instance", other, *x.UserId)
		}
		if tr.gone[*x.InstanceId] {
			say("%s has an instance that another had before", *x.UserId)
		}
		live[*x.InstanceId] = *x.UserId
	}
	if m.same && inUse != len(live) {
		say("%d in use, by %d sessions", inUse, len(live))
	}
	switch available := int(*c.Available); {
	case !tr.demand && available != running-inUse:
		say("available is not running less in use")
	case tr.demand && available+inUse > int(*c.Desired):
		say("more are available and in use than there are")
	case tr.demand && running > inUse:
		say("%d running, of which users have %d", running, inUse)
	}
	all := map[string]bool{}
	for _, id := range slices.Concat(m.before, m.now) {
		all[id] = true
	}
	if running > len(all) {
		say("%d running, of %d machines", running, len(all))
	}
	sure := 0 // told as running before, with no reason not to be any more
	for _, id := range m.now {
		if tr.known[id] && slices.Contains(m.before, id) && !tr.gone[id] {
			sure++
		}
	}
	if m.fleet.State == types.FleetStateRunning && running < sure {
		say("%d running, and %d machines that were running are there", running, sure)
	}
	if still && running == len(m.now) {
		for _, id := range m.now {
			tr.known[id] = true
		}
	}
	return wrong
}

var ofMachine = regexp.MustCompile(`qemu-system.* -name slipway-(i-[0-9a-f]{17}) `)

// machines are the machines that this host's processes are.
func (h *house) machines() []string {
	all := map[string]bool{}
	for _, p := range rig.Processes(h.DataDir) {
		if id := ofMachine.FindStringSubmatch(p.Command); id != nil {
			all[id[1]] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// short tells machines apart, for people.
func short(ids []string) string {
	var out []string
	for _, id := range ids {
		out = append(out, id[:min(6, len(id))])
	}
	return "[" + strings.Join(out, " ") + "]"
}

func people(all []types.Session) string {
	var out []string
	for _, x := range all {
		word := strings.ToLower(string(x.ConnectionState))
		if x.State != types.SessionStateActive {
			word = strings.ToLower(string(x.State))
		}
		out = append(out, fmt.Sprintf("%s@%s %s", *x.UserId, short([]string{aws.ToString(x.InstanceId)}), word))
	}
	slices.Sort(out)
	return "{" + strings.Join(out, ", ") + "}"
}
