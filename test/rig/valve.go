package rig

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Valve stands between commands and their server and holds what they say to
// each other once so many bytes have gone through. A test that wants to disturb
// a transfer halfway waits until it is held: it cannot have ended then, however
// fast the machine is.
type Valve struct {
	Endpoint string

	server string
	listen net.Listener

	mu   sync.Mutex
	more sync.Cond
	left int64 // bytes until it shuts; negative while it lets everything through
}

// Valve makes an open valve and leads the commands of CLI through it from now
// on, until the test ends.
func (s *Server) Valve() *Valve {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	v := &Valve{Endpoint: "http://" + l.Addr().String(), server: s.Endpoint[len("http://"):], listen: l, left: -1}
	v.more.L = &v.mu
	s.t.Cleanup(func() {
		l.Close()
		v.Open()
	})
	s.CommandEnv = []string{"AWS_ENDPOINT_URL=" + v.Endpoint, "AWS_REGION=" + s.Client.Region,
		"AWS_ACCESS_KEY_ID=" + s.Client.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + s.Client.SecretAccessKey}
	go v.serve()
	return v
}

func (v *Valve) serve() {
	for {
		client, err := v.listen.Accept()
		if err != nil {
			return // closed: the test has ended
		}
		go v.connect(client)
	}
}

// connect is one connection; either end's going takes the other with it.
func (v *Valve) connect(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", v.server)
	if err != nil {
		return // the client learns that nobody is there
	}
	defer server.Close()
	ended := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		go func() {
			defer func() { ended <- struct{}{} }()
			_, _ = io.Copy(way[1], through{way[0], v})
		}()
	}
	<-ended
}

// through is what one side says, as far as the valve lets it.
type through struct {
	io.Reader
	v *Valve
}

func (t through) Read(b []byte) (int, error) {
	n, err := t.Reader.Read(b)
	t.v.mu.Lock()
	defer t.v.mu.Unlock()
	for t.v.left == 0 {
		t.v.more.Wait()
	}
	if t.v.left > 0 {
		t.v.left = max(0, t.v.left-int64(n))
	}
	return n, err
}

// ShutAfter holds everything once so many bytes more have gone through, both
// ways together.
func (v *Valve) ShutAfter(bytes int64) { v.set(max(bytes, 1)) }

// Open lets everything through again.
func (v *Valve) Open() { v.set(-1) }

func (v *Valve) set(left int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.left = left
	v.more.Broadcast()
}

// UntilShut waits until so much has gone through that the valve is shut.
func (v *Valve) UntilShut(t testing.TB) {
	t.Helper()
	Until(t, patience, "so much has been moved that it is held", func() (bool, error) {
		v.mu.Lock()
		defer v.mu.Unlock()
		return v.left == 0, nil
	})
}
