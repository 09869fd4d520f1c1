package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/api/admin/adminapi"
)

// cli runs one command line, with nothing of the tester's environment.
func cli(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = report(run(t.Context(), args, &out, &errs), &errs)
	return code, out.String(), errs.String()
}

func fileFor(endpoint string) ClientFile {
	return ClientFile{Endpoint: endpoint, Region: "us-east-1", AccessKeyID: "AKIA", SecretAccessKey: "s", Account: "1"}
}

func clean(t *testing.T) string {
	home := t.TempDir()
	for _, v := range []string{"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION", "SLIPWAY_DATA", "XDG_STATE_HOME"} {
		t.Setenv(v, "")
	}
	t.Setenv("HOME", home)
	return home
}

// Every command of the tree has a summary and answers --help on stdout.
func TestHelp(t *testing.T) {
	clean(t)
	var walk func(c *command, path []string)
	walk = func(c *command, path []string) {
		code, out, errs := cli(t, append(path, "--help")...)
		if code != 0 || errs != "" || !strings.Contains(out, "Usage: slipway") || c.summary == "" || !strings.Contains(out, c.summary) {
			t.Errorf("%v --help: %d %q %q", path, code, out, errs)
		}
		for _, s := range c.subs {
			if !strings.Contains(out, s.name) {
				t.Errorf("the help of %v does not name %s", path, s.name)
			}
			walk(s, append(path[:len(path):len(path)], s.name))
		}
	}
	walk(root(), nil)
	if _, out, _ := cli(t, "help", "ami", "push"); !strings.Contains(out, "--name") {
		t.Errorf("help ami push: %q", out)
	}
}

