package inspect

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"slipway/disk/facts"
	"slipway/disk/regf"
)

// system reads the state that HKLM\SYSTEM keeps.
func (x *windowsReader) system(h *regf.Hive, all []facts.Partition) error {
	if x.set == "" {
		return nil // said already
	}
	for _, p := range systemProbes {
		key, whole := strings.CutPrefix(p.key, `\`)
		if !whole {
			key = x.set + `\` + key
		}
		if err := x.ask(h, `HKLM\SYSTEM\`+key, key, p); err != nil {
			return err
		}
	}
	if err := x.upgrades(h); err != nil {
		return err
	}
	if err := x.interfaces(h); err != nil {
		return err
	}
	return x.letters(h, all)
}

// upgrades: Windows Setup keeps what it replaced below "Source OS (…)".
func (x *windowsReader) upgrades(h *regf.Hive) error {
	k, err := h.Key("Setup")
	if err != nil || k == nil {
		return err
	}
	subs, err := k.Subkeys()
	for _, s := range subs {
		if strings.HasPrefix(strings.ToLower(s.Name), "source os") {
			x.sign(facts.SourceOS, `HKLM\SYSTEM\Setup\`+s.Name, "", "", 0)
		}
	}
	return err
}

// interfaces notes network cards with an address of their own.
func (x *windowsReader) interfaces(h *regf.Hive) error {
	path := x.set + `\Services\Tcpip\Parameters\Interfaces`
	k, err := h.Key(path)
	if err != nil || k == nil {
		return err
	}
	subs, err := k.Subkeys()
	if err != nil {
		return err
	}
	for _, s := range subs {
		dhcp, err := s.Value("EnableDHCP")
		if err != nil {
			return err
		}
		address, err := s.Value("IPAddress")
		if err != nil {
			return err
		}
		n, ok := dhcp.Number()
		if a := address.Text(); ok && n == 0 && a != "" && a != "0.0.0.0" {
			x.value(facts.StaticIP, `HKLM\SYSTEM\`+path+`\`+s.Name, address)
		}
	}
	return nil
}

// letters reads which drive letters volumes have. A GPT volume is named by the
// GUID of its partition, one of an MBR disk by the disk's number and the offset.
func (x *windowsReader) letters(h *regf.Hive, all []facts.Partition) error {
	k, err := h.Key("MountedDevices")
	if err != nil || k == nil {
		return err
	}
	vs, err := k.Values()
	if err != nil {
		return err
	}
	slices.SortFunc(vs, func(a, b regf.Value) int { return strings.Compare(a.Name, b.Name) })
	for _, v := range vs {
		letter, ok := strings.CutPrefix(v.Name, `\DosDevices\`)
		if !ok || len(letter) != 2 {
			continue
		}
		var match func(facts.Partition) bool
		switch {
		case len(v.Data) == 24 && bytes.HasPrefix(v.Data, []byte("DMIO:ID:")):
			id := guid(v.Data[8:])
			match = func(p facts.Partition) bool { return p.GUID == id }
		case len(v.Data) == 12:
			at := int64(le.Uint64(v.Data[4:]))
			match = func(p facts.Partition) bool { return p.StartBytes == at && p.GUID == "" }
		default:
			continue // a removable medium
		}
		if i := slices.IndexFunc(all, match); i >= 0 {
			x.w.Letters = append(x.w.Letters, facts.Letter{Letter: clean(letter), Partition: all[i].Number})
		} else if len(x.w.OtherLetters) < 26 {
			x.w.OtherLetters = append(x.w.OtherLetters, clean(letter))
		}
	}
	return nil
}

// features notes server roles that are installed. Server Manager keeps what it
// last saw; 1 is "installed".
func (x *windowsReader) features(h *regf.Hive) error {
	const cache = `Microsoft\ServerManager\ServicingStorage\ServerComponentCache\`
	for _, f := range []struct{ fact, name string }{{facts.RDSSessionHost, "RDS-RD-Server"}, {facts.RDSLicensing, "RDS-Licensing"}} {
		k, err := h.Key(cache + f.name)
		if err != nil {
			return err
		}
		if k == nil {
			continue
		}
		v, err := k.Value("InstallState")
		if err != nil {
			return err
		}
		if n, ok := v.Number(); ok && n == 1 {
			x.value(f.fact, `HKLM\SOFTWARE\`+cache+f.name, v)
		}
	}
	return nil
}

// guards notes virus scanners that registered themselves, but for Defender.
func (x *windowsReader) guards(h *regf.Hive) error {
	const path, defender = `Microsoft\Security Center\Provider\Av`, "{D68DDC3A-831F-4FAE-9E44-DA132C1ACF46}"
	k, err := h.Key(path)
	if err != nil || k == nil {
		return err
	}
	subs, err := k.Subkeys()
	if err != nil {
		return err
	}
	for _, s := range subs {
		if strings.EqualFold(s.Name, defender) {
			continue
		}
		v, err := s.Value("DISPLAYNAME")
		if err != nil {
			return err
		}
		x.sign(facts.AntiVirus, `HKLM\SOFTWARE\`+path+`\`+s.Name, "DISPLAYNAME", v.Text(), 0)
	}
	return nil
}

// profiles lists the people who have logged on.
func (x *windowsReader) profiles(h *regf.Hive) error {
	const path = `Microsoft\Windows NT\CurrentVersion\ProfileList`
	k, err := h.Key(path)
	if err != nil || k == nil {
		return err
	}
	subs, err := k.Subkeys()
	if err != nil {
		return err
	}
	for _, s := range subs {
		if !strings.HasPrefix(s.Name, "S-1-5-21-") && !strings.HasPrefix(s.Name, "S-1-12-1-") {
			continue // not a person
		}
		v, err := s.Value("ProfileImagePath")
		if err != nil {
			return err
		}
		x.sign(facts.UserProfile, `HKLM\SOFTWARE\`+path+`\`+s.Name, "ProfileImagePath", v.Text(), 0)
	}
	return nil
}

// packages notes store applications that are installed for somebody or staged
// and not provisioned for everybody: Sysprep stumbles over them.
func (x *windowsReader) packages(h *regf.Hive) error {
	const path = `Microsoft\Windows\CurrentVersion\Appx\AppxAllUserStore`
	k, err := h.Key(path)
	if err != nil || k == nil {
		return err
	}
	every := map[string]bool{}
	names := func(key string) ([]*regf.Key, error) {
		s, err := k.Key(key)
		if err != nil || s == nil {
			return nil, err
		}
		return s.Subkeys()
	}
	for _, list := range []string{"Applications", "InboxApplications", "Deprovisioned"} {
		subs, err := names(list)
		if err != nil {
			return err
		}
		for _, s := range subs {
			every[family(s.Name)] = true
		}
	}
	subs, err := k.Subkeys()
	if err != nil {
		return err
	}
	for _, s := range subs {
		fact := facts.AppxUser
		if strings.EqualFold(s.Name, "Staged") {
			fact = facts.AppxStaged
		} else if !strings.HasPrefix(s.Name, "S-1-5-21-") {
			continue
		}
		packages, err := s.Subkeys()
		if err != nil {
			return err
		}
		for _, p := range packages {
			if !every[family(p.Name)] {
				x.sign(fact, `HKLM\SOFTWARE\`+path+`\`+s.Name+`\`+p.Name, "", "", 0)
			}
		}
	}
	return nil
}

// family is what stays the same in a package's name from version to version.
func family(full string) string {
	first, _, _ := strings.Cut(full, "_")
	return strings.ToLower(first)
}

// accounts looks for the administrator that WorkSpaces asks for.
func (x *windowsReader) accounts() error {
	h, err := x.vol.hive(configDir+"SAM", "SAM")
	if err != nil {
		if !x.vol.exists(configDir + "SAM") {
			return nil
		}
		return err
	}
	const domain, name = `SAM\Domains\Account\Users`, "WorkSpaces_BYOL"
	users, err := h.Key(domain)
	if err != nil || users == nil {
		return errors.Join(err, missing(users == nil))
	}
	x.sign(facts.SAMRead, `HKLM\SAM\`+domain, "", "", 0)
	k, err := users.Key(`Names\` + name)
	if err != nil || k == nil {
		return err
	}
	x.sign(facts.BYOLUser, `HKLM\SAM\`+domain+`\Names\`+k.Name, "", "", 0)
	v, err := k.Value("") // its type is the account's number
	if err != nil || v == nil {
		return err
	}
	id := fmt.Sprintf("%08X", v.Type)
	account, err := users.Key(id)
	if err != nil || account == nil {
		return err
	}
	f, err := account.Value("F")
	if err != nil {
		return err
	}
	const disabled = 1
	if f != nil && len(f.Data) >= 0x3A && le.Uint16(f.Data[0x38:])&disabled != 0 {
		x.sign(facts.BYOLUserOff, `HKLM\SAM\`+domain+`\`+id, "F", strconv.Itoa(int(le.Uint16(f.Data[0x38:]))), 0)
	}
	return x.administrator(h, v.Type, id)
}

func missing(yes bool) error {
	if yes {
		return fs.ErrNotExist
	}
	return nil
}

// administrator looks for the account among the members of Administrators.
func (x *windowsReader) administrator(h *regf.Hive, rid uint32, id string) error {
	const alias = `SAM\Domains\Builtin\Aliases\00000220`
	k, err := h.Key(alias)
	if err != nil || k == nil {
		return err
	}
	c, err := k.Value("C")
	if err != nil || c == nil {
		return err
	}
	// Members are security identifiers; those of people here end in the number.
	head := []byte{1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0}
	for b := c.Data; ; {
		i := bytes.Index(b, head)
		if i < 0 || len(b) < i+28 {
			break
		}
		if le.Uint32(b[i+24:]) == rid {
			return nil
		}
		b = b[i+28:]
	}
	x.sign(facts.BYOLUserPlain, `HKLM\SAM\`+alias, "C", id, 0)
	return nil
}
