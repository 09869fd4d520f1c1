package compute

import (
	"path/filepath"
	"regexp"
	"strings"

	"slipway/fault"
)

var idPattern = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)

// CheckID refuses an ID that a driver could not use as a name (BadValue).
func CheckID(id string) error {
	if !idPattern.MatchString(id) {
		return fault.New(fault.BadValue, "A machine ID must have 1 to 40 characters of a-z, 0-9 and hyphen.")
	}
	return nil
}

// Checked returns the specification with its defaults filled in, or BadValue.
// Every driver calls it first in Start; it touches no file.
func (s Spec) Checked() (Spec, error) {
	if err := CheckID(s.ID); err != nil {
		return s, err
	}
	if s.CPUs < 1 || s.CPUs > 256 {
		return s, fault.New(fault.BadValue, "A machine needs 1 to 256 processors, not %d.", s.CPUs)
	}
	if s.MemoryMB < 128 || s.MemoryMB > 16<<20 {
		return s, fault.New(fault.BadValue, "A machine needs 128 MiB to 16 TiB of memory, not %d MiB.", s.MemoryMB)
	}
	if s.Bus == "" {
		s.Bus = NVMe
	}
	if s.NIC == "" {
		s.NIC = E1000e
	}
	if s.Bus != NVMe && s.Bus != VirtioBlk {
		return s, fault.New(fault.BadValue, "A disk cannot be attached as %q.", s.Bus)
	}
	if s.NIC != E1000e && s.NIC != VirtioNet {
		return s, fault.New(fault.BadValue, "There is no network card %q.", s.NIC)
	}
	if d := s.StateDir; d != "" && (!filepath.IsAbs(d) || filepath.Clean(d) != d || strings.ContainsRune(d, ',')) {
		return s, fault.New(fault.BadValue, "The directory for a machine's state is named by an absolute, clean path without a comma.")
	}
	if err := s.Network.checked(); err != nil {
		return s, err
	}
	if c := s.CD; c != "" && (!filepath.IsAbs(c) || filepath.Clean(c) != c) {
		return s, fault.New(fault.BadValue, "The image in a CD drive is named by an absolute, clean path.")
	}
	if len(s.Disk.Chain) == 0 {
		return s, fault.New(fault.BadValue, "A machine needs a disk.")
	}
	for i, f := range s.Disk.Chain {
		switch {
		case f.Format != "raw" && f.Format != "qcow2":
			return s, fault.New(fault.BadValue, "A disk layer is raw or qcow2, not %q.", f.Format)
		case f.Format == "raw" && i != len(s.Disk.Chain)-1:
			return s, fault.New(fault.BadValue, "A raw disk layer has nothing below it.")
		case !filepath.IsAbs(f.Path) || filepath.Clean(f.Path) != f.Path:
			return s, fault.New(fault.BadValue, "A disk layer is named by an absolute, clean path.")
		}
	}
	return s, nil
}
