package main

import (
	"net"
	"net/http"
	"sync"
)

// unused are connections on which no byte of a request has come yet. Browsers
// open some in advance, and net/http waits five seconds for each when a server
// stops (Server.Shutdown), in case a request is on its way.
type unused struct {
	mu    sync.Mutex
	conns map[net.Conn]bool
}

// follow is an http.Server's ConnState.
func (u *unused) follow(c net.Conn, s http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if s == http.StateNew {
		u.conns[c] = true
	} else {
		delete(u.conns, c)
	}
}

// close closes them all; repeatable.
func (u *unused) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for c := range u.conns {
		_ = c.Close() // it is unused
	}
}
