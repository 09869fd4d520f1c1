package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"

	"slipway/api/admin/adminapi"
	"slipway/domain"
	"slipway/test/rig"
	"slipway/test/rig/clients"
)

type options struct {
	bin, dir   string
	serve      []string
	log        io.Writer
	sizes      []int
	perFleet   int
	perSession int
	rate       float64
	churn      time.Duration
	idle       time.Duration
	sockets    int
}

// measuring is one server that grows.
type measuring struct {
	options
	ctx    context.Context
	srv    *rig.Daemon
	c      *clients.Clients
	fleets []string // the stack of each has its name

	mu       sync.Mutex
	sessions []visit // that there are
	users    int     // so far
}

// visit is a user's session.
type visit struct {
	fleet, user string
	page        *clients.Page
}

// together is how many requests are under way while fleets and sessions are made.
const together = 8

// limit is how long at most a step waits for the server.
const limit = 20 * time.Minute

// measure makes a run. What it has measured is returned also with an error.
func measure(ctx context.Context, o options) (points []point, err error) {
	m := &measuring{options: o, ctx: ctx}
	public := filepath.Join(o.dir, "public.json")
	if err := os.WriteFile(public, []byte(`{"images":[{"name":"base","platform":"WINDOWS_SERVER_2022","families":["GENERAL_PURPOSE"]}]}`), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(o.dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	args := append([]string{"--compute", "fake", "--fake-boot-time", "0s", "--public-images", public, "--throttle-reads", "0", "--throttle-writes", "0", "--log-level", "warn"}, o.serve...)
	if m.srv, err = rig.Launch(ctx, rig.Options{Bin: o.bin, DataDir: filepath.Join(o.dir, "data"), Args: args, Log: log}); err != nil {
		return nil, err
	}
	defer func() { m.srv.Kill() }()
	m.c = clients.New(m.srv.Client)
	for _, q := range []string{domain.QuotaFleets, domain.QuotaStacks, domain.QuotaInstances} {
		if err := m.c.Admin(ctx, "POST", "/quotas", adminapi.SetQuotaRequest{Code: q, Value: new(10_000_000)}, new(adminapi.Quota)); err != nil {
			return nil, err
		}
	}
	empty, err := m.takes()
	if err != nil {
		return nil, err
	}
	for _, n := range o.sizes {
		p, err := m.at(n, empty)
		if err != nil {
			tail, _ := os.ReadFile(log.Name())
			return points, fmt.Errorf("%d instances: %w\n%s", n, err, tail[max(0, len(tail)-2000):])
		}
		points = append(points, p)
	}
	return points, nil
}

// at brings the server to a size and measures there.
func (m *measuring) at(n int, empty taken) (p point, err error) {
	p = point{instances: n, empty: empty}
	m.say("%d instances: growing", n)
	if err := m.grow(n, &p); err != nil {
		return p, fmt.Errorf("growing: %w", err)
	}
	m.say("%d instances: opening sessions", n)
	if err := m.open(n/m.perSession, &p); err != nil {
		return p, fmt.Errorf("opening sessions: %w", err)
	}
	m.say("%d instances, %d sessions: changes", n, len(m.sessions))
	if err := m.change(&p); err != nil {
		return p, fmt.Errorf("changes: %w", err)
	}
	if err := m.stream(&p); err != nil {
		return p, fmt.Errorf("streaming: %w", err)
	}
	m.say("%d instances: at rest", n)
	if err := m.rest(&p); err != nil {
		return p, fmt.Errorf("at rest: %w", err)
	}
	p.fleets, p.sessions = len(m.fleets), len(m.sessions)
	return p, nil
}

func (m *measuring) say(format string, args ...any) {
	fmt.Fprintf(m.log, "%s "+format+"\n", append([]any{time.Now().Format("15:04:05")}, args...)...)
}

// each calls f for 0…n-1, several at once, until one fails.
func (m *measuring) each(n int, f func(i int) error) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, together)
	for w := range together {
		wg.Go(func() {
			for errs[w] == nil && m.ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if errs[w] = f(i); errs[w] != nil {
					next.Store(int64(n))
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(append(errs, m.ctx.Err())...)
}

// grow starts fleets until there should be n instances, and waits until there
// are.
func (m *measuring) grow(n int, p *point) error {
	before, err := m.takes()
	if err != nil {
		return err
	}
	have, begun := len(m.fleets), time.Now()
	for len(m.fleets) < n/m.perFleet {
		m.fleets = append(m.fleets, fmt.Sprintf("fleet-%05d", len(m.fleets)))
	}
	made := m.fleets[have:]
	if err := m.each(len(made), func(i int) error { return m.start(made[i]) }); err != nil {
		return err
	}
	p.asked = time.Since(begun)
	if err := m.settled(made); err != nil {
		return err
	}
	p.grown = time.Since(begun)
	after, err := m.takes()
	p.added, p.growCPU = len(made)*m.perFleet, after.cpu-before.cpu
	return err
}

// start makes a fleet with its stack, and starts it.
func (m *measuring) start(name string) error {
	_, err := again(m.ctx, m.c.AppStream.CreateFleet, &appstream.CreateFleetInput{Name: &name, ImageName: aws.String("base"), InstanceType: aws.String("stream.standard.small"),
		FleetType: types.FleetTypeAlwaysOn, ComputeCapacity: &types.ComputeCapacity{DesiredInstances: aws.Int32(int32(m.perFleet))},
		DisconnectTimeoutInSeconds: aws.Int32(domain.FleetTimeoutMost)}) // nobody has to stay connected
	if err == nil {
		_, err = again(m.ctx, m.c.AppStream.CreateStack, &appstream.CreateStackInput{Name: &name})
	}
	if err == nil {
		_, err = again(m.ctx, m.c.AppStream.AssociateFleet, &appstream.AssociateFleetInput{FleetName: &name, StackName: &name})
	}
	if err == nil {
		_, err = again(m.ctx, m.c.AppStream.StartFleet, &appstream.StartFleetInput{Name: &name})
	}
	return err
}

// again sends a request, and once more when the client broke the connection off
// itself: when an answer comes very soon, it takes the request from whoever is
// still sending it (aws/smithy-go; its clients try again by default, ours do not).
func again[I, O any](ctx context.Context, call func(context.Context, I, ...func(*appstream.Options)) (O, error), in I) (O, error) {
	out, err := call(ctx, in)
	if errors.Is(err, net.ErrClosed) {
		first := err
		out, err = call(ctx, in)
		if e := new(types.ResourceAlreadyExistsException); errors.As(err, &e) {
			err = nil // it had arrived
		} else if err != nil {
			err = errors.Join(first, err)
		}
	}
	return out, err
}

// named is how many names a request takes.
const named = 25

// settled waits until every fleet runs and has what it should.
func (m *measuring) settled(fleets []string) error {
	return rig.Poll(m.ctx, limit, 50*time.Millisecond, func() (bool, error) {
		for len(fleets) > 0 {
			some := fleets[:min(named, len(fleets))]
			out, err := again(m.ctx, m.c.AppStream.DescribeFleets, &appstream.DescribeFleetsInput{Names: some})
			if err != nil {
				return false, err
			}
			for _, f := range out.Fleets {
				c := f.ComputeCapacityStatus
				if f.State != types.FleetStateRunning || aws.ToInt32(c.Running) != *c.Desired || aws.ToInt32(c.Available)+aws.ToInt32(c.InUse) != *c.Desired {
					return false, nil
				}
			}
			fleets = fleets[len(some):]
		}
		return true, nil
	})
}

// open opens sessions until there are n, in turn on all fleets.
func (m *measuring) open(n int, p *point) error {
	have, begun := len(m.sessions), time.Now()
	before, err := m.takes()
	if err != nil {
		return err
	}
	var asked, handed times
	// New fleets have none yet; older ones have their share.
	first := have * m.perSession / m.perFleet
	err = m.each(n-have, func(i int) error {
		fleets := m.fleets[first:]
		v, ask, hand, err := m.visit(fleets[i%len(fleets)])
		if err != nil {
			return err
		}
		asked.add(ask)
		handed.add(hand)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.sessions = append(m.sessions, v)
		return nil
	})
	if err != nil {
		return err
	}
	after, err := m.takes()
	p.opened, p.openTime, p.openCPU = n-have, time.Since(begun), after.cpu-before.cpu
	p.rush = figures{asked.spread(), handed.spread()}
	return err
}

// visit opens an address for a new user and the page behind it, and tells how long
// both took. Then the user has an instance.
func (m *measuring) visit(fleet string) (v visit, ask, hand time.Duration, err error) {
	m.mu.Lock()
	m.users++
	v = visit{fleet: fleet, user: fmt.Sprintf("user-%d", m.users)}
	m.mu.Unlock()
	begun := time.Now()
	out, err := again(m.ctx, m.c.AppStream.CreateStreamingURL, &appstream.CreateStreamingURLInput{StackName: &fleet, FleetName: &fleet, UserId: &v.user})
	if err != nil {
		return v, 0, 0, err
	}
	ask, begun = time.Since(begun), time.Now()
	v.page, err = clients.OpenPage(m.ctx, *out.StreamingURL)
	return v, ask, time.Since(begun), err
}

// leave takes a session out of those that there are, any.
func (m *measuring) leave(fleet string) (visit, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := rand.IntN(max(len(m.sessions), 1))
	for i := range m.sessions {
		at := (at + i) % len(m.sessions)
		if v := m.sessions[at]; v.fleet == fleet {
			last := len(m.sessions) - 1
			m.sessions[at] = m.sessions[last]
			m.sessions = m.sessions[:last]
			return v, true
		}
	}
	return visit{}, false
}
