package vm

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"

	"slipway/api/admin/adminapi"
	"slipway/test/rig"
)

// agent connects to a guest's agent. ask gives it one command and waits for its
// answer.
func (h *house) agent(machine string) (ask func(execute string, arguments, answer any), hangUp func() error) {
	h.t.Helper()
	c, err := net.Dial("unix", filepath.Join(h.DataDir, "run", machine, "a"))
	h.ok(err)
	h.ok(c.SetDeadline(time.Now().Add(time.Minute)))
	r := bufio.NewReader(c)
	ask = func(execute string, arguments, answer any) {
		h.t.Helper()
		b, err := json.Marshal(map[string]any{"execute": execute, "arguments": arguments})
		h.ok(err)
		_, err = c.Write(append(b, '\n'))
		h.ok(err)
		line, err := r.ReadBytes('\n')
		h.ok(err)
		v := struct {
			Return any `json:"return"`
			Error  any `json:"error"`
		}{Return: answer}
		if err := json.Unmarshal(line, &v); err != nil || v.Error != nil {
			h.t.Fatalf("%s: %s, %v", execute, line, err)
		}
	}
	id := time.Now().UnixNano() & 0xffffff
	var got int64
	for got != id { // what an earlier session left unread comes first
		ask("guest-sync", map[string]int64{"id": id}, &got)
	}
	return ask, c.Close
}

// send writes a program into the guest of a machine.
func (h *house) send(machine, from, to string) {
	h.t.Helper()
	b, err := os.ReadFile(from)
	h.ok(err)
	var small bytes.Buffer
	z := gzip.NewWriter(&small)
	_, err = z.Write(b)
	h.ok(errors.Join(err, z.Close()))
	ask, hangUp := h.agent(machine)
	var handle int
	ask("guest-file-open", map[string]string{"path": to + ".gz", "mode": "w"}, &handle)
	for small.Len() > 0 {
		var wrote struct{ Count int }
		piece := small.Next(256 << 10)
		ask("guest-file-write", map[string]any{"handle": handle, "buf-b64": base64.StdEncoding.EncodeToString(piece)}, &wrote)
		if wrote.Count != len(piece) {
			h.t.Fatalf("%d bytes of %d were written", wrote.Count, len(piece))
		}
	}
	ask("guest-file-close", map[string]int{"handle": handle}, nil)
	h.ok(hangUp())
	if out, status := h.inside(machine, "gunzip -f "+to+".gz && chmod 755 "+to); status != 0 {
		h.t.Fatalf("%s: %s", to, out)
	}
}

// inside runs a shell command in the guest of a machine, by its guest agent, and
// returns what it prints, without the last newline, and its status.
func (h *house) inside(machine, command string) (out string, status int) {
	h.t.Helper()
	ask, hangUp := h.agent(machine)
	defer func() { h.ok(hangUp()) }()
	var begun struct{ PID int }
	ask("guest-exec", map[string]any{"path": "/bin/sh", "arg": []string{"-c", command + " 2>&1"}, "capture-output": true}, &begun)
	var end struct {
		Exited  bool
		Status  int    `json:"exitcode"`
		OutData string `json:"out-data"`
	}
	rig.Until(h.t, time.Minute, "the command has ended", func() (bool, error) {
		ask("guest-exec-status", map[string]int{"pid": begun.PID}, &end)
		return end.Exited, nil
	})
	b, err := base64.StdEncoding.DecodeString(end.OutData)
	h.ok(err)
	return strings.TrimSpace(string(b)), end.Status
}

// fetch gets a URL from inside; headers are those of wget.
func (h *house) fetch(machine, url string, headers ...string) (string, int) {
	h.t.Helper()
	cmd := "timeout 30 wget -q -O -" // its own -T crashes it
	for _, x := range headers {
		cmd += fmt.Sprintf(" --header '%s'", x)
	}
	return h.inside(machine, fmt.Sprintf("%s '%s'", cmd, url))
}

func theWorld(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "the world") }

