package rules

import (
	"strings"

	"slipway/disk/facts"
)

// desktopStateRules are those of the BYOL checker about settings, programs and
// accounts.
func desktopStateRules() []Rule {
	const svc = `HKLM\SYSTEM\…\Services\`
	disabled := func(n int64) bool { return n == facts.StartDisabled }
	on := func(n int64) bool { return n == 1 }
	return []Rule{
		byol("desktop-powershell", "OutdatedPowershellVersion", "Windows PowerShell is 4 or newer.", `HKLM\SOFTWARE\Microsoft\PowerShell\3\PowerShellEngine: PowerShellVersion`, "Install Windows Management Framework 5.1.", powershell(4, 0)),
		byol("desktop-update", "WindowsUpdatesEnabled", "Windows Update is off.", `HKLM\SOFTWARE\Policies\…\WindowsUpdate\AU: NoAutoUpdate, AUOptions; service wuauserv: Start`, "Set NoAutoUpdate to 1, or disable the service wuauserv.", updates),
		byol("desktop-reboot", "PendingReboot", "No restart is pending.", `HKLM\SOFTWARE\…\Component Based Servicing\RebootPending, …\WindowsUpdate\Auto Update\RebootRequired; HKLM\SYSTEM\…\Session Manager: PendingFileRenameOperations`,
			"Restart the source machine until Windows asks no more, then shut it down.", pendingReboot),
		byol("desktop-account", "WorkspacesBYOLAccountNotFound", "There is a local administrator WorkSpaces_BYOL.", `HKLM\SAM\SAM\Domains\Account\Users\Names\WorkSpaces_BYOL; members of Administrators`,
			"Create it: net user WorkSpaces_BYOL * /add, then net localgroup Administrators WorkSpaces_BYOL /add.", byolAccount),
		byol("desktop-account-enabled", "WorkspacesBYOLAccountDisabled", "The account WorkSpaces_BYOL is enabled.", `HKLM\SAM\SAM\Domains\Account\Users\…: F, account flags`, "Enable it: net user WorkSpaces_BYOL /active:yes.", sees(facts.BYOLUserOff, "The account WorkSpaces_BYOL is disabled.")),
		byol("desktop-domain", "DomainJoined", "The machine is in no domain.", svc+`Tcpip\Parameters: Domain; `+svc+`Netlogon: Start is 2`, "Remove the machine from its domain and restart.", domainJoined),
		byol("desktop-azure", "AzureDomainJoined", "The machine is not joined to Microsoft Entra ID.", `HKLM\SYSTEM\…\CloudDomainJoin\JoinInfo has keys`, "Leave it: dsregcmd /leave.", sees(facts.AzureJoin, "The machine is joined to Microsoft Entra ID.")),
		byol("desktop-domain-services", "DomainAccountServicesFound", "No service logs on with an account of a domain.", svc+`…: ObjectName`, "Give the service a local account, or remove it.", sees(facts.DomainAccount, "A service logs on with an account of a domain.")),
		byol("desktop-static-address", "DHCPDisabled", "Every network card uses DHCP.", svc+`Tcpip\Parameters\Interfaces\…: EnableDHCP is 0 and IPAddress is set`, "Set the card to obtain its address automatically.", sees(facts.StaticIP, "A network card has a fixed address.")),
		byol("desktop-firewall", "FirewallEnabled", "The firewall is off for public networks.", svc+`SharedAccess\…\PublicProfile: EnableFirewall; HKLM\SOFTWARE\Policies\Microsoft\WindowsFirewall\PublicProfile`,
			"Turn it off for the import: netsh advfirewall set publicprofile state off.", firewall),
		byol("desktop-auto-logon", "AutoLogonEnabled", "Nobody is logged on automatically.", `HKLM\SOFTWARE\…\Winlogon: AutoAdminLogon is 1`, "Set AutoAdminLogon to 0.", number(facts.AutoLogon, "Windows logs somebody on when it starts.", on)),
		byol("desktop-clock", "RealTimeUniversalDisabled", "The clock of the machine is taken as UTC.", `HKLM\SYSTEM\…\TimeZoneInformation: RealTimeIsUniversal is 1`, `Add the DWORD RealTimeIsUniversal = 1 to HKLM\SYSTEM\CurrentControlSet\Control\TimeZoneInformation.`, func(f *facts.Facts) hit {
			s, ok := f.Windows.Sign(facts.TimeUniversal)
			if ok && s.Number == 1 {
				return hit{}
			}
			h := cite(s, "Windows takes the clock of the machine as local time.")
			if !ok {
				h.where = `HKLM\SYSTEM\…\Control\TimeZoneInformation: RealTimeIsUniversal is not there`
			}
			return h
		}),
		byol("desktop-office", "OfficeInstalled", "No Office but Microsoft 365 Apps is installed.", `C:\Program Files\Microsoft Office\Office15 or 16; HKLM\SOFTWARE\Microsoft\Office\ClickToRun\Configuration: ProductReleaseIds`, "Uninstall it; Microsoft 365 Apps may stay.", office),
		byol("desktop-pcoip", "PCoIPAgentInstalled", "No PCoIP agent is installed.", "services PCoIPAgent, PCoIPArbiterService; their directories", "Uninstall the PCoIP agent.", sees(facts.PCoIPAgent, "A PCoIP agent is installed.")),
		byol("desktop-vmware", "VMWareToolsInstalled", "VMware Tools are not installed.", `service VMTools; C:\Program Files\VMware\VMware Tools`, "Uninstall VMware Tools in the source machine.", sees(facts.VMwareTools, "VMware Tools are installed.")),
		byol("desktop-antivirus", "AntiVirusInstalled", "No virus scanner but Defender is installed.", `HKLM\SOFTWARE\Microsoft\Security Center\Provider\Av; services of well-known products`, "Uninstall it; it can be installed again in the WorkSpace.", sees(facts.AntiVirus, "A virus scanner is installed.")),
		byol("desktop-ssm", "AmazonSsmAgentEnabled", "The Amazon SSM Agent does not start.", svc+`AmazonSSMAgent: Start below 4`, "Uninstall the agent, or disable its service.", func(f *facts.Facts) hit {
			if s, ok := f.Windows.Service(facts.SvcSSM); ok && s.Start < facts.StartDisabled {
				return hit{found: "The Amazon SSM Agent is enabled.", where: svc + "AmazonSSMAgent: Start"}
			}
			return hit{}
		}),
		warn(byol("desktop-appx", "AppXPackagesInstalled", "Store applications are installed for everybody or for nobody.", `HKLM\SOFTWARE\…\Appx\AppxAllUserStore\S-1-5-21-…, less those provisioned`, "Remove them: Get-AppxPackage -AllUsers | Remove-AppxPackage. The import cleans up once by itself.",
			sees(facts.AppxUser, "A store application is installed for one user only; Sysprep stumbles over it."))),
		warn(byol("desktop-appx-staged", "StagedAppxPackage", "No store application is only staged.", `HKLM\SOFTWARE\…\Appx\AppxAllUserStore\Staged, less those provisioned`, "Remove them: Get-AppxPackage -AllUsers | Remove-AppxPackage. The import cleans up once by itself.",
			sees(facts.AppxStaged, "A store application is staged and not installed."))),
		warn(byol("desktop-profiles", "MultipleUserProfiles", "One person has a profile at most.", `HKLM\SOFTWARE\…\ProfileList: S-1-5-21-…, but for WorkSpaces_BYOL`, "Delete the other profiles.", manyProfiles)),
		byol("desktop-path", "EnvironmentVariablesPathMissingEntries", "The path of the system has what Windows puts there.", `HKLM\SYSTEM\…\Session Manager\Environment: Path`, `Add what is missing of %SystemRoot%\system32 and %SystemRoot%.`, systemPath),
		byol("desktop-remote-desktop", "RemoteDesktopServicesDisabled", "Remote Desktop Services can start.", svc+`TermService: Start is 4`, "Set the service TermService to manual.", number(facts.TermService, "The service TermService is disabled.", disabled)),
		byol("desktop-modules-installer", "WindowsModulesInstallerDisabled", "Windows Modules Installer can start.", svc+`TrustedInstaller: Start is 4`, "Set the service TrustedInstaller to manual.", number(facts.ModulesStart, "The service TrustedInstaller is disabled.", disabled)),
		byol("desktop-tls", "UnsupportedSecurityProtocol", "TLS 1.2 is allowed.", `HKLM\SYSTEM\…\SCHANNEL\Protocols\TLS 1.2\Client: Enabled is 0`, "Delete the value, or set it to 1.", number(facts.TLS12, "TLS 1.2 is switched off.", func(n int64) bool { return n == 0 })),
	}
}

func byolAccount(f *facts.Facts) hit {
	read, ok := f.Windows.Sign(facts.SAMRead)
	if !ok {
		return hit{} // not known
	}
	if !f.Windows.Has(facts.BYOLUser) {
		read.Where += `\Names`
		return cite(read, "There is no local account WorkSpaces_BYOL.")
	}
	return sees(facts.BYOLUserPlain, "The account WorkSpaces_BYOL is not an administrator.")(f)
}

// domainJoined: the name alone may be a mere suffix of DNS; members of a domain
// start Netlogon by themselves.
func domainJoined(f *facts.Facts) hit {
	const automatic = 2
	s, ok := f.Windows.Sign(facts.DomainName)
	start, known := f.Windows.Number(facts.NetlogonMode)
	if !ok || s.Value == "" || known && start != automatic {
		return hit{}
	}
	return cite(s, "The machine is a member of a domain.")
}

// firewall: a policy wins over the setting, and without either it is on.
func firewall(f *facts.Facts) hit {
	const found = "The firewall is on for public networks."
	for _, fact := range []string{facts.FirewallPolicy, facts.FirewallPublic} {
		if s, ok := f.Windows.Sign(fact); ok {
			if s.Number == 0 {
				return hit{}
			}
			return cite(s, found)
		}
	}
	return hit{found: found}
}

// office: Microsoft 365 Apps may stay; what is bought once may not.
func office(f *facts.Facts) hit {
	if s, ok := f.Windows.Sign(facts.OfficeMSI); ok {
		return cite(s, "Office is installed with Windows Installer.")
	}
	s, ok := f.Windows.Sign(facts.OfficeC2R)
	if !ok {
		return hit{}
	}
	for id := range strings.SplitSeq(s.Value, ",") {
		if id = strings.TrimSpace(id); id != "" && !strings.HasPrefix(strings.ToUpper(id), "O365") {
			return cite(s, "Office is installed: "+id+".")
		}
	}
	return hit{}
}

func manyProfiles(f *facts.Facts) hit {
	var names []string
	where := ""
	for _, s := range f.Windows.All(facts.UserProfile) {
		if name := s.Value[strings.LastIndexByte(s.Value, '\\')+1:]; !strings.EqualFold(name, "WorkSpaces_BYOL") {
			names, where = append(names, name), s.Where
		}
	}
	if len(names) < 2 {
		return hit{}
	}
	return hit{found: "More than one person has a profile.", where: where, value: strings.Join(names, ", ")}
}

func systemPath(f *facts.Facts) hit {
	s, ok := f.Windows.Sign(facts.SystemPath)
	if !ok {
		return hit{}
	}
	have := map[string]bool{}
	for e := range strings.SplitSeq(strings.ToLower(s.Value), ";") {
		e = strings.TrimSuffix(strings.ReplaceAll(strings.TrimSpace(e), `c:\windows`, "%systemroot%"), `\`)
		have[strings.ReplaceAll(e, "%windir%", "%systemroot%")] = true
	}
	for _, want := range []string{`%systemroot%\system32`, "%systemroot%"} {
		if !have[want] {
			return cite(s, "The path lacks "+want+".")
		}
	}
	return hit{}
}
