package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"

	"slipway/api/admin/adminapi"
	"slipway/domain"
	"slipway/test/rig"
	"slipway/test/rig/clients"
)

// change ends sessions, kills machines and makes fleets larger, so many a second,
// and measures how long each takes until the fleet is as it should be, and what
// others wait meanwhile.
func (m *measuring) change(p *point) error {
	ctx, cancel := context.WithCancel(m.ctx)
	defer cancel()
	s := &storm{measuring: m, errs: make(chan error, 1), fail: cancel}
	free := make(chan string, len(m.fleets)) // no fleet has two changes at a time
	for _, i := range rand.Perm(len(m.fleets)) {
		free <- m.fleets[i]
	}
	before, err := m.takes()
	if err != nil {
		return err
	}
	begun := time.Now()
	var probes, changes sync.WaitGroup
	probing, stop := context.WithCancel(ctx)
	defer stop()
	for _, ask := range []func(string) error{s.describeFleet, s.describeFleets, s.describeSessions} {
		probes.Go(func() { s.probe(probing, ask) })
	}
	tick := time.NewTicker(time.Duration(float64(time.Second) / m.rate))
	defer tick.Stop()
	kinds := []func(string) error{s.endSession, s.kill, s.enlarge}
	for i := 0; ctx.Err() == nil && time.Since(begun) < m.churn; i++ {
		fleet := <-free
		changes.Go(func() {
			if err := kinds[i%len(kinds)](fleet); err != nil {
				s.failed(err)
			}
			free <- fleet
		})
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	changes.Wait()
	stop()
	probes.Wait()
	after, e := m.takes()
	if e != nil {
		return e
	}
	select {
	case err := <-s.errs:
		return err
	default:
	}
	p.changeCPU = (after.cpu - before.cpu).Seconds() / time.Since(begun).Seconds()
	p.lags = [3]spread{s.ended.spread(), s.killed.spread(), s.enlarged.spread()}
	p.fleet, p.list, p.list2 = s.oneFleet.spread(), s.pageOfFleets.spread(), s.pageOfSessions.spread()
	p.busy = figures{s.asked.spread(), s.handed.spread()}
	return m.ctx.Err()
}

// storm is what one round of changes measures.
type storm struct {
	*measuring
	ended, killed, enlarged                times // until the fleet is whole again
	asked, handed                          times // CreateStreamingURL; its page, with an instance
	oneFleet, pageOfFleets, pageOfSessions times

	errs chan error
	fail func()
}

func (s *storm) failed(err error) {
	select {
	case s.errs <- err:
	default: // the first counts
	}
	s.fail()
}

func (s *storm) probe(ctx context.Context, ask func(fleet string) error) {
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := ask(s.fleets[rand.IntN(len(s.fleets))]); err != nil {
			s.failed(err)
			return
		}
	}
}

func (s *storm) describeFleet(fleet string) error {
	return s.oneFleet.took(func() error {
		_, err := again(s.ctx, s.c.AppStream.DescribeFleets, &appstream.DescribeFleetsInput{Names: []string{fleet}})
		return err
	})
}

func (s *storm) describeFleets(string) error {
	return s.pageOfFleets.took(func() error {
		_, err := again(s.ctx, s.c.AppStream.DescribeFleets, &appstream.DescribeFleetsInput{})
		return err
	})
}

func (s *storm) describeSessions(fleet string) error {
	return s.pageOfSessions.took(func() error {
		_, err := again(s.ctx, s.c.AppStream.DescribeSessions, &appstream.DescribeSessionsInput{StackName: &fleet, FleetName: &fleet})
		return err
	})
}

// endSession ends a user's session, waits until its instance was replaced, and
// lets another user in.
func (s *storm) endSession(fleet string) error {
	v, ok := s.leave(fleet)
	if !ok {
		return nil
	}
	out, err := again(s.ctx, s.c.AppStream.DescribeSessions, &appstream.DescribeSessionsInput{StackName: &fleet, FleetName: &fleet, UserId: &v.user, AuthenticationType: types.AuthenticationTypeApi})
	if err != nil || len(out.Sessions) != 1 {
		return fmt.Errorf("%s has %d sessions: %w", v.user, len(out.Sessions), err)
	}
	begun := time.Now()
	if _, err := again(s.ctx, s.c.AppStream.ExpireSession, &appstream.ExpireSessionInput{SessionId: out.Sessions[0].Id}); err != nil {
		return err
	}
	if err := s.whole(fleet, s.perFleet, *out.Sessions[0].InstanceId); err != nil {
		return err
	}
	s.ended.add(time.Since(begun))
	next, ask, hand, err := s.visit(fleet)
	if err != nil {
		return err
	}
	s.asked.add(ask)
	s.handed.add(hand)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions = append(s.sessions, next)
	return nil
}