// elsewhere is a server that stands for the internet: it listens on an address
// of this host that is not its loopback, and which an operator has to open.
func elsewhere(t *testing.T, answer http.HandlerFunc) netip.AddrPort {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		n, ok := a.(*net.IPNet)
		if !ok || n.IP.To4() == nil || n.IP.IsLoopback() || n.IP.IsLinkLocalUnicast() {
			continue
		}
		ln, err := net.Listen("tcp", net.JoinHostPort(n.IP.String(), "0"))
		if err != nil {
			continue
		}
		s := &http.Server{Handler: answer, ReadHeaderTimeout: time.Minute}
		go func() { _ = s.Serve(ln) }()
		t.Cleanup(func() { s.Close() })
		return netip.MustParseAddrPort(ln.Addr().String())
	}
	t.Fatal("this host has no address but its loopback's: nothing can stand for the internet")
	return netip.AddrPort{}
}

// roleKeys are credentials as the metadata tell them.
type roleKeys struct{ AccessKeyID, SecretAccessKey, Token string }

// whoAmI is a signed question to STS, as a URL that holds for a while.
func (h *house) whoAmI(k roleKeys, endpoint string) string {
	h.t.Helper()
	r, err := http.NewRequest("GET", endpoint+"/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=600", nil)
	h.ok(err)
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	url, _, err := v4.NewSigner().PresignHTTP(h.t.Context(), aws.Credentials{AccessKeyID: k.AccessKeyID, SecretAccessKey: k.SecretAccessKey, SessionToken: k.Token},
		r, empty, "sts", h.Client.Region, time.Now())
	h.ok(err)
	return url
}

// network holds a guest with a role and without internet against what it may
// reach, and returns the credentials it was given.
func (h *house) network(machine string, world netip.AddrPort) roleKeys {
	h.t.Helper()
	const meta = "http://169.254.169.254/latest/"
	rig.Until(h.t, time.Minute, "the guest has its address", func() (bool, error) {
		out, _ := h.inside(machine, "ip route")
		return strings.Contains(out, "default"), nil
	})
	out, err := h.app.DescribeImageBuilders(h.t.Context(), &appstream.DescribeImageBuildersInput{Names: []string{"b"}})
	h.ok(err)
	address := *out.ImageBuilders[0].NetworkAccessConfiguration.EniPrivateIpAddress
	if got, _ := h.fetch(machine, meta+"meta-data/local-ipv4"); got != address {
		h.t.Errorf("the metadata's address is %q, the builder's %s", got, address)
	}
	if got, _ := h.inside(machine, "ip -4 addr show eth0"); !strings.Contains(got, address+"/") {
		h.t.Errorf("the guest does not have %s: %s", address, got)
	}
	// busybox knows no PUT: it is said by hand.
	token, _ := h.inside(machine, `printf 'PUT /latest/api/token HTTP/1.1\r\nHost: x\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\nConnection: close\r\n\r\n' | nc 169.254.169.254 80 | tail -n 1`)
	if got, _ := h.fetch(machine, meta+"meta-data/placement/region", "X-aws-ec2-metadata-token: "+token); got != h.Client.Region {
		h.t.Errorf("with the token %q: %q", token, got)
	}
	var keys roleKeys
	text, _ := h.fetch(machine, meta+"meta-data/iam/security-credentials/mover")
	if err := json.Unmarshal([]byte(text), &keys); err != nil {
		h.t.Fatalf("credentials: %v: %s", err, text)
	}
	if got, _ := h.fetch(machine, h.whoAmI(keys, "http://slipway.internal")); !strings.Contains(got, ":assumed-role/mover/i-") {
		h.t.Errorf("who it is, by its role's credentials: %s", got)
	}
	for name, url := range map[string]string{
		"the internet": "http://" + world.String(), "this host's loopback": "http://127.0.0.1:" + strings.Split(h.Endpoint, ":")[2],
		"another port of the gateway": "http://slipway.internal:22", "the operator's pages": "http://slipway.internal/_slipway/metrics",
	} {
		if got, status := h.fetch(machine, url); status == 0 {
			h.t.Errorf("%s can be reached: %s", name, got)
		}
	}
	return keys
}

