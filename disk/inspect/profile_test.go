package inspect

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"slipway/disk/facts"
	"slipway/disk/fixture"
	"slipway/disk/rules"
	"slipway/fault"
)

// made keeps one disk of each kind for all tests of this package; tests that
// change one undo it or make their own.
var made = struct {
	sync.Mutex
	dir   string
	paths map[string]string
}{paths: map[string]string{}}

func fixtureDisk(t testing.TB, k fixture.Kind, o fixture.Options) string {
	t.Helper()
	made.Lock()
	defer made.Unlock()
	name := fmt.Sprintf("%s-%d-%v-%v.raw", k, o.SizeBytes>>30, o.NoDrivers, o.XFS)
	if p := made.paths[name]; p != "" {
		return p
	}
	if made.dir == "" {
		dir, err := os.MkdirTemp("", "slipway-inspect-*")
		if err != nil {
			t.Fatal(err)
		}
		made.dir = dir
	}
	p := filepath.Join(made.dir, name)
	if err := fixture.Make(t.Context(), k, p, o); err != nil {
		t.Fatal(err)
	}
	made.paths[name] = p
	return p
}

func inspect(t testing.TB, path string) facts.Facts {
	t.Helper()
	f, err := Inspect(t.Context(), os.Args[0], path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// codes lists "code" of blocking and "~code" of waived findings.
func codes(fs []rules.Finding) string {
	var out []string
	for _, f := range fs {
		switch f.Severity {
		case rules.Block:
			out = append(out, f.Code)
		case rules.Waived:
			out = append(out, "~"+f.Code)
		}
	}
	return strings.Join(out, " ")
}

// summary is one line of the facts that the table compares.
func summary(f facts.Facts) string {
	s := fmt.Sprintf("%s %s", f.Table.Kind, f.OS)
	if f.ESP != nil {
		s += fmt.Sprintf(" esp(%v,%v)", f.ESP.Fallback, f.ESP.BootMgr)
	}
	if w := f.Windows; w != nil {
		s += fmt.Sprintf(" %s|%s|%s|%s|%d.%d|%s", w.Name, w.ProductName, w.EditionID, w.InstallationType, w.Build, w.UBR, w.DisplayVersion)
		for _, x := range w.Services {
			s += fmt.Sprintf(" %s=%d", x.Name, x.Start)
		}
	}
	if l := f.Linux; l != nil {
		s += fmt.Sprintf(" %s|%s|%s", l.ID, l.VersionID, l.Codename)
		for _, k := range l.Kernels {
			s += fmt.Sprintf(" {%s %v %v", k.Version, k.Drivers, k.Builtin)
			if k.Initramfs != nil {
				s += fmt.Sprintf(" %s %v%s", k.Initramfs.File, k.Initramfs.Drivers, k.Initramfs.Problem)
			}
			s += "}"
		}
		s += fmt.Sprintf(" %v", l.Agents)
	}
	return s
}

// row is a disk, the facts expected of it, the verdict of both sets and what a
// machine needs to run it.
type row struct {
	kind                fixture.Kind
	bare, xfs           bool
	facts, aws, open    string
	platform, busAndNIC string
	problems            int
}

func rows() []row {
	linux := func(id, kernel, initramfs, agent string) string {
		return id + " {" + kernel + " [nvme ena virtio_net virtio_blk] [nvme] /boot/" + strings.Replace(initramfs, "*", kernel, 1) + " [ena virtio_net virtio_blk]} [" + agent + "]"
	}
	const debian, redhat = "initrd.img-*", "initramfs-*.img"
	rows := []row{
		{kind: fixture.WindowsServer2022, facts: "gpt windows esp(true,true) Windows Server 2022|Windows Server 2022 Datacenter|ServerDatacenter|Server|20348.3091|21H2 stornvme=0 AWSNVMe=0 ena=3 vioscsi=0 viostor=0 netkvm=3 AmazonSSMAgent=2 QEMU-GA=2",
			platform: "WINDOWS_SERVER_2022", busAndNIC: "virtio-blk virtio-net"},
		{kind: fixture.WindowsServer2022, bare: true, facts: "gpt windows esp(true,true) Windows Server 2022|Windows Server 2022 Datacenter|ServerDatacenter|Server|20348.3091|21H2 stornvme=0",
			aws: "ena-driver", open: "~ena-driver", platform: "WINDOWS_SERVER_2022", busAndNIC: "nvme e1000e"},
		{kind: fixture.WindowsServer2025, facts: "gpt windows esp(true,true) Windows Server 2025|Windows Server 2025 Datacenter|ServerDatacenter|Server|26100.3194|24H2 stornvme=0 AWSNVMe=0 ena=3 vioscsi=0 viostor=0 netkvm=3 AmazonSSMAgent=2 QEMU-GA=2",
			platform: "WINDOWS_SERVER_2025", busAndNIC: "virtio-blk virtio-net"},
		{kind: fixture.WindowsServer2019, facts: "gpt windows esp(true,true) Windows Server 2019|Windows Server 2019 Datacenter|ServerDatacenter|Server|17763.6775| stornvme=0 AWSNVMe=0 ena=3 AmazonSSMAgent=2",
			aws: "windows-version", open: "~windows-version", platform: "WINDOWS_SERVER_2019", busAndNIC: "nvme e1000e"},
		{kind: fixture.WindowsServer2022Core, facts: "gpt windows esp(true,true) Windows Server 2022|Windows Server 2022 Standard|ServerStandard|Server Core|20348.3091|21H2 stornvme=0 AWSNVMe=0 ena=3 AmazonSSMAgent=2",
			aws: "windows-full", open: "~windows-full", platform: "WINDOWS_SERVER_2022", busAndNIC: "nvme e1000e"},
		{kind: fixture.Windows11, facts: "gpt windows esp(true,true) Windows 11|Windows 10 Enterprise|Enterprise|Client|26100.2894|24H2 stornvme=0 ena=3 vioscsi=0 netkvm=3",
			aws: "windows-version", open: "~windows-version", busAndNIC: "nvme virtio-net"},
		{kind: fixture.Windows10, facts: "mbr windows Windows 10|Windows 10 Enterprise|Enterprise|Client|19045.5011|22H2 stornvme=0 ena=3 vioscsi=0 netkvm=3",
			aws: "uefi windows-version", open: "uefi ~windows-version", busAndNIC: "nvme virtio-net"},
		{kind: fixture.RHEL8, facts: linux("gpt linux esp(true,false) rhel|8.10|", "4.18.0-553.el8_10.x86_64", redhat, "qemu-ga"),
			aws: "windows-version", open: "~windows-version", platform: "RHEL8", busAndNIC: "virtio-blk virtio-net"},
		{kind: fixture.AmazonLinux2, facts: linux("gpt linux amzn|2|", "4.14.355-276.amzn2.x86_64", redhat, "amazon-ssm-agent"),
			aws: "uefi windows-version", open: "uefi ~windows-version", platform: "AMAZON_LINUX2", busAndNIC: "virtio-blk virtio-net"},
		{kind: fixture.WindowsBitLocker, facts: "gpt unknown esp(true,true)", aws: "bitlocker operating-system", open: "bitlocker ~operating-system", busAndNIC: "nvme e1000e", problems: 1},
		{kind: fixture.Ubuntu2404, facts: linux("gpt linux esp(true,false) ubuntu|24.04|noble", "6.8.0-1021-aws", debian, "amazon-ssm-agent"),
			aws: "windows-version", open: "~windows-version", platform: "UBUNTU_PRO_2404", busAndNIC: "virtio-blk virtio-net"},
		{kind: fixture.Ubuntu2404, bare: true, facts: "gpt linux esp(true,false) ubuntu|24.04|noble {6.8.0-1021-aws [nvme] [nvme] /boot/initrd.img-6.8.0-1021-aws []} []",
			aws: "windows-version", open: "~windows-version", platform: "UBUNTU_PRO_2404", busAndNIC: "nvme e1000e"},
		{kind: fixture.Rocky8, facts: linux("gpt linux esp(true,false) rocky|8.10|", "4.18.0-553.el8_10.x86_64", redhat, "qemu-ga"),
			aws: "windows-version", open: "~windows-version", platform: "ROCKY_LINUX8", busAndNIC: "virtio-blk virtio-net"},
		{kind: fixture.Debian12, facts: linux("gpt linux esp(true,false) debian|12|bookworm", "6.1.0-41-cloud-amd64", debian, "qemu-ga"),
			aws: "windows-version", open: "~windows-version", busAndNIC: "virtio-blk virtio-net"},
		{kind: fixture.BIOSOnly, facts: linux("mbr linux debian|12|bookworm", "6.1.0-41-cloud-amd64", debian, "qemu-ga"),
			aws: "uefi windows-version", open: "uefi ~windows-version", busAndNIC: "virtio-blk virtio-net"},
		{kind: fixture.Truncated, facts: linux("gpt linux esp(true,false) debian|12|bookworm", "6.1.0-41-cloud-amd64", debian, "qemu-ga"),
			aws: "disk-truncated windows-version", open: "disk-truncated ~windows-version", busAndNIC: "virtio-blk virtio-net", problems: 1},
		{kind: fixture.Zeros, facts: "none unknown", aws: "disk-empty", open: "disk-empty", busAndNIC: "nvme e1000e"},
		{kind: fixture.Garbage, facts: "none unknown", aws: "partition-table", open: "partition-table", busAndNIC: "nvme e1000e"},
	}
	for _, r := range rows { // Red Hat's and Amazon's Linux come on XFS
		if r.kind == fixture.Rocky8 || r.kind == fixture.RHEL8 || r.kind == fixture.AmazonLinux2 {
			r.xfs = true
			rows = append(rows, r)
		}
	}
	return rows
}

func TestProfiles(t *testing.T) {
	seen := map[fixture.Kind]bool{}
	for _, r := range rows() {
		seen[r.kind] = true
		t.Run(fmt.Sprintf("%s bare=%v xfs=%v", r.kind, r.bare, r.xfs), func(t *testing.T) {
			f := inspect(t, fixtureDisk(t, r.kind, fixture.Options{NoDrivers: r.bare, XFS: r.xfs}))
			if got := summary(f); got != r.facts {
				t.Errorf("facts\n got %s\nwant %s", got, r.facts)
			}
			if len(f.Problems) != r.problems {
				t.Errorf("problems: %q", f.Problems)
			}
			if got := codes(rules.Evaluate(rules.AWS, f)); got != r.aws {
				t.Errorf("aws: got %q, want %q", got, r.aws)
			}
			if got := codes(rules.Evaluate(rules.Open, f)); got != r.open {
				t.Errorf("open: got %q, want %q", got, r.open)
			}
			if got := rules.Platform(f); got != r.platform {
				t.Errorf("platform: got %q, want %q", got, r.platform)
			}
			if got := rules.Bus(f) + " " + rules.NIC(f); got != r.busAndNIC {
				t.Errorf("hardware: got %q, want %q", got, r.busAndNIC)
			}
		})
	}
	for _, k := range fixture.Kinds() {
		if !seen[k] {
			t.Errorf("the kind %s is in no row", k)
		}
	}
}

// The second NTFS volume of a Windows disk is the recovery environment.
func TestRecoveryDoesNotWin(t *testing.T) {
	f := inspect(t, fixtureDisk(t, fixture.WindowsServer2025, fixture.Options{}))
	if f.Windows.Partition != 3 || f.Partitions[3].Role != facts.RoleRecovery || f.Partitions[3].FileSystem != facts.NTFS {
		t.Errorf("%+v", f)
	}
}

func TestShortFiles(t *testing.T) {
	src := fixtureDisk(t, fixture.Debian12, fixture.Options{})
	head := make([]byte, 3<<20)
	f, err := os.Open(src)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.ReadAt(head, 0); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 100, 511, 512, 513, 1000, 1024, 1536, 4096, 17 << 10, 1 << 20, 1<<20 + 100, 3 << 20} {
		p := filepath.Join(t.TempDir(), "short")
		if err := os.WriteFile(p, head[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		got := inspect(t, p)
		if got.SizeBytes != int64(n) || got.OS != facts.Unknown {
			t.Errorf("%d bytes: %+v", n, got)
		}
		if !rules.Blocked(rules.Evaluate(rules.Open, got)) {
			t.Errorf("%d bytes of a disk are not refused: %+v", n, got)
		}
	}
}

func TestMissingAndStrangeFiles(t *testing.T) {
	if _, err := Inspect(t.Context(), os.Args[0], filepath.Join(t.TempDir(), "none")); !fault.Is(err, fault.NotFound) {
		t.Errorf("no file: %v", err)
	}
	if _, err := Inspect(t.Context(), os.Args[0], t.TempDir()); err == nil {
		t.Error("a directory is inspected")
	}
	if f, err := Inspect(t.Context(), "/does/not/exist", fixtureDisk(t, fixture.Zeros, fixture.Options{})); err == nil || !slices.ContainsFunc(f.Problems, func(s string) bool { return strings.Contains(s, "could not be inspected") }) {
		t.Errorf("a worker that does not exist: %+v %v", f, err)
	}
}

func BenchmarkInspectWindows(b *testing.B) {
	p := fixtureDisk(b, fixture.WindowsServer2022, fixture.Options{SizeBytes: 30 << 30})
	for b.Loop() {
		inspect(b, p)
	}
}

func BenchmarkInspectLinux(b *testing.B) {
	p := fixtureDisk(b, fixture.Ubuntu2404, fixture.Options{SizeBytes: 30 << 30})
	for b.Loop() {
		inspect(b, p)
	}
}
