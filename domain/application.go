package domain

import (
	"strings"
	"unicode"
)

// Limits of an application catalogue (developer guide, "Image Assistant CLI
// operations"; API reference, ApplicationConfig). Those of paths are ours: what
// Windows and Linux allow.
const (
	ApplicationsMax   = 50
	appNameMax        = 256
	appPathMax        = 1024
	appParametersMax  = 1024
	ImageNameMax      = 100
	ImageTextMax      = 256
	appDisplayNameMax = 256
)

// Wrong says what is wrong with an application; "" when nothing is. Whether its
// files are there only the guest can tell.
func (a Application) Wrong() string {
	control := func(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }
	switch {
	case a.Name == "" || len([]rune(a.Name)) > appNameMax || strings.ContainsFunc(a.Name, unicode.IsSpace) || control(a.Name):
		return "Invalid value (name)"
	case a.Path == "" || len(a.Path) > appPathMax || control(a.Path):
		return "Invalid value (absolute-app-path)"
	case len([]rune(a.DisplayName)) > appDisplayNameMax || control(a.DisplayName):
		return "Invalid value (display-name)"
	case len(a.IconPath) > appPathMax || control(a.IconPath):
		return "Invalid value (absolute-icon-path)"
	case len(a.ManifestPath) > appPathMax || control(a.ManifestPath):
		return "Invalid value (absolute-manifest-path)"
	case len(a.WorkingDirectory) > appPathMax || control(a.WorkingDirectory):
		return "Invalid value (working-directory)"
	case len(a.Parameters) > appParametersMax || control(a.Parameters):
		return "Invalid value (launch-parameters)"
	}
	return ""
}
