package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"slipway/api/throttle"
	"slipway/store/sqlite"
)

// ServeConfig is everything that can be chosen about a server. It is complete
// and valid when serve receives it.
type ServeConfig struct {
	DataDir        string
	Listen         string // host:port; port 0 picks a free one
	ReadyFile      string // receives the endpoint's URL once requests are answered; "" for none
	Account        string // the account that the first start creates
	Region         string // the Region that `slipway env` names
	Compute        string // "qemu" or "fake"
	FakeBootTime   time.Duration
	BootLimit      time.Duration // a guest's time to come up when validated; 0: by the kind of host
	BootStall      time.Duration // without anything new on the screen before a system runs; 0: by the kind of host
	ImportRules    string        // "aws" or "open"
	DevCredentials bool          // any access key is the default account, unverified
	Software       string        // directory or s3://BUCKET/PREFIX with installers and their manifest; "" for none
	UpdateCommands string        // JSON file with ways to update guests; "" for none
	InstanceTypes  string        // JSON file that changes instance types' sizes; "" for the published ones
	PublicImages   string        // JSON file with public base images; "" leaves the catalogue as it is
	ImportDir      string        // whose files ImportImage may read and ExportImage may write; "" for none
	S3Endpoint     string        // S3-compatible service of their buckets; "" for none
	S3KeyFile      string        // ID:SECRET
	S3Region       string
	TLSCert        string // PEM files; "" for plain HTTP
	TLSKey         string
	TLSSelfSigned  bool   // make a certificate in the data directory and use it
	PublicURL      string // origin of every URL handed out; "" is the listening address
	Endpoints      []accessEndpoint
	TrustedProxies []netip.Prefix
	Guests         GuestConfig
	Limits         throttle.Limits
	AuditKeep      int    // days
	CacheMB        int    // about how much of the store is kept decoded in memory
	ScrubRate      int64  // MiB a second that sealed disks are verified at; 0: only when asked
	LogLevel       string // debug, info, warn, error
	LogFormat      string // text or json
}

// DefaultServeConfig is the configuration of `slipway serve` without flags.
func DefaultServeConfig() ServeConfig {
	return ServeConfig{
		DataDir: defaultDataDir(), Listen: "127.0.0.1:4580", Account: "123456789012",
		Region: "us-east-1", Compute: "qemu", FakeBootTime: 5 * time.Second,
		ImportRules: "aws", S3Region: "us-east-1", LogLevel: "info", LogFormat: "text", Limits: throttle.Default, AuditKeep: 90, ScrubRate: 8, CacheMB: sqlite.DefaultCacheBytes >> 20,
	}
}

func defaultDataDir() string {
	if d := os.Getenv("SLIPWAY_DATA"); d != "" {
		return d
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "" // Validate asks for --data-dir
	}
	return filepath.Join(home, ".local", "share", "slipway")
}

