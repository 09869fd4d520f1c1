package crash

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"image/png"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"

	"slipway/api/admin/adminapi"
	"slipway/test/rig"
	"slipway/test/rig/clients"
)

// SessionRig is a run with users who stream from a fleet while the server is
// killed.
type SessionRig struct {
	*Rig
	instances int

	mu       sync.Mutex
	owners   map[string]string // instance → the session that has or had it
	pictures map[string]string // a picture's hash → the session that saw it
	ended    map[string]bool   // instances whose machine was taken away
	visits   int
	resumed  int   // connections after the first, to the same machine
	full     int   // times that every instance was taken
	shared   int   // instances and pictures that a second session had
	told     int   // sessions that ended with their machine, and said so
	alive    []int // sessions at each death of the server
}

// errEnded is a session whose machine was taken away, and whose page says that it
// is over.
var errEnded = errors.New("the session ended with its machine")

const fleetName, stackName = "fleet", "stack"

// Sessions makes a run of o.Workers users on a fleet with so many instances. The
// machines have to be fake: a picture names its machine.
func Sessions(ctx context.Context, o Options, instances int) (*Report, error) {
	public := filepath.Join(o.Dir, "public.json")
	if err := os.WriteFile(public, []byte(`{"images":[{"name":"base","platform":"WINDOWS_SERVER_2022","families":["GENERAL_PURPOSE"]}]}`), 0o600); err != nil {
		return nil, err
	}
	o.Args = append(slices.Clone(o.Args), "--public-images", public, "--throttle-reads", "0", "--throttle-writes", "0")
	s := &SessionRig{Rig: newRig(ctx, o), instances: instances,
		owners: map[string]string{}, pictures: map[string]string{}, ended: map[string]bool{}}
	if err := s.start(); err != nil {
		return nil, err
	}
	defer func() { s.server().Kill() }()
	s.clients = clients.New(s.server().Client)
	if err := s.open(); err != nil {
		return nil, err
	}
	var users sync.WaitGroup
	for n := range o.Workers {
		u := &user{SessionRig: s, name: fmt.Sprintf("user-%d", n), rng: rand.New(rand.NewPCG(o.Seed, uint64(n)+1000))}
		users.Go(u.come)
	}
	s.before = s.count
	watch, stop := context.WithCancel(ctx)
	defer stop()
	var taking sync.WaitGroup
	if o.Machine {
		taking.Go(func() { s.take(watch) })
	}
	err := s.storm()
	s.Rig.mu.Lock()
	s.ending = true
	s.Rig.mu.Unlock()
	stop()
	taking.Wait()
	users.Wait()
	if err != nil {
		return nil, err
	}
	return s.close()
}

// count notes how many sessions there are.
func (s *SessionRig) count() {
	if live, err := s.live(""); err == nil {
		s.alive = append(s.alive, len(live))
	}
}

// take takes machines away now and then: of a fake one there is no more than a
// file.
func (s *SessionRig) take(ctx context.Context) {
	rng := rand.New(rand.NewPCG(s.o.Seed, 2))
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(s.o.Pause/4 + time.Duration(rng.Int64N(int64(s.o.Pause)))):
		}
		files, _ := filepath.Glob(filepath.Join(s.dataDir(), "run", "*.json"))
		if len(files) == 0 {
			continue
		}
		file := files[rng.IntN(len(files))]
		s.mu.Lock()
		s.ended[strings.TrimSuffix(filepath.Base(file), ".json")] = true
		s.mu.Unlock()
		if os.Remove(file) == nil {
			s.killed(&s.kills.machine)
		}
	}
}

// without tells whether a session's machine was taken away.
func (s *SessionRig) without(instance string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended[instance]
}

