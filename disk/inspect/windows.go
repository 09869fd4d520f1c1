package inspect

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"www.velocidex.com/golang/go-ntfs/parser"
	"www.velocidex.com/golang/regparser"

	"slipway/disk/facts"
)

const (
	pageSize  = 4096
	pageCount = 4096 // 16 MiB of cache a reader
)

// errNotWindows says that an NTFS file system is readable and holds no Windows.
var errNotWindows = errors.New("no Windows registry")

// watched are the services that are looked for, with the driver file that has
// to exist ("" for programs).
var watched = []struct{ name, file string }{
	{facts.SvcNVMe, "stornvme.sys"}, {facts.SvcAWSNVMe, "awsnvme.sys"}, {facts.SvcENA, "ena.sys"},
	{facts.SvcVioSCSI, "vioscsi.sys"}, {facts.SvcVioStor, "viostor.sys"}, {facts.SvcNetKVM, "netkvm.sys"},
	{facts.SvcSSM, ""}, {facts.SvcQEMUGA, ""},
}

// readWindows asks an NTFS volume which Windows it holds.
func readWindows(disk *os.File, p facts.Partition) (w *facts.WindowsOS, problems []string, err error) {
	pages, err := parser.NewPagedReader(io.NewSectionReader(disk, p.StartBytes, p.SizeBytes), pageSize, pageCount)
	if err != nil {
		return nil, nil, err
	}
	// The section starts at the volume: with an offset instead, this library
	// fails on volumes behind the first ones.
	vol, err := parser.GetNTFSContext(pages, 0)
	if err != nil {
		return nil, nil, err
	}
	root, err := vol.GetMFT(5)
	if err != nil {
		return nil, nil, err
	}
	config, err := root.Open(vol, "Windows/System32/config")
	if err != nil {
		if len(root.Dir(vol)) == 0 { // even an empty volume lists its own metadata files
			return nil, nil, errors.New("the root directory could not be read")
		}
		if _, err := root.Open(vol, "Windows/System32"); err == nil {
			return nil, nil, errors.New("the directory of the registry could not be read")
		}
		return nil, nil, errNotWindows
	}
	software, err := openHive(vol, config, "SOFTWARE")
	if err != nil {
		return nil, nil, err
	}
	w = &facts.WindowsOS{Partition: p.Number}
	w.Unclean = unclean(software)
	if !product(software, w) {
		problems = append(problems, "The registry does not say which Windows this is.")
	}
	system, err := openHive(vol, config, "SYSTEM")
	if err != nil {
		return w, append(problems, "The drivers of Windows could not be listed: its SYSTEM registry hive could not be read."), nil
	}
	w.Unclean = w.Unclean || unclean(system)
	if err := services(system, driverFiles(vol, root), w); err != nil {
		problems = append(problems, "The drivers of Windows could not be listed: "+err.Error()+".")
	}
	if w.Unclean {
		problems = append(problems, "Windows was not shut down cleanly; the newest changes of its registry were not looked at.")
	}
	return w, problems, nil
}

func openHive(vol *parser.NTFSContext, dir *parser.MFT_ENTRY, name string) (*regparser.Registry, error) {
	e, err := dir.Open(vol, name)
	if err != nil {
		return nil, fmt.Errorf("the registry hive %s is missing", name)
	}
	data, err := parser.OpenStream(vol, e, 128, parser.WILDCARD_STREAM_ID, parser.WILDCARD_STREAM_NAME) // 128: $DATA
	if err != nil {
		return nil, fmt.Errorf("the registry hive %s: %w", name, err)
	}
	pages, err := parser.NewPagedReader(data, pageSize, pageCount)
	if err != nil {
		return nil, err
	}
	reg, err := regparser.NewRegistry(pages)
	if err != nil {
		return nil, fmt.Errorf("the registry hive %s: %w", name, err)
	}
	return reg, nil
}

// unclean: the two sequence numbers of a hive differ while it is being written.
func unclean(r *regparser.Registry) bool {
	return r.BaseBlock.Sequence1() != r.BaseBlock.Sequence2()
}

func product(r *regparser.Registry, w *facts.WindowsOS) bool {
	k := r.OpenKey(`Microsoft\Windows NT\CurrentVersion`)
	if k == nil {
		return false
	}
	for _, v := range k.Values() {
		switch d := v.ValueData(); strings.ToLower(v.ValueName()) {
		case "productname":
			w.ProductName = text(d)
		case "editionid":
			w.EditionID = text(d)
		case "installationtype":
			w.InstallationType = text(d)
		case "currentbuildnumber":
			w.Build, _ = strconv.Atoi(text(d))
		case "ubr":
			w.UBR = int(d.Uint64 & 0x7FFFFFFF)
		case "displayversion":
			w.DisplayVersion = text(d)
		}
	}
	w.Client = strings.EqualFold(w.InstallationType, "Client")
	w.Core = strings.EqualFold(w.InstallationType, "Server Core")
	w.Name = windowsName(w)
	return w.Build != 0 && w.InstallationType != ""
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

func text(d *regparser.ValueData) string { return clean(strings.TrimRight(d.String, "\x00")) }

// driverFiles lists System32\drivers in lower case; nil when it cannot be read.
func driverFiles(vol *parser.NTFSContext, root *parser.MFT_ENTRY) map[string]bool {
	dir, err := root.Open(vol, "Windows/System32/drivers")
	if err != nil {
		return nil
	}
	out := map[string]bool{}
	for _, e := range dir.Dir(vol) {
		out[strings.ToLower(e.File().Name())] = true
	}
	return out
}

func value(k *regparser.CM_KEY_NODE, name string) (uint64, bool) {
	for _, v := range k.Values() {
		if strings.EqualFold(v.ValueName(), name) {
			return v.ValueData().Uint64, true
		}
	}
	return 0, false
}

func services(r *regparser.Registry, files map[string]bool, w *facts.WindowsOS) error {
	sel := r.OpenKey("Select")
	if sel == nil {
		return errors.New("the registry has no control set")
	}
	current, ok := value(sel, "Current")
	if !ok || current == 0 || current > 999 {
		return errors.New("the registry names no current control set")
	}
	svcs := r.OpenKey(fmt.Sprintf(`ControlSet%03d\Services`, current))
	if svcs == nil {
		return errors.New("the current control set has no services")
	}
	want := map[string]*facts.Service{}
	for _, x := range watched {
		want[strings.ToLower(x.name)] = nil
	}
	for _, k := range svcs.Subkeys() {
		n := strings.ToLower(k.Name())
		if _, ok := want[n]; !ok {
			continue
		}
		start, ok := value(k, "Start")
		if !ok || start > facts.StartDisabled {
			continue
		}
		for _, sub := range k.Subkeys() { // set when Windows found the device at an earlier boot
			if strings.EqualFold(sub.Name(), "StartOverride") {
				if o, ok := value(sub, "0"); ok && o <= facts.StartDisabled {
					start = o
				}
			}
		}
		want[n] = &facts.Service{Start: int(start)}
	}
	for _, x := range watched {
		if s := want[strings.ToLower(x.name)]; s != nil {
			s.Name, s.File = x.name, x.file != "" && files[x.file]
			w.Services = append(w.Services, *s)
		}
	}
	return nil
}
