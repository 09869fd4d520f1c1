package inspect

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"slipway/disk/facts"
	"slipway/disk/regf"
)

// errNotWindows says that an NTFS file system is readable and holds no Windows.
var errNotWindows = errors.New("no Windows registry")

const configDir = "Windows/System32/config/"

// watched are the services that are looked for, with the driver file that has
// to exist ("" for programs).
var watched = []struct{ name, file string }{
	{facts.SvcNVMe, "stornvme.sys"}, {facts.SvcAWSNVMe, "awsnvme.sys"}, {facts.SvcENA, "ena.sys"},
	{facts.SvcVioSCSI, "vioscsi.sys"}, {facts.SvcVioStor, "viostor.sys"}, {facts.SvcNetKVM, "netkvm.sys"},
	{facts.SvcPVSCSI, "pvscsi.sys"}, {facts.SvcVMXNet3, "vmxnet3.sys"},
	{facts.SvcE1000, "e1i65x64.sys"}, {facts.SvcXenDisk, "xenvbd.sys"}, {facts.SvcXenNet, "xennet.sys"},
	{facts.SvcNVIDIA, ""}, {facts.SvcAMDGPU, ""}, // display drivers live in the driver store
	{facts.SvcSSM, ""}, {facts.SvcQEMUGA, ""},
}

// windowsReader is one look at a Windows volume.
type windowsReader struct {
	w        *facts.WindowsOS
	vol      *ntfsVolume
	set      string // "ControlSet001"
	problems []string
}

// readWindows asks an NTFS volume which Windows it holds.
func readWindows(disk io.ReaderAt, p facts.Partition, all []facts.Partition) (w *facts.WindowsOS, problems []string, err error) {
	vol, err := openNTFS(disk, p)
	if err != nil {
		return nil, nil, err
	}
	if _, err := vol.find(configDir); err != nil {
		if root, lerr := vol.list(mftRoot); lerr != nil || len(root) == 0 { // even an empty volume lists its own metadata files
			return nil, nil, errors.New("the root directory could not be read")
		}
		if vol.exists("Windows/System32") {
			return nil, nil, errors.New("the directory of the registry could not be read")
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, err
		}
		return nil, nil, errNotWindows
	}
	software, err := vol.hive(configDir+"SOFTWARE", "SOFTWARE")
	if err != nil {
		return nil, nil, err
	}
	x := &windowsReader{w: &facts.WindowsOS{Partition: p.Number}, vol: vol}
	x.w.Unclean = software.Unclean()
	if known, err := product(software, x.w); err != nil {
		return nil, nil, fmt.Errorf("the registry hive SOFTWARE: %w", err)
	} else if !known {
		x.problem("The registry does not say which Windows this is.")
	}
	x.attempt("The registry hive SOFTWARE was not read to its end", func() error { return x.software(software) })
	system, err := vol.hive(configDir+"SYSTEM", "SYSTEM")
	if err != nil {
		x.problem("The drivers of Windows could not be listed: its SYSTEM registry hive could not be read.")
	} else {
		x.w.Unclean = x.w.Unclean || system.Unclean()
		x.attempt("The drivers of Windows could not be listed", func() error { return x.services(system) })
		x.attempt("The registry hive SYSTEM was not read to its end", func() error { return x.system(system, all) })
	}
	x.attempt("The accounts of Windows could not be listed", x.accounts)
	x.attempt("The programs of Windows could not be listed", x.files)
	x.attempt("The free space of the Windows volume could not be counted", func() (err error) {
		x.w.FreeBytes, err = vol.free()
		x.w.FreeKnown = err == nil
		return err
	})
	if x.w.Unclean {
		x.problem("Windows was not shut down cleanly; the newest changes of its registry were not looked at.")
	}
	return x.w, x.problems, nil
}

func (x *windowsReader) problem(s string) { x.problems = append(x.problems, s) }