// open makes the fleet and waits until it is as large as it should be.
func (s *SessionRig) open() error {
	app := s.clients.AppStream
	_, err := app.CreateFleet(s.ctx, &appstream.CreateFleetInput{Name: aws.String(fleetName), ImageName: aws.String("base"), InstanceType: aws.String("stream.standard.small"),
		FleetType: types.FleetTypeAlwaysOn, ComputeCapacity: &types.ComputeCapacity{DesiredInstances: aws.Int32(int32(s.instances))}})
	if err == nil {
		_, err = app.CreateStack(s.ctx, &appstream.CreateStackInput{Name: aws.String(stackName)})
	}
	if err == nil {
		_, err = app.AssociateFleet(s.ctx, &appstream.AssociateFleetInput{FleetName: aws.String(fleetName), StackName: aws.String(stackName)})
	}
	if err == nil {
		_, err = app.StartFleet(s.ctx, &appstream.StartFleetInput{Name: aws.String(fleetName)})
	}
	if err != nil {
		return err
	}
	return s.rests("at first")
}

// rests waits until the fleet, its rows, its sessions and the machines agree.
func (s *SessionRig) rests(when string) error {
	var seen string
	err := rig.Poll(s.ctx, s.o.Limit, again, func() (bool, error) {
		out, err := s.clients.AppStream.DescribeFleets(s.ctx, &appstream.DescribeFleetsInput{Names: []string{fleetName}})
		if err != nil { // a connection to the server before may still end
			seen = err.Error()
			return false, nil
		}
		live, err := s.live("")
		if err != nil { // a connection to the server before may still end
			seen = err.Error()
			return false, nil
		}
		c := out.Fleets[0].ComputeCapacityStatus
		used, machines := 0, s.machines()
		for _, x := range live {
			if slices.ContainsFunc(machines, func(m adminapi.Machine) bool { return m.ID == *x.InstanceId && m.State == "running" }) {
				used++
			}
		}
		running, free := int(aws.ToInt32(c.Running)), int(aws.ToInt32(c.Available))
		seen = fmt.Sprintf("desired %d, running %d, in use %d, available %d; %d sessions, %d of them on machines; %d machines",
			s.instances, running, aws.ToInt32(c.InUse), free, len(live), used, len(machines))
		return running == s.instances && free == s.instances-len(live) && used == len(live) && len(machines) == s.instances &&
			out.Fleets[0].State == types.FleetStateRunning, nil
	})
	if err != nil {
		s.fail("%s: not at rest: %s: %v", when, seen, err)
	}
	return s.ctx.Err()
}

// live lists the sessions that have not ended, of a user or of all.
func (s *SessionRig) live(user string) (out []types.Session, err error) {
	in := &appstream.DescribeSessionsInput{StackName: aws.String(stackName), FleetName: aws.String(fleetName), Limit: aws.Int32(50)}
	if user != "" {
		in.UserId, in.AuthenticationType = &user, types.AuthenticationTypeApi
	}
	for {
		var page *appstream.DescribeSessionsOutput
		if _, err := s.call(func() (err error) { page, err = s.clients.AppStream.DescribeSessions(s.ctx, in); return err }); err != nil {
			return nil, err
		}
		for _, x := range page.Sessions {
			if x.State != types.SessionStateExpired {
				out = append(out, x)
			}
		}
		if in.NextToken = page.NextToken; in.NextToken == nil {
			return out, nil
		}
	}
}

// close looks at what is left, once with the users' sessions and once without,
// and stops everything.
func (s *SessionRig) close() (*Report, error) {
	if err := s.rests("with sessions"); err != nil {
		return nil, err
	}
	live, err := s.live("")
	if err != nil {
		return nil, err
	}
	for _, x := range live {
		if _, err := s.clients.AppStream.ExpireSession(s.ctx, &appstream.ExpireSessionInput{SessionId: x.Id}); err != nil {
			return nil, err
		}
	}
	if err := s.rests("after all sessions"); err != nil {
		return nil, err
	}
	for _, m := range s.machines() {
		if owner := s.owners[m.ID]; owner != "" {
			s.fail("machine %s of session %s was not replaced", m.ID, owner)
		}
	}
	if err := s.dismantle(); err != nil {
		return nil, err
	}
	if err := s.server().Stop(); err != nil {
		s.fail("stopping: %v", err)
	}
	for _, p := range rig.Processes(s.dataDir()) {
		s.fail("left running: process %d: %.120s", p.Pid, p.Command)
	}
	if s.resumed == 0 {
		s.fail("no session went on over a death of the server")
	}
	slices.Sort(s.alive)
	table := fmt.Sprintf("seed %d; killed with -9: server %d times; machines taken away: %d\n", s.o.Seed, s.kills.server, s.kills.machine)
	if n := len(s.alive); n > 0 {
		table += fmt.Sprintf("sessions at the server's deaths: least %d, median %d, most %d\n", s.alive[0], s.alive[n/2], s.alive[n-1])
	}
	table += fmt.Sprintf("%d visits of %d users to %d instances, %d connections again to the same session and picture, all instances taken %d times\n%d sessions ended with their machine and said so\n",
		s.visits, s.o.Workers, s.instances, s.resumed, s.full, s.told)
	table += fmt.Sprintf("%d instances had a user; instances or pictures that two sessions had: %d\n%s\nwrong or left behind: %d", len(s.owners), s.shared, spread("start of the process to first answer", s.readies), len(s.faults))
	return &Report{Table: table, Faults: s.faults}, nil
}

