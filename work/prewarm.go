package work

import (
	"context"
	"slices"
	"strings"

	"slipway/domain"
	"slipway/guest"
)

// prewarmSeconds is how long a guest may read; it goes on beside whoever has the
// instance by then.
const prewarmSeconds = 15 * 60

// prewarm lets the guest of an instance that has come up read the files once that
// the manifests of its image's applications name, so that nobody waits for them when
// an application starts. It waits for the guest tool, where the image is known to
// have one, and not for the end of the reading. Repeatable.
func (w *World) prewarm(ctx context.Context, i *domain.FleetInstance, img *domain.Image) error {
	var manifests []string
	for _, a := range img.Catalog {
		if a.ManifestPath != "" && !slices.Contains(manifests, a.ManifestPath) {
			manifests = append(manifests, a.ManifestPath)
		}
	}
	if len(manifests) == 0 {
		return nil
	}
	return w.talkAs(ctx, i.Key.Name, guest.RoleFleet, w.patience(img.AgentVersion != ""), func(ctx context.Context, o *guest.Orders, tool guest.Greeting) error {
		line := prewarmLine(tool.System, manifests)
		if line == "" {
			return nil
		}
		_, err := o.Give(ctx, guest.OrderRun, guest.Command{ID: "prewarm", Line: line, Seconds: prewarmSeconds})
		return err
	})
}

// prewarmLine reads the files that manifests name, one path a line; what is no plain
// file is left out. "" for a system that is not known.
func prewarmLine(system string, manifests []string) string {
	quoted := make([]string, len(manifests))
	for n, m := range manifests {
		if system == domain.SystemWindows {
			quoted[n] = "'" + strings.ReplaceAll(m, "'", "''") + "'"
		} else {
			quoted[n] = "'" + strings.ReplaceAll(m, "'", `'\''`) + "'"
		}
	}
	switch system {
	case domain.SystemLinux:
		return `for m in ` + strings.Join(quoted, " ") + `; do head -c 8388608 -- "$m" | tr -d '\r' | ` +
			`while read -r f || [ -n "$f" ]; do [ -f "$f" ] && cat -- "$f" >/dev/null; done; done 2>/dev/null; exit 0`
	case domain.SystemWindows:
		return `foreach ($m in @(` + strings.Join(quoted, ",") + `)) { try { foreach ($f in [IO.File]::ReadLines($m)) { $f = $f.Trim(); ` +
			`if ($f -and (Test-Path -LiteralPath $f -PathType Leaf)) { try { $s = [IO.File]::Open($f, 'Open', 'Read', 'ReadWrite,Delete'); ` +
			`$s.CopyTo([IO.Stream]::Null); $s.Dispose() } catch {} } } } catch {} }; exit 0`
	case domain.SystemFake:
		return "echo prewarm " + strings.Join(manifests, " ")
	}
	return ""
}
