package guest

import (
	"strings"
	"testing"
)

// TestFileName: what could be a path, a device, a stream, hidden or look like
// another name is none.
func TestFileName(t *testing.T) {
	for _, good := range []string{"a", "report.pdf", "Übersicht 2026 (1).xlsx", "日本語.txt", "con1", "COM10.txt", "a.b.c", "👩‍💻.png", strings.Repeat("a", 255)} {
		if !FileName(good) {
			t.Errorf("%q is refused", good)
		}
	}
	for _, bad := range []string{
		"", ".", "..", ".bashrc", " a", "a ", "a.", "a/b", "../a", "/etc/passwd", `a\b`, `..\a`, `C:\x`, "a:b", "a:$DATA", "a*", "a?", "a<b>", `a"b`, "a|b",
		"a\x00b", "a\nb", "a\x7f", "\xff\xfe", "CON", "con.txt", "Nul.tar.gz", "aux ", "COM1", "com1.log", "LPT9", "lpt¹.x", "CONIN$", "evil\u202efdp.exe", "a\u2028b", "\ufeffa",
		strings.Repeat("a", 256),
	} {
		if FileName(bad) {
			t.Errorf("%q is taken", bad)
		}
	}
}
