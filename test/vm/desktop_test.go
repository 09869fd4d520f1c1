package vm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
)

// TestDesktop: a guest with a desktop of its own. Its screen takes the size of the
// browser's window, and texts go through its clipboard in both directions.
func TestDesktop(t *testing.T) {
	if !*long {
		t.Skip("boots the graphical guest, a hundred megabytes of packages: make long")
	}
	h := newHouse(t, "--import-rules", "open", patient)
	h.unproven("desk", "desktop")
	_, err := h.app.CreateImageBuilder(t.Context(), &appstream.CreateImageBuilderInput{
		Name: aws.String("b"), ImageName: aws.String("desk"), InstanceType: aws.String("GeneralPurpose.m7i.large"),
	})
	h.ok(err)
	h.builder("RUNNING", "PENDING")
	out, err := h.app.CreateImageBuilderStreamingURL(t.Context(), &appstream.CreateImageBuilderStreamingURLInput{Name: aws.String("b")})
	h.ok(err)
	picture := picture("desktop")
	h.ok(os.MkdirAll(filepath.Dir(picture), 0o755))
	const text = "From the browser: OK!"
	t.Logf("the browser: %s", h.run(h.browsers(), "node", "desktop.mjs", *out.StreamingURL, text, picture))
	serials, err := filepath.Glob(filepath.Join(h.DataDir, "run", "*", "serial"))
	h.ok(err)
	if len(serials) != 1 {
		t.Fatalf("serial ports: %v", serials)
	}
	b, err := os.ReadFile(serials[0])
	h.ok(err)
	if !strings.Contains(string(b), text) {
		t.Errorf("the guest did not show the text:\n%s", b)
	}
	t.Logf("see %s", picture)
	h.delete("b")
	h.nothingLeft()
}
