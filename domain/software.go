package domain

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
)

// KindSoftware is the kind of software associations.
const KindSoftware Kind = "software"

// Software is one licence-included software of one image builder. Key.Name is the
// builder's machine and the software's name: a later builder of the same name has
// nothing to do with it.
type Software struct {
	Meta `json:"-"`

	Machine string // of the builder
	Name    string
	Errors  []ImageError `json:",omitempty"` // why the last deployment failed
}

// SoftwareKey is where a software of a builder is kept.
func SoftwareKey(b *Builder, name string) Key {
	return Key{Scope: b.Key.Scope, Kind: KindSoftware, Name: b.Machine + "." + name}
}

// Alias finds the software of a builder.
func (n *Software) Alias() string { return n.Machine }
func (*Software) Schema() int     { return 1 }

const (
	SoftwareStaged        State = "STAGED_FOR_INSTALLATION"
	SoftwareInstalling    State = "PENDING_INSTALLATION"
	SoftwareInstalled     State = "INSTALLED"
	SoftwareStagedRemoval State = "STAGED_FOR_UNINSTALLATION"
	SoftwareRemoving      State = "PENDING_UNINSTALLATION"
	SoftwareInstallFailed State = "FAILED_TO_INSTALL"
	SoftwareRemovalFailed State = "FAILED_TO_UNINSTALL"
	SoftwareGone          State = "REMOVED" // nobody sees it: the row goes in the same transaction
	SoftwareAskInstall    Event = "ask-install"
	SoftwareAskRemove     Event = "ask-remove"
	SoftwareAskDeploy     Event = "ask-deploy"
	SoftwareAskRetry      Event = "ask-retry"
	SoftwareFound         Event = "found" // the image has it
	SoftwareDone          Event = "done"
	SoftwareBroke         Event = "failed"
)

// SoftwareMachine is the life of a software in an image builder. The words are
// AWS's; that taking back what was only staged leaves no trace, and that what
// could not be removed counts as installed when it is asked for again, is ours.
var SoftwareMachine = &Machine{
	Kind:    KindSoftware,
	Initial: SoftwareStaged,
	States: []State{SoftwareStaged, SoftwareInstalling, SoftwareInstalled, SoftwareStagedRemoval, SoftwareRemoving, SoftwareInstallFailed,
		SoftwareRemovalFailed, SoftwareGone},
	Final:  []State{SoftwareGone},
	Events: []Event{SoftwareAskInstall, SoftwareAskRemove, SoftwareAskDeploy, SoftwareAskRetry, SoftwareFound, SoftwareDone, SoftwareBroke},
	Rules: []Rule{
		{SoftwareStaged, SoftwareAskInstall, Ignore, ""},
		{SoftwareStaged, SoftwareAskRemove, Accept, SoftwareGone},
		{SoftwareStaged, SoftwareAskDeploy, Accept, SoftwareInstalling},
		{SoftwareStaged, SoftwareAskRetry, Accept, SoftwareInstalling},
		{SoftwareStaged, SoftwareFound, Accept, SoftwareInstalled},

		{SoftwareInstalling, SoftwareAskDeploy, Ignore, ""},
		{SoftwareInstalling, SoftwareAskRetry, Ignore, ""},
		{SoftwareInstalling, SoftwareDone, Accept, SoftwareInstalled},
		{SoftwareInstalling, SoftwareBroke, Accept, SoftwareInstallFailed},

		{SoftwareInstalled, SoftwareAskInstall, Ignore, ""},
		{SoftwareInstalled, SoftwareAskRemove, Accept, SoftwareStagedRemoval},
		{SoftwareInstalled, SoftwareAskDeploy, Ignore, ""},
		{SoftwareInstalled, SoftwareAskRetry, Ignore, ""},
		{SoftwareInstalled, SoftwareFound, Ignore, ""},
		{SoftwareInstalled, SoftwareDone, Ignore, ""},

		{SoftwareStagedRemoval, SoftwareAskInstall, Accept, SoftwareInstalled},
		{SoftwareStagedRemoval, SoftwareAskRemove, Ignore, ""},
		{SoftwareStagedRemoval, SoftwareAskDeploy, Accept, SoftwareRemoving},
		{SoftwareStagedRemoval, SoftwareAskRetry, Accept, SoftwareRemoving},

		{SoftwareRemoving, SoftwareAskDeploy, Ignore, ""},
		{SoftwareRemoving, SoftwareAskRetry, Ignore, ""},
		{SoftwareRemoving, SoftwareDone, Accept, SoftwareGone},
		{SoftwareRemoving, SoftwareBroke, Accept, SoftwareRemovalFailed},

		{SoftwareInstallFailed, SoftwareAskInstall, Accept, SoftwareStaged},
		{SoftwareInstallFailed, SoftwareAskRemove, Accept, SoftwareGone},
		{SoftwareInstallFailed, SoftwareAskDeploy, Ignore, ""},
		{SoftwareInstallFailed, SoftwareAskRetry, Accept, SoftwareInstalling},
		{SoftwareInstallFailed, SoftwareBroke, Ignore, ""},

		{SoftwareRemovalFailed, SoftwareAskInstall, Accept, SoftwareInstalled},
		{SoftwareRemovalFailed, SoftwareAskRemove, Accept, SoftwareStagedRemoval},
		{SoftwareRemovalFailed, SoftwareAskDeploy, Ignore, ""},
		{SoftwareRemovalFailed, SoftwareAskRetry, Accept, SoftwareRemoving},
		{SoftwareRemovalFailed, SoftwareBroke, Ignore, ""},

		{SoftwareGone, SoftwareAskRemove, Ignore, ""},
		{SoftwareGone, SoftwareDone, Ignore, ""},
	},
}