// stranger wants credentials to be nobody's, from wherever they are used.
func (h *house) stranger(k roleKeys) {
	h.t.Helper()
	r, err := http.Get(h.whoAmI(k, h.Endpoint))
	h.ok(err)
	defer r.Body.Close()
	if r.StatusCode != http.StatusForbidden {
		h.t.Errorf("the credentials of a builder that has stopped: %s", r.Status)
	}
}

// networkComesBack kills the guest's network process and the server, together:
// the guest has its network again without doing anything.
func (h *house) networkComesBack(machine string) {
	h.t.Helper()
	h.Kill()
	n := 0
	for _, p := range h.Processes() {
		if strings.Contains(p.Command, " guest-network ") && syscall.Kill(p.Pid, syscall.SIGKILL) == nil {
			n++
		}
	}
	if n != 1 {
		h.t.Errorf("%d network processes of one guest", n)
	}
	h.Again(strings.TrimPrefix(h.Endpoint, "http://")) // where the clients are
	rig.Until(h.t, time.Minute, "the network is back", func() (bool, error) {
		got, _ := h.fetch(machine, "http://169.254.169.254/latest/meta-data/placement/region")
		return got == h.Client.Region, nil
	})
}

// online makes a second builder, of the image made on the first one, that has the
// internet and no role; and stops it.
func (h *house) online(world netip.AddrPort) {
	h.t.Helper()
	out, err := h.app.CreateImageBuilder(h.t.Context(), &appstream.CreateImageBuilderInput{
		Name: aws.String("online"), ImageName: aws.String("made"), InstanceType: aws.String("GeneralPurpose.m7i.large"), EnableDefaultInternetAccess: aws.Bool(true),
	})
	h.ok(err)
	name := []string{*out.ImageBuilder.Name}
	rig.Until(h.t, bootLimit, "the second builder runs", func() (bool, error) {
		out, err := h.app.DescribeImageBuilders(h.t.Context(), &appstream.DescribeImageBuildersInput{Names: name})
		if err == nil && out.ImageBuilders[0].State == types.ImageBuilderStateFailed {
			err = fmt.Errorf("it failed: %+v", out.ImageBuilders[0].StateChangeReason)
		}
		return err == nil && out.ImageBuilders[0].State == types.ImageBuilderStateRunning, err
	})
	var b adminapi.Builder
	h.ok(json.Unmarshal([]byte(h.Must("builder", "show", name[0], "--json")), &b))
	rig.Until(h.t, time.Minute, "the world is reached", func() (bool, error) {
		got, _ := h.fetch(b.Machine, "http://"+world.String())
		return got == "the world", nil
	})
	if got, status := h.fetch(b.Machine, "http://169.254.169.254/latest/meta-data/iam/info"); status == 0 {
		h.t.Errorf("a guest without a role has %s", got)
	}
	h.noRoleProfile(b.Machine)
	if got, status := h.fetch(b.Machine, h.Endpoint); status == 0 {
		h.t.Errorf("this host's loopback can be reached: %s", got)
	}
	if got, _ := h.inside(b.Machine, "cat /disk/made-by-hand"); got != "made by hand" {
		h.t.Errorf("what was made by hand is %q", got)
	}
	if got, _ := h.inside(b.Machine, "stat -c '%U %a' /disk/etc/skel/.config/editor; cat /disk/etc/skel/.config/editor"); got != "root 644\ndark" {
		h.t.Errorf("what new users begin with in the image that was made: %q", got)
	}
	_, err = h.app.StopImageBuilder(h.t.Context(), &appstream.StopImageBuilderInput{Name: &name[0]})
	h.ok(err)
	rig.Until(h.t, bootLimit, "the second builder is stopped", func() (bool, error) {
		out, err := h.app.DescribeImageBuilders(h.t.Context(), &appstream.DescribeImageBuildersInput{Names: name})
		return err == nil && out.ImageBuilders[0].State == types.ImageBuilderStateStopped, err
	})
	h.delete(name[0])
}
