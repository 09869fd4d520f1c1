// Package crash kills the server, its workers and its machines with SIGKILL at
// random moments while clients work, starts the server again on the same data
// directory, and checks in the end that nothing was lost and nothing was left.
//
// What lives here: the clients' journeys, the killing, and the audit of what
// remains. The test runs it on the fake driver; test/soak runs it on real
// machines. Randomness comes from one seed, which is printed.
package crash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"slipway/test/rig"
	"slipway/test/rig/clients"
)

// Options of a run.
type Options struct {
	Bin   string
	Dir   string // of this run's own; the data directory lies in it
	Seed  uint64
	Args  []string // of serve
	Disks []Disk   // what the journeys upload
	Log   io.Writer

	Kills   int           // of the server
	For     time.Duration // go on killing this long at least
	Pause   time.Duration // the longest time between a start and its kill
	Workers int           // journeys at a time
	Machine bool          // machines are real: kill some of them, too
	Odds    Odds
	// Limit is how long the journeys may take to end after the last kill.
	Limit time.Duration
}

// Rig is a run.
type Rig struct {
	o       Options
	ctx     context.Context
	listen  string
	clients *clients.Clients
	role    string
	rng     *rand.Rand // of the killer alone
	before  func()     // each kill of the server; nil: nothing

	mu      sync.Mutex
	srv     *rig.Daemon
	ending  bool // no new journeys
	next    int
	ledger  ledger
	faults  []string
	kills   kills
	shot    map[int]bool   // processes of machines that were killed
	held    map[string]int // builders that are left alone: region/name → which time this is
	dwells  int            // times that a builder was left alone
	starts  []time.Time    // of every process of the server
	readies []time.Duration
}

// kills counts what was killed.
type kills struct{ server, machine, tpm, network, worker, attached, candidates int }

// Run does everything and reports. An error means that the run itself could
// not be made; what is wrong with the server is in the report.
func Run(ctx context.Context, o Options) (*Report, error) {
	r := newRig(ctx, o)
	if err := r.start(); err != nil {
		return nil, err
	}
	defer func() { r.server().Kill() }()
	r.clients = clients.New(r.server().Client)
	var err error
	if r.role, err = r.clients.MakeRole(ctx, "crash"); err != nil {
		return nil, err
	}
	var journeys sync.WaitGroup
	for range o.Workers {
		journeys.Go(r.travel)
	}
	watch, stop := context.WithCancel(ctx)
	defer stop()
	var killers sync.WaitGroup
	killers.Go(func() { r.hunt(watch) })
	err = errors.Join(r.storm(), r.hunted())
	r.mu.Lock()
	r.ending = true
	r.mu.Unlock()
	stop()
	killers.Wait()
	if err != nil {
		return nil, err
	}
	done := make(chan struct{})
	go func() {
		journeys.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(o.Limit):
		r.fail("journeys did not end within %s after the last kill", o.Limit)
	}
	return r.audit()
}

func newRig(ctx context.Context, o Options) *Rig {
	return &Rig{o: o, ctx: ctx, rng: rand.New(rand.NewPCG(o.Seed, 1)), ledger: newLedger(), shot: map[int]bool{}, held: map[string]int{}}
}

func (r *Rig) dataDir() string { return filepath.Join(r.o.Dir, "data") }

func (r *Rig) server() *rig.Daemon {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.srv
}

// start starts the server, always on the same address.
func (r *Rig) start() error {
	begun := time.Now()
	s, err := rig.Launch(r.ctx, rig.Options{Bin: r.o.Bin, DataDir: r.dataDir(), Listen: r.listen, Args: r.o.Args, Log: r.o.Log, Apart: true})
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.srv, r.listen = s, s.Address
	r.starts = append(r.starts, begun)
	r.readies = append(r.readies, s.Ready)
	return nil
}

// fail notes something that is wrong with the server.
func (r *Rig) fail(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, fmt.Sprintf(format, args...))
}

// again is how long a client waits before it asks once more.
const again = 20 * time.Millisecond

// call repeats a request until it is answered. unsure tells that an earlier
// try may have been carried out although no answer came.
func (r *Rig) call(f func() error) (unsure bool, err error) {
	err = rig.Poll(r.ctx, r.o.Limit, again, func() (bool, error) {
		err := f()
		if transient(err) {
			unsure = true
			return false, nil
		}
		return err == nil, err
	})
	return unsure, err
}

// transient tells whether an error is a server that is not there, or stops.
func transient(err error) bool {
	if err == nil {
		return false
	}
	var admin *clients.AdminError
	if errors.As(err, &admin) {
		return admin.Status >= 500
	}
	var answer *smithyhttp.ResponseError
	// An answer that began well and was cut off is none.
	if errors.As(err, &answer) && answer.HTTPStatusCode() >= 400 {
		return answer.HTTPStatusCode() >= 500
	}
	return true
}

// code is the error code of an answer, "" for any other error.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}