// SoftwareHas lists the states in which a software is in the guest.
func SoftwareHas(s State) bool {
	return s == SoftwareInstalled || s == SoftwareStagedRemoval || s == SoftwareRemoving || s == SoftwareRemovalFailed
}

// Systems that installers are for, as the guest tool calls its own.
const (
	SystemWindows = "windows"
	SystemLinux   = "linux"
	SystemFake    = "fake" // of machines that are not real
)

// Installer is how an operator lets a software be put into a guest. Commands are
// lines for the guest's shell (PowerShell on Windows, /bin/sh on Linux); the file,
// where there is one, is at $SLIPWAY_FILE ($env:SLIPWAY_FILE) meanwhile.
type Installer struct {
	Name      string `json:"name"`      // of the catalogue of software
	Platform  string `json:"platform"`  // SystemWindows, SystemLinux or SystemFake
	File      string `json:"file"`      // beside the manifest; "" for none
	SHA256    string `json:"sha256"`    // of the file, hexadecimal
	Install   string `json:"install"`   // installs and asks nothing
	Detect    string `json:"detect"`    // ends with 0 when it is installed
	Uninstall string `json:"uninstall"` // "": it cannot be removed
	Minutes   int    `json:"minutes"`   // a command may take; 0: 60
	Success   []int  `json:"success"`   // exit codes of success; none: 0, and 3010 and 1641 on Windows, which want a reboot
}

// Sum is the digest of the installer's file.
func (i Installer) Sum() (sum [32]byte) {
	_, _ = hex.Decode(sum[:], []byte(i.SHA256)) // was checked when it was read
	return sum
}

// Succeeded tells whether an exit code is one of success.
func (i Installer) Succeeded(exit int) bool {
	if len(i.Success) > 0 {
		return slices.Contains(i.Success, exit)
	}
	return exit == 0 || i.Platform == SystemWindows && (exit == 3010 || exit == 1641)
}

// Installers is what an operator provides. It does not change once it is made.
type Installers struct {
	Dir string // of the files; "" when they are in a bucket
	// Bucket has them as objects whose keys begin with Prefix, which ends with a
	// slash or is empty.
	Bucket, Prefix string
	list           []Installer
}

// Manifest is the name of the file that describes installers, beside them.
const Manifest = "manifest.json"

// InstallersAt is where installers are, in a directory or at s3://BUCKET/PREFIX;
// none are known yet.
func InstallersAt(place string) (*Installers, error) {
	at, ok := strings.CutPrefix(place, "s3://")
	if !ok {
		return &Installers{Dir: place}, nil
	}
	bucket, prefix, _ := strings.Cut(at, "/")
	if bucket == "" || strings.ContainsAny(at, "?#") {
		return nil, fmt.Errorf("%q is not s3://BUCKET/PREFIX", place)
	}
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	return &Installers{Bucket: bucket, Prefix: prefix}, nil
}

// Find finds the installer of a software for a system. nil has none.
func (s *Installers) Find(name, system string) (Installer, bool) {
	if s == nil {
		return Installer{}, false
	}
	i := slices.IndexFunc(s.list, func(i Installer) bool { return i.Name == name && i.Platform == system })
	if i < 0 {
		return Installer{}, false
	}
	return s.list[i], true
}

// Has tells whether there is an installer of a software for any system.
func (s *Installers) Has(name string) bool {
	return s != nil && slices.ContainsFunc(s.list, func(i Installer) bool { return i.Name == name })
}

// ReadInstallers reads the manifest of installers at a place:
//
//	{"software": [{"name": "Microsoft_Project_2021_Standard_64Bit", "platform": "windows",
//	  "file": "project.exe", "sha256": "…", "install": "& $env:SLIPWAY_FILE /quiet; exit $LASTEXITCODE",
//	  "detect": "…", "uninstall": "…"}]}
func (c *Catalogue) ReadInstallers(r io.Reader, place string) (*Installers, error) {
	var f struct {
		Software []Installer `json:"software"`
	}
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, err
	}
	out, err := InstallersAt(place)
	if err != nil {
		return nil, err
	}
	for _, i := range f.Software {
		if err := c.checkInstaller(i); err != nil {
			return nil, fmt.Errorf("%s: %w", i.Name, err)
		}
		if _, twice := out.Find(i.Name, i.Platform); twice {
			return nil, fmt.Errorf("%s is there twice for %s", i.Name, i.Platform)
		}
		out.list = append(out.list, i)
	}
	return out, nil
}

func (c *Catalogue) checkInstaller(i Installer) error {
	sum, err := hex.DecodeString(i.SHA256)
	switch {
	case !c.Software(i.Name):
		return errors.New("there is no licence-included software of this name")
	case i.Platform != SystemWindows && i.Platform != SystemLinux && i.Platform != SystemFake:
		return fmt.Errorf("the platform is windows or linux, not %q", i.Platform)
	case strings.TrimSpace(i.Install) == "" || strings.TrimSpace(i.Detect) == "":
		return errors.New("commands to install and to detect it are needed")
	case i.File != "" && !filepath.IsLocal(i.File):
		return fmt.Errorf("the file %q is not in the manifest's directory", i.File)
	case i.File != "" && (err != nil || len(sum) != 32):
		return errors.New("the file's SHA-256 is needed, 64 hexadecimal digits")
	case i.Minutes < 0 || i.Minutes > 24*60:
		return errors.New("a command may take up to 1440 minutes")
	}
	return nil
}