func TestRefusals(t *testing.T) {
	home := clean(t)
	qcow := filepath.Join(home, "a.qcow2")
	if err := os.WriteFile(qcow, []byte("QFI\xfb"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := WriteClientFile(home, fileFor("http://127.0.0.1:1")); err != nil {
		t.Fatal(err)
	}
	for line, c := range map[string]struct {
		code int
		want string
	}{
		"":                              {2, "a command is missing"},
		"nonsense":                      {2, `there is no command "nonsense"`},
		"ami":                           {2, "a command is missing"},
		"serve --nonsense":              {2, "there is no flag --nonsense\nRun `slipway serve --help`"},
		"serve --listen":                {2, "--listen needs a value"},
		"job --json":                    {2, "a command must come before --json"},
		"job ls --limit x":              {2, `--limit is "x": it must be a whole number`},
		"job ls --active=x":             {2, `--active is "x": it must be true or false`},
		"serve extra":                   {2, "one argument too many"},
		"serve --compute=lxc":           {2, "must be one of qemu, fake"},
		"serve --import-rules=none":     {2, "must be one of aws, open"},
		"serve --listen=4580":           {2, "HOST:PORT"},
		"serve --account=1":             {2, "12 digits"},
		"serve --region=here":           {2, "us-east-1"},
		"serve --fake-boot-time=-1s":    {2, "negative"},
		"serve --fake-boot-time=x":      {2, `--fake-boot-time is "x": it must be a duration, such as 90s`},
		"serve --log-level=loud":        {2, "must be one of debug"},
		"env --data-dir /nowhere":       {1, "slipway serve --data-dir /nowhere"},
		"job show":                      {2, "JOB is missing"},
		"job watch":                     {2, "JOB is missing"},
		"image show":                    {2, "NAME is missing"},
		"ami push":                      {2, "DISK is missing"},
		"ami push x":                    {2, "--name is missing"},
		"ami push x --name a":           {2, "3 to 128"},
		"ami push x --name abc --tag k": {2, "KEY=VALUE"},
		"ami push x --name abc --tag slipway:disk-bytes=1":    {2, "reserved"},
		"ami push x --name abc --parallel 0":                  {2, "from 1 to 64"},
		"ami push " + qcow + " --name abc --data-dir " + home: {1, "a.qcow2: The qcow2 file has 4 bytes, fewer than its header."},
		"ami pull i-1 x":                          {2, "begins with ami-"},
		"ami pull ami-1":                          {2, "OUT is missing"},
		"ami pull ami-1 x --format vdi":           {2, "must be one of"},
		"restore /nowhere x":                      {2, "There is no backup /nowhere."},
		"serve --compute=fake --data-dir " + qcow: {1, "choose another with --data-dir"},
		"ps":                    {1, "holds no server's data yet"},
		"ps --data-dir " + home: {1, "nothing answers at http://127.0.0.1:1"},
		"serve --dev-credentials --listen 0.0.0.0:0 --data-dir " + home:     {2, "loopback only"},
		"serve --dev-credentials --listen :0 --data-dir " + home:            {2, "loopback only"},
		"serve --dev-credentials --listen example.com:1 --data-dir " + home: {2, "loopback only"},
	} {
		code, out, errs := cli(t, strings.Fields(line)...)
		if code != c.code || !strings.Contains(errs, c.want) || out != "" {
			t.Errorf("slipway %s: %d %q %q, want %d and %q", line, code, out, errs, c.code, c.want)
		}
	}
}

// Flags may stand anywhere, and -- ends them.
func TestParseMixed(t *testing.T) {
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	n := fs.String("name", "", "")
	rest, err := parseMixed(fs, []string{"a", "--name", "x", "b", "--", "--name", "c"})
	if err != nil || *n != "x" || strings.Join(rest, " ") != "a b --name c" {
		t.Errorf("%q %q %v", *n, rest, err)
	}
}

// What env prints means the same to a shell as what the server wrote.
func TestEnv(t *testing.T) {
	home := clean(t)
	want := ClientFile{Endpoint: "http://127.0.0.1:4580", Region: "eu-west-1", AccessKeyID: "AKIA1", SecretAccessKey: `it's $HOME "\` + "`x`\n", Account: "1"}
	if err := WriteClientFile(home, want); err != nil {
		t.Fatal(err)
	}
	if s, err := os.Stat(filepath.Join(home, clientFileName)); err != nil || s.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", s.Mode(), err)
	}
	_, out, _ := cli(t, "env", "--data-dir", home)
	got, err := exec.Command("sh", "-c", out+`printf '%s|%s|%s|%s|%s|%s' "$AWS_ENDPOINT_URL" "$AWS_REGION" "$AWS_DEFAULT_REGION" "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" "${AWS_PROFILE-unset}"`).Output()
	if w := strings.Join([]string{want.Endpoint, want.Region, want.Region, want.AccessKeyID, want.SecretAccessKey, "unset"}, "|"); err != nil || string(got) != w {
		t.Errorf("%v\ngot  %q\nwant %q\n%s", err, got, w, out)
	}
	if err := os.WriteFile(filepath.Join(home, clientFileName), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := cli(t, "env", "--data-dir", home); code != 1 || !strings.Contains(errs, "restart the server") {
		t.Errorf("a damaged file: %d %s", code, errs)
	}
}

// Which server a command means: the directory given, the environment, the
// default directory.
func TestTarget(t *testing.T) {
	home := clean(t)
	def, other := filepath.Join(home, ".local/share/slipway"), filepath.Join(home, "other")
	for dir, e := range map[string]string{def: "http://default", other: "http://other"} {
		if err := errors.Join(os.MkdirAll(dir, 0o700), WriteClientFile(dir, fileFor(e))); err != nil {
			t.Fatal(err)
		}
	}
	endpoint := func(f func(context.Context, string) (*target, error), dir string) string {
		got, err := f(t.Context(), dir)
		if err != nil {
			return err.Error()
		}
		return got.Endpoint
	}
	check := func(what, got, want string) {
		if got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	check("nothing", endpoint(resolve, ""), "http://default")
	check("a directory", endpoint(resolve, other), "http://other")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIA2")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s2")
	check("keys without a Region", endpoint(resolve, ""), "no Region is chosen: set AWS_REGION, or name a server with --data-dir")
	t.Setenv("AWS_REGION", "us-east-1")
	check("AWS", endpoint(resolve, ""), "")
	check("AWS has no admin API", endpoint(resolveAdmin, ""), "http://default")
	t.Setenv("AWS_ENDPOINT_URL", "http://env/")
	check("an endpoint", endpoint(resolve, ""), "http://env")
	check("an endpoint, admin", endpoint(resolveAdmin, ""), "http://env")
	check("a directory wins", endpoint(resolve, other), "http://other")
}

// The client commands against a server that answers as the admin API does.
func TestAdminCommands(t *testing.T) {
	home := clean(t)
	status := "running"
	mux := http.NewServeMux()
	reply := func(pattern string, f func() (int, any)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.Header.Get("Authorization"), "/us-east-1/slipway/aws4_request") {
				t.Errorf("%s: Authorization %q", r.URL, r.Header.Get("Authorization"))
			}
			code, v := f()
			w.WriteHeader(code)
			json.NewEncoder(w).Encode(v)
		})
	}
	job := func() adminapi.Job {
		return adminapi.Job{ID: "job-1", Workflow: "image-import", Status: status, Step: 2, Steps: 7, StepName: "boot", Subject: adminapi.Subject{Kind: "image", Name: "win"}}
	}
	reply("GET /_slipway/v1/machines", func() (int, any) {
		return 200, adminapi.Machines{Machines: []adminapi.Machine{{ID: "vm-b"}, {ID: "vm-a", MemoryMB: 512, Labels: map[string]string{"image": "win"}}}}
	})
	reply("GET /_slipway/v1/jobs", func() (int, any) { return 200, adminapi.Jobs{Jobs: []adminapi.Job{job()}} })
	reply("GET /_slipway/v1/jobs/job-1", func() (int, any) {
		j := job()
		status = "done" // the next time
		return 200, j
	})
	reply("POST /_slipway/v1/jobs/job-1/cancel", func() (int, any) {
		return 409, adminapi.Failure{Error: adminapi.ErrorBody{Kind: "wrong-state", Message: "The job has ended."}}
	})
	reply("GET /_slipway/v1/images/win", func() (int, any) {
		j := job()
		return 200, adminapi.Image{Name: "win", State: "FAILED", Job: &j, Reason: &adminapi.Reason{Code: "X", Message: "no ESP"},
			Evidence: adminapi.Evidence{Screenshot: "/s.png", Rungs: []adminapi.Rung{{Name: "network", Needed: true}}}}
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	if err := WriteClientFile(home, fileFor(srv.URL)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		line string
		code int
		want []string
	}{
		{"ps", 0, []string{"vm-a", "512 MiB", "image=win"}},
		{"ps --json", 0, []string{`"machines": [`}},
		{"job ls --active", 0, []string{"job-1", "3/7 boot"}},
		{"job watch job-1", 0, []string{"job-1 is done"}},
		{"job watch --image win", 0, nil},
		{"job cancel job-1", 1, []string{"The job has ended."}},
		{"image show win", 0, []string{"FAILED", "X: no ESP", "network (needed)", "/s.png"}},
	} {
		code, out, errs := cli(t, append(strings.Fields(c.line), "--data-dir", home)...)
		for _, w := range c.want {
			if !strings.Contains(out+errs, w) {
				t.Errorf("slipway %s: %q is missing in %s%s", c.line, w, out, errs)
			}
		}
		if code != c.code {
			t.Errorf("slipway %s: exit %d", c.line, code)
		}
	}
}

func TestBar(t *testing.T) {
	var b bytes.Buffer
	x := newBar(&b, "upload", "MB", 0, 200e6)
	now := x.begun
	x.now = func() time.Time { return now }
	now = now.Add(2 * plainEvery)
	x.add(100e6)
	if got := b.String(); got != "upload [##############..............]  50%  100/200 MB  10 MB/s  10s left\n" {
		t.Errorf("%q", got)
	}
}