var (
	accountForm = regexp.MustCompile(`^\d{12}$`)
	regionForm  = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-\d{1,2}$`)
)

// Validate refuses what cannot work, before anything is opened.
func (c *ServeConfig) Validate() error {
	oneOf := func(flag, v string, words ...string) error {
		if slices.Contains(words, v) {
			return nil
		}
		return &usageError{msg: fmt.Sprintf("--%s is %q: it must be one of %s", flag, v, strings.Join(words, ", "))}
	}
	host, _, err := net.SplitHostPort(c.Listen)
	switch {
	case c.DataDir == "":
		return &usageError{msg: "there is no home directory to keep data in: give --data-dir DIR"}
	case err != nil:
		return &usageError{msg: fmt.Sprintf("--listen is %q: it must be HOST:PORT, such as 127.0.0.1:4580", c.Listen)}
	case !accountForm.MatchString(c.Account):
		return &usageError{msg: fmt.Sprintf("--account is %q: it must be 12 digits", c.Account)}
	case !regionForm.MatchString(c.Region):
		return &usageError{msg: fmt.Sprintf("--region is %q: it must look like us-east-1", c.Region)}
	case c.FakeBootTime < 0 || c.BootLimit < 0 || c.BootStall < 0:
		return &usageError{msg: "--fake-boot-time, --boot-limit and --boot-stall must not be negative"}
	case c.DevCredentials && !loopback(host):
		return &usageError{msg: fmt.Sprintf("--dev-credentials lets anybody in, so it works on loopback only, and --listen is %s: "+
			"listen on 127.0.0.1 or leave --dev-credentials out", c.Listen)}
	}
	if err := c.validateReach(); err != nil {
		return err
	}
	if err := c.validateTransfers(); err != nil {
		return err
	}
	for _, e := range []error{
		oneOf("compute", c.Compute, "qemu", "fake"),
		oneOf("import-rules", c.ImportRules, "aws", "open"),
		oneOf("log-level", c.LogLevel, "debug", "info", "warn", "error"),
		oneOf("log-format", c.LogFormat, "text", "json"),
	} {
		if e != nil {
			return e
		}
	}
	dir, err := filepath.Abs(c.DataDir)
	if err != nil {
		return fmt.Errorf("find the data directory %s: %w", c.DataDir, err)
	}
	c.DataDir = dir
	return nil
}

// validateReach checks how the server is reached.
func (c *ServeConfig) validateReach() error {
	switch {
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return &usageError{msg: "--tls-cert and --tls-key go together"}
	case c.TLSCert != "" && c.TLSSelfSigned:
		return &usageError{msg: "give --tls-cert and --tls-key, or --tls-self-signed, not both"}
	case c.AuditKeep < 1:
		return &usageError{msg: "--audit-days must be at least 1"}
	case c.CacheMB < 1:
		return &usageError{msg: "--read-cache must be at least 1"}
	case c.ScrubRate < 0 || c.ScrubRate > 1<<20:
		return &usageError{msg: "--scrub-rate must be from 0 to 1048576 MiB a second; 0 is no scrubbing"}
	case c.Limits.Reads < 0 || c.Limits.Writes < 0:
		return &usageError{msg: "--throttle-reads and --throttle-writes must not be negative; 0 is no limit"}
	case c.PublicURL == "":
		return nil
	}
	u, err := url.Parse(c.PublicURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return &usageError{msg: fmt.Sprintf("--public-url is %q: it must look like https://slipway.example.com", c.PublicURL)}
	}
	return nil
}

// prefixes reads comma-separated addresses and networks.
func prefixes(s string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, w := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' }) {
		if ip, err := netip.ParseAddr(w); err == nil {
			out = append(out, netip.PrefixFrom(ip, ip.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(w)
		if err != nil {
			return nil, fmt.Errorf("%q is no address and no network such as 10.0.0.0/8", w)
		}
		out = append(out, p)
	}
	return out, nil
}

// loopback tells whether only this machine can reach host. A name is believed
// only when it is localhost: any other may resolve differently tomorrow.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func serveCommand() *command {
	return &command{
		name:    "serve",
		summary: "Run the server",
		long: `
Runs the server until it is interrupted. Machines it started keep running and
are found again by the next start on the same data directory.

The first start creates an account and an administrator's access key; use them
with  eval "$(slipway env --data-dir DIR)".`,
		setup: func(fs *flag.FlagSet) action {
			c := DefaultServeConfig()
			fs.StringVar(&c.DataDir, "data-dir", c.DataDir, "keep everything in this `dir`ectory; also SLIPWAY_DATA")
			fs.StringVar(&c.Listen, "listen", c.Listen, "answer on this `host:port`; port 0 picks a free one")
			fs.StringVar(&c.ReadyFile, "ready-file", "", "write the endpoint's URL to this `file` once requests are answered")
			fs.StringVar(&c.Account, "account", c.Account, "the account `id` that the first start creates")
			fs.StringVar(&c.Region, "region", c.Region, "the `region` that slipway env names")
			fs.StringVar(&c.Compute, "compute", c.Compute, "run machines with this `driver`: qemu, or fake, which runs none")
			fs.DurationVar(&c.FakeBootTime, "fake-boot-time", c.FakeBootTime, "how long a fake machine takes to boot, as a `duration`")
			fs.DurationVar(&c.BootLimit, "boot-limit", 0, "give up on a guest that has not come up after this `duration` (default 5m with KVM, 20m without)")
			fs.DurationVar(&c.BootStall, "boot-stall", 0, "give up on a guest whose firmware or boot loader shows nothing new for this `duration` (default 45s with KVM, 3m without)")
			fs.StringVar(&c.ImportRules, "import-rules", c.ImportRules, "what may be imported, as `rules`: aws (what AWS takes) or open (also Linux guests and more, and says what was waived)")
			fs.BoolVar(&c.DevCredentials, "dev-credentials", false, "accept any access key, unchecked, as the default account; loopback only")
			fs.StringVar(&c.PublicImages, "public-images", "", "read the catalogue of public base images from this JSON `file` (docs/PUBLIC-IMAGES.md)")
			c.transferFlags(fs)
			fs.StringVar(&c.InstanceTypes, "instance-types", "", "make instance types smaller or larger, as this JSON `file` says (docs/INSTANCE-TYPES.md)")
			fs.StringVar(&c.Software, "software", "", "install licence-included software with what the manifest.json in this `place` names: a directory, or s3://BUCKET/PREFIX at --s3-endpoint (docs/SOFTWARE.md)")
			fs.StringVar(&c.UpdateCommands, "update-commands", "", "try the ways to update guests in this JSON `file` before those that are known (docs/UPDATES.md)")
			fs.StringVar(&c.TLSCert, "tls-cert", "", "serve HTTPS with the certificate in this PEM `file`")
			fs.StringVar(&c.TLSKey, "tls-key", "", "the certificate's key, a PEM `file`")
			fs.BoolVar(&c.TLSSelfSigned, "tls-self-signed", false, "serve HTTPS with a certificate made in the data directory; slipway env tells clients to trust it")
			fs.StringVar(&c.PublicURL, "public-url", "", "the `origin` that clients reach this server by, when it is not the listening address")
			fs.Func("access-endpoint", "show the screens of stacks and image builders that name this access endpoint at an address of its own, and nowhere else, as `ID=HOST:PORT` or ID=HOST:PORT,ORIGIN; may be repeated", func(s string) error {
				e, err := parseEndpoint(s)
				c.Endpoints = append(c.Endpoints, e)
				return err
			})
			fs.Func("trusted-proxies", "believe X-Forwarded-For from these comma-separated `networks`", func(s string) (err error) {
				c.TrustedProxies, err = prefixes(s)
				return err
			})
			c.Guests.flags(fs)
			fs.Float64Var(&c.Limits.Reads, "throttle-reads", c.Limits.Reads, "reading `calls` a second for each account and service; 0: no limit")
			fs.Float64Var(&c.Limits.Writes, "throttle-writes", c.Limits.Writes, "writing `calls` a second for each account and service; 0: no limit")
			fs.IntVar(&c.AuditKeep, "audit-days", c.AuditKeep, "keep the audit log for so many `days`")
			fs.IntVar(&c.CacheMB, "read-cache", c.CacheMB, "keep about so many `megabytes` of what is read in memory")
			fs.Int64Var(&c.ScrubRate, "scrub-rate", c.ScrubRate, "verify all sealed disks once a week, reading so many `MiB` a second; 0: only when asked")
			fs.StringVar(&c.LogLevel, "log-level", c.LogLevel, "log from this `level` up: debug, info, warn, error")
			fs.StringVar(&c.LogFormat, "log-format", c.LogFormat, "log in this `form`: text or json")
			return func(ctx context.Context, args []string, io streams) error {
				if err := exactly(args); err != nil {
					return err
				}
				if err := c.Validate(); err != nil {
					return err
				}
				return serve(ctx, c, io.out, io.err)
			}
		},
	}
}
