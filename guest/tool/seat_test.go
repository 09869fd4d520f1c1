//go:build linux

package tool

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"slipway/fault"
	"slipway/guest"
)

// signedIn is a tool with a user at the screen, and the way to give it orders.
func signedIn(t *testing.T) (*guest.Orders, *seat) {
	t.Helper()
	at, o := ordered(t)
	home := filepath.Join(t.TempDir(), "home")
	if err := os.Mkdir(home, 0o755); err != nil {
		t.Fatal(err)
	}
	s := &seat{uid: os.Getuid(), gid: os.Getgid(), root: "/", home: home, env: []string{"HOME=" + home, "PATH=/usr/bin:/bin"}}
	if s.uid == 0 {
		// As another user, so that rights are seen to be left.
		s.uid, s.gid = 54321, 54321
		for d := home; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
			if err := os.Chmod(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chown(home, s.uid, s.gid); err != nil {
			t.Fatal(err)
		}
	}
	o.seat = func() (*seat, error) { return s, nil }
	o.env = guest.Environment{User: map[string]string{"AppStream_UserName": "ann"}}
	return at, s
}

func (s *seat) folder() string { return filepath.Join(s.home, folderPath) }

func problemOf(t *testing.T, at *guest.Orders, order string, args any) string {
	t.Helper()
	r, err := at.Give(t.Context(), order, args)
	if err != nil && !fault.Is(err, fault.NotAvailable) {
		t.Fatal(err)
	}
	if (err != nil) != (r.Error != "") {
		t.Errorf("%s: %+v, %v", order, r, err)
	}
	if err != nil && r.Problem == "" {
		return err.Error()
	}
	return r.Problem
}

// TestLaunch: a program runs as the user, in its directory, with its parameters;
// what is wrong has a name.
func TestLaunch(t *testing.T) {
	at, s := signedIn(t)
	out := filepath.Join(s.home, "out") // a pipe: who reads it waits for what is written
	if err := errors.Join(syscall.Mkfifo(out, 0o600), os.Chown(out, s.uid, s.gid)); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(s.home, "program")
	text := fmt.Sprintf("#!/bin/sh\n{ id -u; pwd; printf '<%%s>' \"$@\"; echo; echo $HOME $AppStream_UserName; } > %s\nsleep 5\n", out)
	for path, mode := range map[string]os.FileMode{script: 0o755, script + "-not": 0o644, script + "-ends": 0o755} {
		b := text
		if strings.HasSuffix(path, "-ends") {
			b = "#!/bin/sh\nexit 3\n"
		}
		if err := os.WriteFile(path, []byte(b), mode); err != nil {
			t.Fatal(err)
		}
	}
	r, err := at.Give(t.Context(), guest.OrderLaunch, guest.Launch{Path: script, Parameters: `one 'two three' "fo\"ur" --x=$HOME`, Directory: "/usr"})
	if err != nil || r.Problem != "" {
		t.Fatalf("%+v, %v", r, err)
	}
	b, err := os.ReadFile(out)
	want := fmt.Sprintf("%d\n/usr\n<one><two three><fo\"ur><--x=$HOME>\n%s ann\n", s.uid, s.home)
	if err != nil || string(b) != want {
		t.Errorf("%q, want %q, %v", b, want, err)
	}
	// However slow this machine is, what ends at once is seen to.
	at = &guest.Orders{}
	connect(t, &Orderly{Dir: t.TempDir(), Now: time.Now, watch: time.Minute, seat: func() (*seat, error) { return s, nil }}, at, "patient")
	for _, c := range []struct {
		in   guest.Launch
		want string
	}{
		{guest.Launch{Path: script + "-none"}, guest.ProblemMissing}, {guest.Launch{Path: "program"}, guest.ProblemMissing}, {guest.Launch{Path: s.home}, guest.ProblemProgram},
		{guest.Launch{Path: script + "-not"}, guest.ProblemProgram}, {guest.Launch{Path: script, Directory: s.home + "/none"}, guest.ProblemDirectory},
		{guest.Launch{Path: script, Directory: script}, guest.ProblemDirectory}, {guest.Launch{Path: script + "-ends"}, guest.ProblemEnded},
	} {
		if got := problemOf(t, at, guest.OrderLaunch, c.in); got != c.want {
			t.Errorf("%+v: %q, want %q", c.in, got, c.want)
		}
	}
	if r, _ := at.Give(t.Context(), guest.OrderLaunch, guest.Launch{Path: script + "-ends"}); r.Exit != 3 {
		t.Errorf("exit %d", r.Exit)
	}
}

// TestNobodyIsSignedIn: every order about the screen says so.
func TestNobodyIsSignedIn(t *testing.T) {
	at, o := ordered(t)
	o.seat = func() (*seat, error) { return nil, &problem{kind: guest.ProblemNobody, text: "nobody"} }
	for name := range seated {
		if got := problemOf(t, at, name, map[string]string{}); got != guest.ProblemNobody {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func upload(t *testing.T, at *guest.Orders, p guest.FilePiece, content []byte) (name string) {
	t.Helper()
	p.Size = int64(len(content))
	for n := 0; ; n++ {
		r, err := at.Give(t.Context(), guest.OrderWrite, p)
		if err != nil || n > 100 {
			t.Fatalf("%+v, %v", r, err)
		}
		if r.Whole {
			return r.Folder.Name
		}
		p.Offset, p.Data = r.Have, content[r.Have:min(r.Have+guest.MaxPiece, p.Size)]
	}
}

// TestFilesComeAndGo: a file arrives in pieces, is the user's own, overwrites
// nothing, is listed, and leaves as it came.
func TestFilesComeAndGo(t *testing.T) {
	at, s := signedIn(t)
	content := bytes.Repeat([]byte("0123456789abcdef"), 10000)
	for i, want := range []string{"a b.txt", "a b (1).txt", "a b (2).txt"} {
		if name := upload(t, at, guest.FilePiece{Name: "a b.txt", ID: fmt.Sprint("t", i)}, content); name != want {
			t.Errorf("it is called %q, want %q", name, want)
		}
	}
	if name := upload(t, at, guest.FilePiece{Name: "a b.txt", ID: "t1"}, content); name != "a b (1).txt" {
		t.Errorf("a transfer that had ended was begun anew: %q", name)
	}
	if name := upload(t, at, guest.FilePiece{Name: "empty", ID: "e"}, nil); name != "empty" {
		t.Errorf("it is called %q", name)
	}
	st, err := os.Stat(filepath.Join(s.folder(), "a b.txt"))
	if err != nil || st.Sys().(*syscall.Stat_t).Uid != uint32(s.uid) || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st, err)
	}
	r, err := at.Give(t.Context(), guest.OrderFiles, guest.Asked{})
	if err != nil || len(r.Folder.Files) != 4 || r.Folder.More || r.Folder.Files[2].Name != "a b.txt" || r.Folder.Files[2].Size != int64(len(content)) || time.Since(r.Folder.Files[2].Modified) > time.Hour {
		t.Errorf("%+v, %v", r.Folder, err)
	}
	var got []byte
	for stamp := ""; len(got) < len(content); {
		r, err := at.Give(t.Context(), guest.OrderRead, guest.FilePiece{Name: "a b.txt", Offset: int64(len(got))})
		if err != nil || r.Folder.Size != int64(len(content)) || stamp != "" && r.Folder.Stamp != stamp || len(r.Folder.Data) == 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		stamp = r.Folder.Stamp
		got = append(got, r.Folder.Data...)
	}
	if !bytes.Equal(got, content) {
		t.Error("what left is not what came")
	}
}

// TestTransfersGoOn: an interrupted one goes on where it was; pieces that come
// twice, or too soon, change nothing; one that is cancelled, or that nobody goes
// on with, leaves nothing behind.
func TestTransfersGoOn(t *testing.T) {
	at, s := signedIn(t)
	p := guest.FilePiece{Name: "f", ID: "x", Size: 6}
	for i, c := range []struct {
		offset int64
		data   string
		have   int64
	}{{0, "ab", 2}, {0, "ab", 2}, {4, "ef", 2}, {0, "", 2}, {2, "cdefgh", 2}, {2, "cd", 4}, {4, "ef", 6}} {
		p.Offset, p.Data = c.offset, []byte(c.data)
		r, err := at.Give(t.Context(), guest.OrderWrite, p)
		if err != nil || r.Have != c.have || r.Whole != (c.have == 6) {
			t.Errorf("piece %d: %+v, %v", i, r, err)
		}
	}
	p = guest.FilePiece{Name: "g", ID: "y", Size: 6, Data: []byte("ab")}
	for _, id := range []string{"y", "old"} {
		p.ID = id
		if _, err := at.Give(t.Context(), guest.OrderWrite, p); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := at.Give(t.Context(), guest.OrderCancel, guest.FilePiece{Name: "g", ID: "y"}); err != nil {
		t.Error(err)
	}
	long := time.Now().Add(-2 * partLife)
	if err := os.Chtimes(filepath.Join(s.folder(), partPrefix+"old"+partSuffix), long, long); err != nil {
		t.Fatal(err)
	}
	if _, err := at.Give(t.Context(), guest.OrderFiles, guest.Asked{}); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(s.folder())
	if err != nil || len(left) != 1 || left[0].Name() != "f" {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestFolderIsAllThereIs: no name, link or other thing leads out of the folder.
func TestFolderIsAllThereIs(t *testing.T) {
	at, s := signedIn(t)
	upload(t, at, guest.FilePiece{Name: "own", ID: "o"}, []byte("own"))
	secret := filepath.Join(filepath.Dir(s.home), "secret")
	err := errors.Join(os.WriteFile(secret, []byte("secret"), 0o644), os.Symlink(secret, filepath.Join(s.folder(), "link")), os.Symlink("own", filepath.Join(s.folder(), "inner")),
		os.Symlink(filepath.Dir(secret), filepath.Join(s.folder(), "dir")), syscall.Mkfifo(filepath.Join(s.folder(), "fifo"), 0o666), os.WriteFile(filepath.Join(s.folder(), ".hidden"), nil, 0o666),
		os.Symlink(secret, filepath.Join(s.folder(), partPrefix+"evil"+partSuffix)), os.WriteFile(filepath.Join(s.folder(), "root's"), []byte("x"), 0o000))
	if err != nil {
		t.Fatal(err)
	}
	r, err := at.Give(t.Context(), guest.OrderFiles, guest.Asked{})
	if err != nil || len(r.Folder.Files) != 2 || r.Folder.Files[0].Name != "own" {
		t.Errorf("%+v, %v", r.Folder, err)
	}
	for name, want := range map[string]string{
		"link": guest.ProblemMissing, "inner": guest.ProblemMissing, "fifo": guest.ProblemMissing, "dir": guest.ProblemMissing, "none": guest.ProblemMissing, "root's": guest.ProblemDenied,
		"../secret": guest.ProblemName, "dir/secret": guest.ProblemName, secret: guest.ProblemName, ".hidden": guest.ProblemName, "": guest.ProblemName,
	} {
		if got := problemOf(t, at, guest.OrderRead, guest.FilePiece{Name: name}); got != want {
			t.Errorf("read %q: %q, want %q", name, got, want)
		}
	}
	for name, p := range map[string]guest.FilePiece{
		"path": {Name: "../f", ID: "a"}, "hidden": {Name: ".bashrc", ID: "a"}, "id": {Name: "f", ID: "../a"}, "no id": {Name: "f"},
	} {
		if got := problemOf(t, at, guest.OrderWrite, p); got != guest.ProblemName {
			t.Errorf("write, %s: %q", name, got)
		}
	}
	if got := problemOf(t, at, guest.OrderWrite, guest.FilePiece{Name: "f", ID: "evil", Size: 4, Data: []byte("evil")}); got == "" {
		t.Error("a part that is a link was written to")
	}
	if got := problemOf(t, at, guest.OrderWrite, guest.FilePiece{Name: "f", ID: "big", Size: guest.MaxFile + 1}); got != guest.ProblemSize {
		t.Errorf("too large: %q", got)
	}
	if b, err := os.ReadFile(secret); err != nil || string(b) != "secret" {
		t.Errorf("%q, %v", b, err)
	}
	// The folder itself is a link that leads out of the home.
	if err := errors.Join(os.RemoveAll(filepath.Join(s.home, "MyFiles")), os.Symlink(filepath.Dir(s.home), filepath.Join(s.home, "MyFiles"))); err != nil {
		t.Fatal(err)
	}
	if got := problemOf(t, at, guest.OrderFiles, guest.Asked{}); got == "" {
		t.Error("the folder is outside of the home")
	}
}

// TestLongFoldersAreListedInParts: no report is larger than a frame.
func TestLongFoldersAreListedInParts(t *testing.T) {
	at, s := signedIn(t)
	if _, err := at.Give(t.Context(), guest.OrderFiles, guest.Asked{}); err != nil {
		t.Fatal(err)
	}
	const files = 500
	for i := range files {
		if err := os.WriteFile(filepath.Join(s.folder(), fmt.Sprintf("%s-%03d", strings.Repeat("x", 200), i)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var all []string
	for after, n := "", 0; ; n++ {
		r, err := at.Give(t.Context(), guest.OrderFiles, guest.Asked{ID: after})
		if err != nil || n > files {
			t.Fatal(err)
		}
		for _, f := range r.Folder.Files {
			all = append(all, f.Name)
		}
		if !r.Folder.More {
			break
		}
		after = all[len(all)-1]
	}
	if len(slices.Compact(all)) != files || !slices.IsSorted(all) {
		t.Errorf("%d files", len(all))
	}
}

// TestSeats: whose screen it is, among the processes of a machine.
func TestSeats(t *testing.T) {
	env := func(display string) map[string]string {
		return map[string]string{"HOME": "/home/x", "DISPLAY": display}
	}
	x := func(p process) bool { return p.env["DISPLAY"] == ":0" }
	root := process{pid: 2, comm: "icewm", env: env(":0")}
	shell := process{pid: 3, comm: "sh", leader: true, tty: 1, env: env("")}
	person := process{pid: 9, comm: "gnome-session", uid: 1000, env: env(":0")}
	later := process{pid: 10, comm: "xterm", uid: 1001, env: env(":0")}
	for name, c := range map[string]struct {
		all     []process
		want    int
		console bool
	}{
		"nobody":                  {nil, 0, false},
		"a person":                {[]process{root, shell, person, later}, 9, false},
		"root's desktop":          {[]process{shell, root}, 2, false},
		"a greeter":               {[]process{{pid: 1, comm: "lightdm"}, root}, 0, false},
		"a person, and a greeter": {[]process{{pid: 1, comm: "lightdm"}, root, person}, 9, false},
		"a service":               {[]process{{pid: 5, comm: "x", uid: 33, env: env(":0")}, {pid: 6, comm: "x", uid: 65534, env: env(":0")}}, 0, false},
		"a directory's user":      {[]process{root, {pid: 7, comm: "x", uid: 1234001108, env: env(":0")}}, 7, false},
		"a greeter of its own":    {[]process{{pid: 1, comm: "gdm"}, {pid: 7, comm: "gnome-shell", uid: 60578, env: env(":0")}}, 0, false},
		"over ssh":                {[]process{{pid: 5, comm: "x", uid: 1000, env: env("localhost:10.0")}}, 0, false},
		"the console":             {[]process{shell}, 3, true},
		"another console":         {[]process{{pid: 3, comm: "sh", leader: true, tty: 2, env: env("")}}, 0, false},
		"a login":                 {[]process{{pid: 3, comm: "login", leader: true, tty: 1, env: env("")}}, 0, false},
		"no home":                 {[]process{{pid: 3, comm: "x", uid: 1000, env: map[string]string{"DISPLAY": ":0"}}}, 0, false},
	} {
		got, console := choose(c.all, x, 1)
		if (got == nil) != (c.want == 0) || got != nil && (got.pid != c.want || console != c.console) {
			t.Errorf("%s: %+v, %v", name, got, console)
		}
	}
	all, err := processes("/proc")
	i := slices.IndexFunc(all, func(p process) bool { return p.pid == os.Getpid() })
	if err != nil || i < 0 || all[i].uid != os.Getuid() || all[i].comm == "" || all[i].env["PATH"] != os.Getenv("PATH") {
		t.Errorf("this process: %v", err)
	}
}

func TestWords(t *testing.T) {
	for line, want := range map[string][]string{
		"": nil, "  a  b\t c": {"a", "b", "c"}, `'a b' "c d"`: {"a b", "c d"}, `a"b c"d`: {"ab cd"}, `\"a\ b`: {`"a b`}, `""`: {""}, `"a\nb"`: {`a\nb`}, `'a\b'`: {`a\b`}, `"open`: {"open"}, `a\`: {`a\`}, "$X;`y`|z": {"$X;`y`|z"},
	} {
		if got := words(line); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
	for _, c := range []struct{ path, parameters, want string }{
		{`C:\Program Files\a.exe`, "", `"C:\Program Files\a.exe"`}, {`C:\a.exe`, `"x y" /z`, `"C:\a.exe" "x y" /z`}, {`C:\a b.BAT`, "x", `cmd.exe /d /s /c ""C:\a b.BAT" x"`},
	} {
		if got := commandLine(c.path, c.parameters); got != c.want {
			t.Errorf("%s %s: %s", c.path, c.parameters, got)
		}
	}
}
