package guestnet

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// confinedEnv makes the test binary a process that confines itself and tells
// what it can still do; its value is an address to connect to.
const confinedEnv = "SLIPWAY_TEST_CONFINED"

func TestMain(m *testing.M) {
	if to := os.Getenv(confinedEnv); to != "" {
		os.Exit(confined(to, os.Stdout))
	}
	os.Exit(m.Run())
}

func confined(to string, w io.Writer) int {
	_, _, internet := strings.Cut(to, "+")
	to = strings.TrimSuffix(to, "+")
	if err := confine(plan{Config: Config{Internet: internet}}); err != nil {
		fmt.Fprintln(w, err)
		return 1
	}
	_, read := os.ReadFile("/proc/self/status")
	write := os.WriteFile(os.TempDir()+"/slipway-never", nil, 0o600)
	c, dial := net.Dial("tcp", to)
	if dial == nil {
		c.Close()
	}
	own, _ := net.InterfaceAddrs()
	fmt.Fprintf(w, "read %v, write %v, dial %v, knows itself %v", read == nil, write == nil, dial == nil, len(own) > 0)
	return 0
}

func TestConfined(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for _, internet := range []string{"", "+"} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), confinedEnv+"="+ln.Addr().String()+internet)
		out, err := cmd.CombinedOutput()
		// Kernels without Landlock, and tests with the race detector, keep files
		// open; what the rest of the process can is the same everywhere.
		got := string(out)
		if err != nil || !strings.Contains(got, "knows itself true") || internet == "+" && !strings.Contains(got, "dial true") {
			t.Errorf("internet %q: %v: %s", internet, err, got)
		}
		t.Logf("internet %q: %s", internet, got)
	}
}
