package rules

import (
	"slices"
	"testing"

	"slipway/wire/workspaces"
)

// The table is complete: every code of the BYOL checker has one rule, and no
// rule lacks what its readers need.
func TestTableIsComplete(t *testing.T) {
	codes, seen := map[string]int{}, map[string]bool{}
	for _, r := range Table() {
		if seen[r.Code] {
			t.Errorf("two rules are called %s", r.Code)
		}
		seen[r.Code] = true
		if r.AWSCode != "" {
			codes[r.AWSCode]++
		}
		if r.Code == "" || r.Text == "" || r.Detect == "" || r.Remedy == "" || r.Source == "" || r.AWS == "" && r.BYOL == "" && r.Open == "" {
			t.Errorf("incomplete: %+v", r)
		}
		if !r.Visible() && (r.AWS == Block || r.BYOL == Block || r.Open == Block) {
			t.Errorf("%s blocks and cannot be seen", r.Code)
		}
	}
	for _, c := range byolCodes() {
		if codes[c] != 1 {
			t.Errorf("%d rules for the code %s", codes[c], c)
		}
		delete(codes, c)
	}
	for c := range codes {
		t.Errorf("the API has no code %s", c)
	}
	if n := len(byolCodes()); n != 48 || slices.Contains(byolCodes(), "") {
		t.Errorf("%d codes", n)
	}
}

// byolCodes are the values of WorkspaceImageErrorDetailCode.
func byolCodes() []string {
	return []string{
		workspaces.WorkspaceImageErrorDetailCodeOutdatedPowershellVersion, workspaces.WorkspaceImageErrorDetailCodeOfficeInstalled,
		workspaces.WorkspaceImageErrorDetailCodePCoIPAgentInstalled, workspaces.WorkspaceImageErrorDetailCodeWindowsUpdatesEnabled,
		workspaces.WorkspaceImageErrorDetailCodeAutoMountDisabled, workspaces.WorkspaceImageErrorDetailCodeWorkspacesBYOLAccountNotFound,
		workspaces.WorkspaceImageErrorDetailCodeWorkspacesBYOLAccountDisabled, workspaces.WorkspaceImageErrorDetailCodeDHCPDisabled,
		workspaces.WorkspaceImageErrorDetailCodeDiskFreeSpace, workspaces.WorkspaceImageErrorDetailCodeAdditionalDrivesAttached,
		workspaces.WorkspaceImageErrorDetailCodeOSNotSupported, workspaces.WorkspaceImageErrorDetailCodeDomainJoined,
		workspaces.WorkspaceImageErrorDetailCodeAzureDomainJoined, workspaces.WorkspaceImageErrorDetailCodeFirewallEnabled,
		workspaces.WorkspaceImageErrorDetailCodeVMWareToolsInstalled, workspaces.WorkspaceImageErrorDetailCodeDiskSizeExceeded,
		workspaces.WorkspaceImageErrorDetailCodeIncompatiblePartitioning, workspaces.WorkspaceImageErrorDetailCodePendingReboot,
		workspaces.WorkspaceImageErrorDetailCodeAutoLogonEnabled, workspaces.WorkspaceImageErrorDetailCodeRealTimeUniversalDisabled,
		workspaces.WorkspaceImageErrorDetailCodeMultipleBootPartition, workspaces.WorkspaceImageErrorDetailCodeRequires64BitOS,
		workspaces.WorkspaceImageErrorDetailCodeZeroRearmCount, workspaces.WorkspaceImageErrorDetailCodeInPlaceUpgrade,
		workspaces.WorkspaceImageErrorDetailCodeAntiVirusInstalled, workspaces.WorkspaceImageErrorDetailCodeUEFINotSupported,
		workspaces.WorkspaceImageErrorDetailCodeUnknownError, workspaces.WorkspaceImageErrorDetailCodeAppXPackagesInstalled,
		workspaces.WorkspaceImageErrorDetailCodeReservedStorageInUse, workspaces.WorkspaceImageErrorDetailCodeAdditionalDrivesPresent,
		workspaces.WorkspaceImageErrorDetailCodeWindowsUpdatesRequired, workspaces.WorkspaceImageErrorDetailCodeSysPrepFileMissing,
		workspaces.WorkspaceImageErrorDetailCodeUserProfileMissing, workspaces.WorkspaceImageErrorDetailCodeInsufficientDiskSpace,
		workspaces.WorkspaceImageErrorDetailCodeEnvironmentVariablesPathMissingEntries, workspaces.WorkspaceImageErrorDetailCodeDomainAccountServicesFound,
		workspaces.WorkspaceImageErrorDetailCodeInvalidIp, workspaces.WorkspaceImageErrorDetailCodeRemoteDesktopServicesDisabled,
		workspaces.WorkspaceImageErrorDetailCodeWindowsModulesInstallerDisabled, workspaces.WorkspaceImageErrorDetailCodeAmazonSsmAgentEnabled,
		workspaces.WorkspaceImageErrorDetailCodeUnsupportedSecurityProtocol, workspaces.WorkspaceImageErrorDetailCodeMultipleUserProfiles,
		workspaces.WorkspaceImageErrorDetailCodeStagedAppxPackage, workspaces.WorkspaceImageErrorDetailCodeUnsupportedOsUpgrade,
		workspaces.WorkspaceImageErrorDetailCodeInsufficientRearmCount, workspaces.WorkspaceImageErrorDetailCodeProtocolOSIncompatibility,
		workspaces.WorkspaceImageErrorDetailCodeMemoryIntegrityIncompatibility, workspaces.WorkspaceImageErrorDetailCodeRestrictedDriveLetterInUse,
	}
}
