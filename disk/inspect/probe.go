package inspect

import (
	"slices"
	"strconv"
	"strings"

	"slipway/disk/facts"
	"slipway/disk/regf"
)

const (
	maxSigns = 160
	maxPer   = 32   // signs of one fact
	maxValue = 4096 // bytes of a value that are kept
)

// probe is a question to a registry hive. A name asks for the value, "" for
// the mere existence of the key; "*" for each key below, "=" for each value.
type probe struct{ fact, key, name string }

// softwareProbes are below HKLM\SOFTWARE.
var softwareProbes = []probe{
	{facts.DotNet, `Microsoft\NET Framework Setup\NDP\v4\Full`, "Release"},
	{facts.PowerShell, `Microsoft\PowerShell\3\PowerShellEngine`, "PowerShellVersion"},
	{facts.RebootServicing, `Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending`, ""},
	{facts.RebootUpdate, `Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update\RebootRequired`, ""},
	{facts.ImageState, `Microsoft\Windows\CurrentVersion\Setup\State`, "ImageState"},
	{facts.Reserves, `Microsoft\Windows\CurrentVersion\ReserveManager`, "ShippedWithReserves"},
	{facts.ReservesActive, `Microsoft\Windows\CurrentVersion\ReserveManager`, "ActiveScenario"},
	{facts.UpdatesOff, `Policies\Microsoft\Windows\WindowsUpdate\AU`, "NoAutoUpdate"},
	{facts.UpdatesOption, `Policies\Microsoft\Windows\WindowsUpdate\AU`, "AUOptions"},
	{facts.AutoLogon, `Microsoft\Windows NT\CurrentVersion\Winlogon`, "AutoAdminLogon"},
	{facts.AutoLogonUser, `Microsoft\Windows NT\CurrentVersion\Winlogon`, "DefaultUserName"},
	{facts.FirewallPolicy, `Policies\Microsoft\WindowsFirewall\PublicProfile`, "EnableFirewall"},
	{facts.SQLServer, `Microsoft\Microsoft SQL Server\Instance Names\SQL`, "="},
	{facts.OfficeC2R, `Microsoft\Office\ClickToRun\Configuration`, "ProductReleaseIds"},
	{facts.GridLicence, `NVIDIA Corporation\Global\GridLicensing`, ""},
}

// systemProbes are below the current control set of HKLM\SYSTEM, those with a
// leading backslash below HKLM\SYSTEM itself.
var systemProbes = []probe{
	{facts.Language, `Control\Nls\Language`, "InstallLanguage"},
	{facts.Architecture, `Control\Session Manager\Environment`, "PROCESSOR_ARCHITECTURE"},
	{facts.SystemPath, `Control\Session Manager\Environment`, "Path"},
	{facts.FirmwareType, `Control`, "PEFirmwareType"},
	{facts.SecureBootState, `Control\SecureBoot\State`, "UEFISecureBootEnabled"},
	{facts.RebootRename, `Control\Session Manager`, "PendingFileRenameOperations"},
	{facts.Generalization, `\Setup\Status\SysprepStatus`, "GeneralizationState"},
	{facts.SetupRunning, `\Setup`, "SystemSetupInProgress"},
	{facts.SetupUpgrade, `\Setup\Upgrade`, ""},
	{facts.DomainName, `Services\Tcpip\Parameters`, "Domain"},
	{facts.NetlogonMode, `Services\Netlogon`, "Start"},
	{facts.AzureJoin, `Control\CloudDomainJoin\JoinInfo`, "*"},
	{facts.UpdatesService, `Services\wuauserv`, "Start"},
	{facts.ModulesStart, `Services\TrustedInstaller`, "Start"},
	{facts.TermService, `Services\TermService`, "Start"},
	{facts.RemoteDesktop, `Control\Terminal Server`, "fDenyTSConnections"},
	{facts.FirewallPublic, `Services\SharedAccess\Parameters\FirewallPolicy\PublicProfile`, "EnableFirewall"},
	{facts.TimeUniversal, `Control\TimeZoneInformation`, "RealTimeIsUniversal"},
	{facts.AutoMount, `Services\mountmgr`, "NoAutoMount"},
	{facts.MemoryIntegrity, `Control\DeviceGuard\Scenarios\HypervisorEnforcedCodeIntegrity`, "Enabled"},
	{facts.TLS12, `Control\SecurityProviders\SCHANNEL\Protocols\TLS 1.2\Client`, "Enabled"},
}

// serviceNames recognise products by the names of their services, in lower
// case; a name that ends with "*" is a beginning.
var serviceNames = []struct{ fact, name string }{
	{facts.SQLServer, "mssqlserver"}, {facts.SQLServer, "mssql$*"},
	{facts.RDSLicensing, "termservlicensing"},
	{facts.PCoIPAgent, "pcoipagent"}, {facts.PCoIPAgent, "pcoiparbiterservice"},
	{facts.DCVServer, "dcvserver"}, {facts.WorkSpacesHost, "skylightworkspaceconfigservice"},
	{facts.VMwareTools, "vmtools"}, {facts.VirtualBox, "vboxservice"},
	{facts.EC2LaunchV2, "amazon ec2launch"}, {facts.GPUDriver, "nvlddmkm"}, {facts.GPUDriver, "amdkmdag"},
	// Products that guard Windows beside its own Defender.
	{facts.AntiVirus, "mfeapfk"}, {facts.AntiVirus, "mcshield"}, {facts.AntiVirus, "savservice"}, {facts.AntiVirus, "sepmasterservice"},
	{facts.AntiVirus, "csagent"}, {facts.AntiVirus, "csfalconservice"}, {facts.AntiVirus, "sentinelagent"}, {facts.AntiVirus, "avp*"},
	{facts.AntiVirus, "ekrn"}, {facts.AntiVirus, "bdservicehost"}, {facts.AntiVirus, "tmbmserver"}, {facts.AntiVirus, "ntrtscan"},
	{facts.AntiVirus, "cylancesvc"}, {facts.AntiVirus, "avast! antivirus"}, {facts.AntiVirus, "sophos endpoint defense service"},
}