// dismantle stops the fleet, whose machines go, and deletes it, with which the
// last file goes.
func (s *SessionRig) dismantle() error {
	app := s.clients.AppStream
	if _, err := app.StopFleet(s.ctx, &appstream.StopFleetInput{Name: aws.String(fleetName)}); err != nil {
		return err
	}
	var left []string
	err := rig.Poll(s.ctx, s.o.Limit, again, func() (bool, error) {
		left = nil
		for _, m := range s.machines() {
			left = append(left, "machine "+m.ID)
		}
		out, err := app.DescribeFleets(s.ctx, &appstream.DescribeFleetsInput{Names: []string{fleetName}})
		if err != nil {
			return false, err
		}
		if state := out.Fleets[0].State; state != types.FleetStateStopped { // it is when it has no instance, of whatever state
			left = append(left, "the fleet is "+string(state))
		}
		return len(left) == 0, nil
	})
	if err != nil {
		s.fail("left behind: %q: %v", left, err)
		return nil
	}
	if _, err := app.DisassociateFleet(s.ctx, &appstream.DisassociateFleetInput{FleetName: aws.String(fleetName), StackName: aws.String(stackName)}); err != nil {
		return err
	}
	if _, err := app.DeleteFleet(s.ctx, &appstream.DeleteFleetInput{Name: aws.String(fleetName)}); err != nil {
		return err
	}
	err = rig.Poll(s.ctx, s.o.Limit, again, func() (bool, error) {
		var err error
		left, err = s.litter()
		return len(left) == 0, err
	})
	if err != nil {
		s.fail("left behind: %q: %v", left, err)
	}
	return nil
}

// user comes and goes.
type user struct {
	*SessionRig
	name string
	rng  *rand.Rand
}

func (s *SessionRig) over() bool {
	s.Rig.mu.Lock()
	defer s.Rig.mu.Unlock()
	return s.ending
}

func (u *user) come() {
	for !u.over() {
		if err := u.visit(); err != nil {
			u.fail("%s: %v", u.name, err)
			return
		}
	}
}

// visit opens an address, streams for a while over deaths of the server, and
// ends the session, mostly.
func (u *user) visit() error {
	page, err := u.page()
	if err != nil || page == nil {
		return err
	}
	live, err := u.live(u.name)
	if err != nil {
		return err
	}
	if len(live) == 0 && u.o.Machine {
		return u.left(page)
	}
	if len(live) != 1 {
		return fmt.Errorf("has %d sessions", len(live))
	}
	id, instance := *live[0].Id, *live[0].InstanceId
	u.once(u.owners, instance, id, "instance")
	u.mu.Lock()
	u.visits++
	u.mu.Unlock()
	for n := range 2 + u.rng.IntN(4) {
		err := u.stream(page, id, instance)
		if errors.Is(err, errEnded) {
			return u.left(page)
		} else if err != nil {
			return err
		}
		if n > 0 {
			u.mu.Lock()
			u.resumed++
			u.mu.Unlock()
		}
		if u.over() {
			return nil // the session stays
		}
	}
	if u.rng.IntN(3) == 0 {
		_, err = u.call(func() error {
			_, err := u.clients.AppStream.ExpireSession(u.ctx, &appstream.ExpireSessionInput{SessionId: &id})
			return err
		})
		return err
	}
	err = rig.Poll(u.ctx, u.o.Limit, again, func() (bool, error) {
		err := page.End(u.ctx)
		return err == nil || status(err) == http.StatusNotFound, nil // it may have ended at a try before
	})
	return err
}