// kill ends the machine of an instance that nobody has.
func (s *storm) kill(fleet string) error {
	var f adminapi.Fleet
	if err := s.c.Admin(s.ctx, "GET", "/fleets/"+fleet, nil, &f); err != nil {
		return err
	}
	for _, i := range f.Instances {
		if i.State != string(domain.InstanceReady) {
			continue
		}
		begun := time.Now()
		if err := os.Remove(filepath.Join(s.srv.DataDir, "run", i.ID+".json")); err != nil {
			return err
		}
		err := s.whole(fleet, s.perFleet, i.ID)
		s.killed.add(time.Since(begun))
		return err
	}
	return fmt.Errorf("fleet %s has no free instance", fleet)
}

// enlarge makes a fleet larger by one, then as large as before.
func (s *storm) enlarge(fleet string) error {
	size := func(n int) error {
		_, err := again(s.ctx, s.c.AppStream.UpdateFleet, &appstream.UpdateFleetInput{Name: &fleet, ComputeCapacity: &types.ComputeCapacity{DesiredInstances: aws.Int32(int32(n))}})
		if err == nil {
			err = s.whole(fleet, n, "")
		}
		return err
	}
	if err := s.enlarged.took(func() error { return size(s.perFleet + 1) }); err != nil {
		return err
	}
	return size(s.perFleet)
}

// whole waits until a fleet has exactly so many instances that can be used, and
// not a certain one.
func (s *storm) whole(fleet string, size int, without string) error {
	return rig.Poll(s.ctx, limit, 10*time.Millisecond, func() (bool, error) {
		var f adminapi.Fleet
		if err := s.c.Admin(s.ctx, "GET", "/fleets/"+fleet, nil, &f); err != nil {
			return false, err
		}
		usable := 0
		for _, i := range f.Instances {
			if i.State == string(domain.InstanceReady) || i.State == string(domain.InstanceInUse) {
				usable++
				if i.ID == without {
					return false, nil
				}
			}
		}
		return usable == size, nil
	})
}

// stream looks at some sessions, all at once in the end, and measures the time from the request
// for the websocket to the whole picture.
func (m *measuring) stream(p *point) error {
	m.mu.Lock()
	some := slices.Clone(m.sessions[:min(m.sockets, len(m.sessions))])
	m.mu.Unlock()
	var seen times
	open := make([]*clients.Connection, len(some))
	err := m.each(len(some), func(i int) (err error) {
		begun := time.Now()
		if open[i], err = some[i].page.Connect(m.ctx); err != nil {
			return err
		}
		_, err = open[i].Picture(m.ctx)
		seen.add(time.Since(begun))
		return err
	})
	for _, c := range open {
		if c != nil {
			c.Leave()
		}
	}
	for _, v := range some {
		p.watched = append(p.watched, v.user)
	}
	p.sockets, p.frame = len(some), seen.spread()
	return err
}

// rest watches a server that nobody asks anything.
func (m *measuring) rest(p *point) error {
	wait := func(d time.Duration) error {
		select {
		case <-time.After(d):
			return nil
		case <-m.ctx.Done():
			return m.ctx.Err()
		}
	}
	idle := m.idle
	if p.instances != m.sizes[len(m.sizes)-1] {
		idle /= 10
	}
	// What the changes have left to do is not rest.
	if err := wait(min(5*time.Second, idle)); err != nil {
		return err
	}
	before, err := m.takes()
	if err != nil {
		return err
	}
	begun := time.Now()
	if err := wait(idle); err != nil {
		return err
	}
	elapsed := time.Since(begun)
	if p.rest, err = m.takes(); err != nil {
		return err
	}
	p.idleCPU = (p.rest.cpu - before.cpu).Seconds() / elapsed.Seconds()
	scraped := time.Now()
	p.metrics, err = m.scrape()
	p.scrape = time.Since(scraped)
	return err
}
