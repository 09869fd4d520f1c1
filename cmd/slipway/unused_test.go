package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestUnusedConnectionsAreClosedAndOthersAreNot(t *testing.T) {
	u := unused{conns: map[net.Conn]bool{}}
	begun, goOn := make(chan bool), make(chan bool)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/long" {
			begun <- true
			<-goOn
		}
		io.WriteString(w, "whole")
	}))
	srv.Config.ConnState = u.follow
	srv.Start()
	defer srv.Close()
	idle, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	answer := make(chan string)
	go func() {
		resp, err := http.Get(srv.URL + "/long")
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		answer <- string(b)
	}()
	<-begun // which was accepted after the unused one
	u.close()
	if n, err := idle.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("an unused connection: %d bytes, %v", n, err)
	}
	close(goOn)
	if got := <-answer; got != "whole" {
		t.Errorf("a request on its way: %q", got)
	}
}