// left wants a page whose session ended with its machine to be told so.
func (u *user) left(page *clients.Page) error {
	err := rig.Poll(u.ctx, u.o.Limit, again, func() (bool, error) {
		over, _ := page.Over(u.ctx) // that nobody answers is seen by the time
		return over, nil
	})
	if err != nil {
		return fmt.Errorf("the session is gone and its page is not told: %w", err)
	}
	u.mu.Lock()
	u.told++
	u.mu.Unlock()
	return nil
}

// once wants a thing to belong to one session for ever.
func (s *SessionRig) once(of map[string]string, thing, session, what string) {
	s.mu.Lock()
	owner := of[thing]
	of[thing] = session
	again := owner != "" && owner != session
	if again {
		s.shared++
	}
	s.mu.Unlock()
	if again {
		s.fail("%s %.20s of session %s was given to session %s", what, thing, owner, session)
	}
}

// page opens an address as soon as an instance is free; nil when the run is over.
func (u *user) page() (page *clients.Page, err error) {
	var address string
	_, err = u.call(func() error {
		out, err := u.clients.AppStream.CreateStreamingURL(u.ctx, &appstream.CreateStreamingURLInput{
			StackName: aws.String(stackName), FleetName: aws.String(fleetName), UserId: &u.name, Validity: aws.Int64(600)})
		if err == nil {
			address = *out.StreamingURL
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	err = rig.Poll(u.ctx, u.o.Limit, again, func() (bool, error) {
		if page, err = clients.OpenPage(u.ctx, address); err == nil || u.over() {
			return true, nil
		}
		if n := status(err); n == http.StatusServiceUnavailable {
			u.mu.Lock()
			u.full++
			u.mu.Unlock()
		} else if n != 0 && n < 500 || n == http.StatusNotImplemented { // not built: make web
			return false, err
		}
		return false, nil
	})
	return page, err
}

// status is that of a page's answer, 0 for none.
func status(err error) int {
	var e *clients.PageError
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// isDesktop tells whether a fake machine has come up: only then its picture is
// its own, with a task bar.
func isDesktop(m image.Image) bool {
	r, g, b, _ := m.At(m.Bounds().Min.X, m.Bounds().Max.Y-1).RGBA()
	return r>>8 == 0xc0 && g>>8 == 0xc8 && b>>8 == 0xd0
}

// stream connects, wants to see the picture that this session has always seen,
// and stays until the server dies, or for a while.
func (u *user) stream(page *clients.Page, id, instance string) error {
	var c *clients.Connection
	var sum [sha256.Size]byte
	err := rig.Poll(u.ctx, u.o.Limit, again, func() (bool, error) {
		if over, _ := page.Over(u.ctx); over { // that nobody answers, Connect notices too
			if u.without(instance) {
				return false, errEnded
			}
			return false, fmt.Errorf("session %s was ended by nobody", id)
		}
		var err error
		if c, err = page.Connect(u.ctx); err != nil {
			return false, nil
		}
		picture, err := c.Picture(u.ctx)
		if err != nil { // the server died meanwhile
			c.Leave()
			return false, nil
		}
		if !isDesktop(picture) {
			c.Leave()
			return false, nil
		}
		h := sha256.New()
		err = png.Encode(h, picture)
		h.Sum(sum[:0])
		return true, err
	})
	if err != nil {
		return err
	}
	u.once(u.pictures, fmt.Sprintf("%x", sum), id, "the screen")
	ctx, cancel := context.WithTimeout(u.ctx, 20*time.Millisecond+time.Duration(u.rng.Int64N(int64(u.o.Pause))))
	defer cancel()
	_ = c.Wait(ctx) // ended by the server's death, or by the time
	c.Leave()
	return u.ctx.Err()
}
