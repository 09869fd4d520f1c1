package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"slipway/api/admin/adminapi"
	"slipway/disk/facts"
	"slipway/disk/fixture"
	"slipway/disk/inspect"
	"slipway/disk/rules"
)

// TestMain lets the test binary be the worker that looks into disks.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == inspect.Arg {
		syscall.Exit(inspect.WorkerMain(os.Args[2:], os.Stdout))
	}
	os.Exit(m.Run())
}

func TestCheck(t *testing.T) {
	clean(t)
	dir := t.TempDir()
	disk := func(name string, k fixture.Kind, o fixture.Options) string {
		p := filepath.Join(dir, name)
		if err := fixture.Make(t.Context(), k, p, o); err != nil {
			t.Fatal(err)
		}
		return p
	}
	good, sql := disk("good.raw", fixture.WindowsServer2022, fixture.Options{}), disk("sql.raw", fixture.WindowsServer2022, fixture.Options{Plant: "sql-server"})
	evil := filepath.Join(dir, "evil.qcow2")
	head := make([]byte, 4096)
	copy(head, "QFI\xfb\x00\x00\x00\x03")
	copy(head[8:], "\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x0b\x00\x00\x00\x10")
	copy(head[512:], "/etc/passwd")
	if err := os.WriteFile(evil, head, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{good}, 0, "Verdict by the rules aws: importable."},
		{[]string{good, "--rules", "byol"}, 1, "AWS OSNotSupported"},
		{[]string{sql}, 1, `Instance Names\SQL: MSSQLSERVER = MSSQL16.MSSQLSERVER`},
		{[]string{sql, "--rules", "open"}, 0, "Waived here"},
		{[]string{evil}, 2, "backing file"},
		{[]string{filepath.Join(dir, "none")}, 2, "no file or directory"},
		{[]string{dir}, 2, "not a file"},
		{[]string{good, "--rules", "gcp"}, 2, "must be aws, byol or open"},
		{nil, 2, "DISK is missing"},
	} {
		code, out, errs := cli(t, append([]string{"check"}, c.args...)...)
		if code != c.code || !strings.Contains(out+errs, c.want) {
			t.Errorf("check %v: %d\n%s%s", c.args, code, out, errs)
		}
	}
	code, out, _ := cli(t, "check", sql, "--json")
	var got checked
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 1 || got.Verdict != "blocked" || len(got.Reports) != 3 || got.Facts.Version != facts.Version {
		t.Errorf("--json: %d %v %+v", code, err, got)
	}
	if qemu, err := exec.LookPath("qemu-img"); err == nil {
		for format, opts := range map[string]string{"qcow2": "compression_type=zstd", "vmdk": "subformat=streamOptimized", "vpc": "force_size=on", "vhdx": "subformat=dynamic"} {
			p := filepath.Join(dir, "sql."+format)
			if b, err := exec.CommandContext(t.Context(), qemu, "convert", "-f", "raw", "-O", format, "-o", opts, sql, p).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, b)
			}
			if code, out, errs := cli(t, "check", p); code != 1 || !strings.Contains(out, "SQL Server is installed") {
				t.Errorf("%s: %d %s%s", format, code, out, errs)
			}
		}
	}
}

// The server's facts of an AMI give the report that its file would.
func TestCheckOfAnAMI(t *testing.T) {
	home := clean(t)
	f := facts.Facts{Version: facts.Version, SizeBytes: 1 << 30, OS: facts.Unknown, Empty: true}
	raw, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in := adminapi.Inspection{AMI: "ami-0123456789abcdef0", Inspector: facts.Version, Facts: raw}
		if strings.Contains(r.URL.Path, "ami-00000000000000000") {
			in.Facts = nil
		}
		_ = json.NewEncoder(w).Encode(in)
	}))
	defer srv.Close()
	dir := filepath.Join(home, "data")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(fileFor(srv.URL))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "client.json"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := cli(t, "check", "ami-0123456789abcdef0", "--data-dir", dir, "--rules", string(rules.Open))
	if code != 1 || !strings.Contains(out, "nothing but zeros") {
		t.Errorf("%d %s%s", code, out, errs)
	}
	if code, _, errs := cli(t, "check", "ami-00000000000000000", "--data-dir", dir); code != 2 || !strings.Contains(errs, "not inspected yet") {
		t.Errorf("%d %s", code, errs)
	}
}