// attempt does a part of the look that the others do not need.
func (x *windowsReader) attempt(otherwise string, part func() error) {
	if err := guard(part); err != nil {
		x.problem(otherwise + ": " + clean(err.Error()) + ".")
	}
}

func product(r *regf.Hive, w *facts.WindowsOS) (known bool, err error) {
	k, err := r.Key(`Microsoft\Windows NT\CurrentVersion`)
	if err != nil || k == nil {
		return false, err
	}
	vs, err := k.Values()
	if err != nil {
		return false, err
	}
	for _, v := range vs {
		switch s := clean(v.Text()); strings.ToLower(v.Name) {
		case "productname":
			w.ProductName = s
		case "editionid":
			w.EditionID = s
		case "installationtype":
			w.InstallationType = s
		case "currentbuildnumber":
			w.Build, _ = strconv.Atoi(s)
		case "ubr":
			n, _ := v.Number()
			w.UBR = int(n & 0x7FFFFFFF)
		case "displayversion":
			w.DisplayVersion = s
		}
	}
	w.Client = strings.EqualFold(w.InstallationType, "Client")
	w.Core = strings.EqualFold(w.InstallationType, "Server Core")
	w.Name = windowsName(w)
	return w.Build != 0 && w.InstallationType != "", nil
}

// windowsName derives the name people use. ProductName cannot be believed: it
// says "Windows 10" on Windows 11.
func windowsName(w *facts.WindowsOS) string {
	if w.Client {
		switch {
		case w.Build >= 22000:
			return "Windows 11"
		case w.Build >= 10240:
			return "Windows 10"
		}
		return ""
	}
	if !strings.HasPrefix(strings.ToLower(w.InstallationType), "server") {
		return ""
	}
	return map[int]string{14393: "Windows Server 2016", 17763: "Windows Server 2019",
		20348: "Windows Server 2022", 26100: "Windows Server 2025"}[w.Build]
}

// controlSet names the control set that Windows starts with.
func controlSet(r *regf.Hive) (string, error) {
	sel, err := r.Key("Select")
	if err != nil {
		return "", err
	}
	if sel == nil {
		return "", errors.New("the registry has no control set")
	}
	v, err := sel.Value("Current")
	if err != nil {
		return "", err
	}
	n, ok := v.Number()
	if !ok || n == 0 || n > 999 {
		return "", errors.New("the registry names no current control set")
	}
	return fmt.Sprintf("ControlSet%03d", n), nil
}

// services reads the drivers and programs that are watched, and recognises
// products by the names of their services.
func (x *windowsReader) services(r *regf.Hive) (err error) {
	if x.set, err = controlSet(r); err != nil {
		return err
	}
	svcs, err := r.Key(x.set + `\Services`)
	if err != nil {
		return err
	}
	if svcs == nil {
		return errors.New("the current control set has no services")
	}
	files := map[string]bool{}
	for _, n := range x.vol.names("Windows/System32/drivers") {
		files[strings.ToLower(n)] = true
	}
	for _, s := range watched {
		k, err := svcs.Key(s.name)
		if err != nil {
			return err
		}
		if k == nil {
			continue
		}
		start, ok := startType(k)
		if ok {
			x.w.Services = append(x.w.Services, facts.Service{Name: s.name, Start: start, File: s.file != "" && files[s.file]})
		}
	}
	return x.products(svcs)
}

// startType is when a driver or service starts. Windows sets an override when
// it found the device at an earlier boot.
func startType(k *regf.Key) (int, bool) {
	v, err := k.Value("Start")
	n, ok := v.Number()
	if err != nil || !ok || n > facts.StartDisabled {
		return 0, false
	}
	if o, err := k.Key("StartOverride"); err == nil && o != nil {
		if v, err := o.Value("0"); err == nil {
			if m, ok := v.Number(); ok && m <= facts.StartDisabled {
				n = m
			}
		}
	}
	return int(n), true
}