// filePaths recognise products by what they leave on the volume.
var filePaths = []struct{ fact, path string }{
	{facts.EC2LaunchV2, `Program Files\Amazon\EC2Launch\EC2Launch.exe`},
	{facts.EC2LaunchV1, `ProgramData\Amazon\EC2-Windows\Launch`},
	{facts.AppStreamAgent, `Program Files\Amazon\AppStream`}, {facts.AppStreamAgent, `Program Files\Amazon\Photon`},
	{facts.WorkSpacesHost, `Program Files\Amazon\WorkSpacesConfig`},
	{facts.PCoIPAgent, `Program Files\Teradici\PCoIP Agent`}, {facts.PCoIPAgent, `Program Files (x86)\Teradici\PCoIP Agent`},
	{facts.DCVServer, `Program Files\NICE\DCV\Server`},
	{facts.VMwareTools, `Program Files\VMware\VMware Tools`}, {facts.VirtualBox, `Program Files\Oracle\VirtualBox Guest Additions`},
	{facts.OfficeMSI, `Program Files\Microsoft Office\Office16\WINWORD.EXE`}, {facts.OfficeMSI, `Program Files\Microsoft Office\Office15\WINWORD.EXE`},
	{facts.OfficeMSI, `Program Files (x86)\Microsoft Office\Office16\WINWORD.EXE`}, {facts.OfficeMSI, `Program Files (x86)\Microsoft Office\Office15\WINWORD.EXE`},
	{facts.SysprepTool, `Windows\System32\Sysprep\sysprep.exe`},
	{facts.DefaultProfile, `Users\Default`},
}

// sign records one thing that was seen.
func (x *windowsReader) sign(fact, where, name, value string, number int64) {
	n := 0
	for _, s := range x.w.Signs {
		if s.Fact == fact {
			n++
		}
	}
	if n < maxPer && len(x.w.Signs) < maxSigns {
		x.w.Signs = append(x.w.Signs, facts.Sign{Fact: fact, Where: clean(where), Name: clean(name), Value: cleanTo(value, maxValue), Number: number})
	}
}

func (x *windowsReader) value(fact, where string, v *regf.Value) {
	if n, ok := v.Number(); ok {
		x.sign(fact, where, v.Name, strconv.FormatUint(n, 10), int64(n&(1<<62-1)))
		return
	}
	s := v.Text()
	n, _ := strconv.ParseInt(s, 10, 32) // some numbers are kept as text
	x.sign(fact, where, v.Name, s, n)
}

func (x *windowsReader) ask(h *regf.Hive, where, key string, p probe) error {
	k, err := h.Key(key)
	if err != nil || k == nil {
		return err
	}
	switch p.name {
	case "":
		x.sign(p.fact, where, "", "", 0)
	case "*":
		subs, err := k.Subkeys()
		for _, s := range subs {
			x.sign(p.fact, where+`\`+s.Name, "", "", 0)
		}
		return err
	case "=":
		vs, err := k.Values()
		for _, v := range vs {
			x.value(p.fact, where, &v)
		}
		return err
	default:
		v, err := k.Value(p.name)
		if err == nil && v != nil {
			x.value(p.fact, where, v)
		}
		return err
	}
	return nil
}

func (x *windowsReader) software(h *regf.Hive) error {
	for _, p := range softwareProbes {
		if err := x.ask(h, `HKLM\SOFTWARE\`+p.key, p.key, p); err != nil {
			return err
		}
	}
	if err := x.features(h); err != nil {
		return err
	}
	if err := x.guards(h); err != nil {
		return err
	}
	if err := x.profiles(h); err != nil {
		return err
	}
	return x.packages(h)
}

// products looks at the names of all services.
func (x *windowsReader) products(svcs *regf.Key) error {
	subs, err := svcs.Subkeys()
	if err != nil {
		return err
	}
	where := `HKLM\SYSTEM\` + x.set + `\Services\`
	for _, k := range subs {
		n := strings.ToLower(k.Name)
		for _, s := range serviceNames {
			if begin, ok := strings.CutSuffix(s.name, "*"); n == s.name || ok && strings.HasPrefix(n, begin) {
				x.sign(s.fact, where+k.Name, "", "", 0)
			}
		}
	}
	return x.domainAccounts(subs, where)
}

// domainAccounts notes services that log on with an account of a domain.
func (x *windowsReader) domainAccounts(subs []*regf.Key, where string) error {
	local := []string{"", ".", "nt authority", "nt service", "builtin", "localsystem", "workgroup"}
	for _, k := range subs {
		v, err := k.Value("ObjectName")
		if err != nil {
			return err
		}
		domain, _, ok := strings.Cut(v.Text(), `\`)
		if ok && !slices.Contains(local, strings.ToLower(domain)) && !strings.HasPrefix(v.Text(), `\`) {
			x.value(facts.DomainAccount, where+k.Name, v)
		}
	}
	return nil
}

func (x *windowsReader) files() error {
	for _, f := range filePaths {
		if x.vol.exists(f.path) {
			x.sign(f.fact, `C:\`+f.path, "", "", 0)
		}
	}
	return nil
}
