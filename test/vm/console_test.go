package vm

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"

	"slipway/test/rig"
)

// typed opens the running builder's screen in a real browser, types a command on
// the guest's console that writes a file and shows it on the serial port, and
// waits for it there. The picture of the page is kept for people.
func (h *house) typed(machine string) {
	h.t.Helper()
	out, err := h.app.CreateImageBuilderStreamingURL(h.t.Context(), &appstream.CreateImageBuilderStreamingURLInput{Name: aws.String("b")})
	h.ok(err)
	picture := picture("console")
	h.ok(os.MkdirAll(filepath.Dir(picture), 0o755))
	web := h.browsers()
	// Upper case and signs: they need Shift, which the page sends as keys.
	const told = "Typed through the page: OK!"
	begun := time.Now()
	h.t.Logf("the browser: %s", h.run(web, "node", "console.mjs", *out.StreamingURL, "echo '"+told+"' > /disk/root/x; sync; cat /disk/root/x > /dev/ttyS0", picture))
	serial := filepath.Join(h.DataDir, "run", machine, "serial")
	rig.Until(h.t, time.Minute, "the guest has written it", func() (bool, error) {
		b, err := os.ReadFile(serial)
		return strings.Contains(string(b), told), err
	})
	h.t.Logf("typed in %.1f s; see %s", time.Since(begun).Seconds(), picture)
}

// browsers is the folder with the programs that use browsers.
func (h *house) browsers() string {
	h.t.Helper()
	web := filepath.Join(rig.Root(), "test", "web")
	if _, err := os.Stat(filepath.Join(web, "node_modules")); err != nil {
		h.run(web, "npm", "ci", "--no-audit", "--no-fund", "--loglevel=error")
	}
	return web
}

// run runs a program and returns what it prints.
func (h *house) run(dir, name string, args ...string) string {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		h.t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return strings.TrimSpace(string(out))
}
