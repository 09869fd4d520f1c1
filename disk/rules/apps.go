package rules

import (
	"fmt"
	"strings"

	"slipway/disk/facts"
)

const catalogPage = "AWS: WorkSpaces Applications Administration Guide, Create images programmatically (docs.aws.amazon.com/appstream2/latest/developerguide/programmatically-create-image.html)"

// App is an application of a catalogue by its name.
type App struct {
	Name string
	facts.App
}

// Applications judges a catalogue of applications by what was found of each on
// the disk, in the same order. On a Windows disk every path has to be there; on
// others, where a path may lead through containers and mounts, it only ought to.
func Applications(f facts.Facts, apps []App, seen []facts.AppSeen) []Finding {
	sev := Warn
	if f.OS == facts.Windows {
		sev = Block
	}
	var out []Finding
	add := func(sev Severity, code, rule, found, where, remedy string) {
		out = append(out, Finding{Rule: rule, Severity: sev, Found: found, Where: where, Remedy: remedy, Source: catalogPage, Code: code})
	}
	for i, a := range apps[:min(len(apps), len(seen))] {
		s := seen[i]
		const inside = "Give the path as it is on the disk, from the drive on."
		low := strings.ToLower(a.Path)
		switch {
		case s.Problem != "":
			add(sev, "application-path", "Every application is on the disk.", fmt.Sprintf("The path of the application %s cannot be looked up: %s.", a.Name, s.Problem), a.Path, inside)
		case !s.Found:
			add(sev, "application-path", "Every application is on the disk.", fmt.Sprintf("The application %s is not on the disk: %s does not exist.", a.Name, a.Path), a.Path, "Install it in the source machine, or correct its path.")
		case f.OS == facts.Windows && !strings.HasSuffix(low, ".exe") && !strings.HasSuffix(low, ".bat"):
			add(sev, "application-type", "Applications are .exe or .bat files.", fmt.Sprintf("The application %s is neither an .exe nor a .bat file: %s.", a.Name, a.Path), a.Path, "Name the program that opens the file, and the file as its launch parameter.")
		}
		if s.IconMissing {
			add(sev, "application-icon", "Every icon is on the disk.", fmt.Sprintf("The icon of the application %s is not on the disk: %s does not exist.", a.Name, a.Icon), a.Icon, "Correct the path, or leave it out: then the icon of the program is taken.")
		}
		if s.IconProblem != "" {
			add(sev, "application-icon", "Every icon can be shown.", fmt.Sprintf("The icon of the application %s cannot be shown: %s.", a.Name, s.IconProblem), a.Icon, "Use a PNG, JPEG, BMP or ICO file of at most 256 × 256 pixels.")
		}
		if s.NoManifest {
			add(sev, "application-manifest", "Every prewarm manifest is on the disk.", fmt.Sprintf("The prewarm manifest of the application %s is not on the disk: %s does not exist.", a.Name, a.Manifest), a.Manifest, "Correct the path, or leave it out.")
		}
		if s.MissingNumber > 0 {
			add(sev, "application-manifest", "Every file of a prewarm manifest is on the disk.", fmt.Sprintf("%d of %d files in the prewarm manifest of the application %s are not on the disk: %s.", s.MissingNumber, s.Lines, a.Name, strings.Join(s.MissingLines, ", ")), a.Manifest, "Write the manifest anew in the source machine.")
		}
	}
	return out
}
