package facts

// Sign is one thing that was seen in the registry or in the file system of
// Windows, as it stands there: what it means is for the rules to say.
type Sign struct {
	Fact   string `json:"fact"`            // one of the constants below
	Where  string `json:"where"`           // a registry key, `HKLM\…`, or a path, `C:\…`
	Name   string `json:"name,omitempty"`  // of the registry value
	Value  string `json:"value,omitempty"` // text, or a number in decimal
	Number int64  `json:"number,omitempty"`
}

// What signs are about.
const (
	Language        = "language"
	DotNet          = "dotnet-release"
	PowerShell      = "powershell-version"
	FirmwareType    = "firmware-type" // 1 BIOS, 2 UEFI: as it last started
	SecureBootState = "secure-boot-state"
	Architecture    = "architecture"

	RebootServicing = "reboot-servicing"
	RebootUpdate    = "reboot-update"
	RebootRename    = "reboot-rename"

	ImageState      = "image-state"
	Generalization  = "generalization-state"
	SetupRunning    = "setup-running"
	SysprepTool     = "sysprep-tool"
	SourceOS        = "source-os"     // left by an upgrade in place
	SetupUpgrade    = "setup-upgrade" // left by an upgrade in place
	Reserves        = "shipped-with-reserves"
	ReservesActive  = "reserves-active"
	MemoryIntegrity = "memory-integrity"

	DomainName   = "domain"
	NetlogonMode = "netlogon-start"
	AzureJoin    = "azure-join"
	StaticIP     = "static-ip"

	UpdatesOff     = "updates-off"     // NoAutoUpdate
	UpdatesOption  = "updates-option"  // AUOptions
	UpdatesService = "updates-service" // start type of wuauserv
	ModulesStart   = "modules-installer-start"
	RemoteDesktop  = "remote-desktop-denied" // fDenyTSConnections
	TermService    = "term-service-start"

	AutoLogon      = "auto-logon"
	AutoLogonUser  = "auto-logon-user"
	FirewallPublic = "firewall-public"
	FirewallPolicy = "firewall-policy"
	TimeUniversal  = "time-universal"
	AutoMount      = "auto-mount"
	TLS12          = "tls12-client"
	SystemPath     = "system-path"
	DomainAccount  = "domain-account-service"
	UserProfile    = "user-profile"
	DefaultProfile = "default-profile"
	AppxUser       = "appx-user"
	AppxStaged     = "appx-staged"
	BYOLUser       = "byol-user"
	BYOLUserOff    = "byol-user-disabled"
	BYOLUserPlain  = "byol-user-no-administrator"
	SAMRead        = "accounts-read" // the accounts could be read

	RDSSessionHost = "rds-session-host"
	RDSLicensing   = "rds-licensing"
	SQLServer      = "sql-server"
	OfficeMSI      = "office-msi"
	OfficeC2R      = "office-click-to-run"
	AntiVirus      = "antivirus"
	EC2LaunchV2    = "ec2launch-v2"
	EC2LaunchV1    = "ec2launch-v1"
	AppStreamAgent = "appstream-agent"
	WorkSpacesHost = "workspaces-agent"
	PCoIPAgent     = "pcoip-agent"
	DCVServer      = "dcv-server"
	VMwareTools    = "vmware-tools"
	VirtualBox     = "virtualbox-additions"
	GPUDriver      = "gpu-driver"
	GridLicence    = "grid-licence"
)

// Windows services that are looked for.
const (
	SvcNVMe    = "stornvme"
	SvcAWSNVMe = "AWSNVMe"
	SvcENA     = "ena"
	SvcVioSCSI = "vioscsi"
	SvcVioStor = "viostor"
	SvcNetKVM  = "netkvm"
	SvcSSM     = "AmazonSSMAgent"
	SvcQEMUGA  = "QEMU-GA"
	SvcNVIDIA  = "nvlddmkm"
	SvcAMDGPU  = "amdkmdag"
	SvcE1000   = "e1i65x64"
	SvcXenDisk = "xenvbd"
	SvcXenNet  = "xennet"
	SvcPVSCSI  = "pvscsi"
	SvcVMXNet3 = "vmxnet3ndis6"
)

// Sign finds the first sign of a fact.
func (w *WindowsOS) Sign(fact string) (Sign, bool) {
	if w != nil {
		for _, s := range w.Signs {
			if s.Fact == fact {
				return s, true
			}
		}
	}
	return Sign{}, false
}

// Has tells whether there is a sign of a fact.
func (w *WindowsOS) Has(fact string) bool {
	_, ok := w.Sign(fact)
	return ok
}

// All lists the signs of a fact.
func (w *WindowsOS) All(fact string) (out []Sign) {
	if w != nil {
		for _, s := range w.Signs {
			if s.Fact == fact {
				out = append(out, s)
			}
		}
	}
	return out
}

// Number is the number of the first sign of a fact.
func (w *WindowsOS) Number(fact string) (int64, bool) {
	s, ok := w.Sign(fact)
	return s.Number, ok
}
