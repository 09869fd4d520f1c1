package vm

import (
	"bufio"
	"encoding/json"
	"io"
	"os/exec"
	"path/filepath"
	"testing"

	"slipway/test/rig"
)

// users are people at pages, each in a browser of their own: test/web/users.mjs.
type users struct {
	t       *testing.T
	in      io.WriteCloser
	answers map[string]chan string // what went wrong, "" for nothing
}

func newUsers(h *house, names ...string) *users {
	h.t.Helper()
	u := &users{t: h.t, answers: map[string]chan string{}}
	for _, n := range names {
		u.answers[n] = make(chan string, 8)
	}
	cmd := exec.CommandContext(h.t.Context(), "node", "users.mjs")
	cmd.Dir = h.browsers()
	var err error
	u.in, err = cmd.StdinPipe()
	h.ok(err)
	out, err := cmd.StdoutPipe()
	h.ok(err)
	cmd.Stderr = h.t.Output()
	h.ok(cmd.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var a struct{ User, Error string }
			if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
				a.Error = lines.Text()
			}
			if c := u.answers[a.User]; c != nil {
				c <- a.Error
			}
		}
		for _, c := range u.answers {
			close(c)
		}
	}()
	h.t.Cleanup(func() { // all browsers close when there is nothing more to do
		for _, n := range names {
			if h.t.Failed() {
				u.begin(n, "shoot", args{"path": picture("user-" + n + "-at-the-end")})
			}
		}
		_ = u.in.Close()
		<-ended
		if err := cmd.Wait(); err != nil && h.t.Context().Err() == nil {
			h.t.Errorf("the browsers: %v", err)
		}
	})
	return u
}

type args map[string]any

// begin tells a user to do something; done waits until it is.
func (u *users) begin(user, do string, with args) {
	u.t.Helper()
	line := args{"user": user, "do": do}
	for k, v := range with {
		line[k] = v
	}
	b, err := json.Marshal(line)
	if err == nil {
		_, err = u.in.Write(append(b, '\n'))
	}
	if err != nil {
		u.t.Fatal(err)
	}
}

func (u *users) done(user string) {
	u.t.Helper()
	if wrong, ok := <-u.answers[user]; wrong != "" || !ok {
		u.t.Fatalf("%s: %s", user, wrong)
	}
}

// do is for one user, each for all of them, at once.
func (u *users) do(user, do string, with args) {
	u.t.Helper()
	u.begin(user, do, with)
	u.done(user)
}

func (u *users) each(do string, with func(user string) args) {
	u.t.Helper()
	for n := range u.answers {
		u.begin(n, do, with(n))
	}
	for n := range u.answers {
		u.done(n)
	}
}

// picture is where a picture of a page is kept for people.
func picture(name string) string {
	return filepath.Join(rig.Root(), "bin", "screenshots", "vm-"+name+".png")
}
