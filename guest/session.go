package guest

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Names of orders about the session of whoever sits at the guest's screen.
const (
	OrderLaunch = "launch" // Launch: start an application for them
	OrderFiles  = "files"  // Asked: list their transfer folder; ID is the name to go on after
	OrderWrite  = "write"  // FilePiece: of a file that comes into the folder
	OrderRead   = "read"   // FilePiece: of a file that leaves it; without data
	OrderCancel = "cancel" // FilePiece: forget what came of a file
)

// Limits of files that come and go.
const (
	MaxFile     = 1 << 30 // bytes of one file
	maxFileName = 255     // bytes
)

// Launch is an application that is to start at the screen, as the user there.
type Launch struct {
	Path       string `json:"path"`
	Parameters string `json:"parameters,omitempty"` // as they stand in a command line
	Directory  string `json:"directory,omitempty"`  // to start in; "" leaves it to the system
}

// FilePiece is a part of a file in the transfer folder. Pieces come one after the
// other; what was taken already is not taken again.
type FilePiece struct {
	Name   string `json:"name"`           // see FileName
	ID     string `json:"id,omitempty"`   // write: of this transfer, like a file's name in Piece
	Size   int64  `json:"size,omitempty"` // write: of the whole file
	Offset int64  `json:"offset,omitempty"`
	Data   []byte `json:"data,omitempty"` // write
}

// File is one of the transfer folder.
type File struct {
	Name     string    `json:"name"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
}

// Folder is what is told of the transfer folder.
type Folder struct {
	Files []File `json:"files,omitempty"` // files: in order of name
	More  bool   `json:"more,omitempty"`  // files: the list goes on; ask again
	// Name is what a file was called in the end: nothing is overwritten.
	Name  string `json:"name,omitempty"`  // write, when it is whole
	Data  []byte `json:"data,omitempty"`  // read
	Size  int64  `json:"size,omitempty"`  // read: of the whole file
	Stamp string `json:"stamp,omitempty"` // read: changes when the file does
}

// Problems of orders about a session: why one could not be carried out, beside
// the words of Report.Error.
const (
	ProblemNobody    = "nobody"    // nobody is signed in at the screen
	ProblemMissing   = "missing"   // there is no such program, or no such file
	ProblemDirectory = "directory" // there is no such directory to start in
	ProblemProgram   = "program"   // it is there, and cannot be run
	ProblemEnded     = "ended"     // it ended at once, with Report.Exit
	ProblemName      = "name"      // a file may not be called so
	ProblemSize      = "size"      // a file is too large, or the disk full
	ProblemDenied    = "denied"    // the user themself may not
)

// FileName tells whether a file may be called so, on every system: one name, no
// path, nothing hidden, nothing that a system takes for a device or a stream.
func FileName(s string) bool {
	if s == "" || len(s) > maxFileName || !utf8.ValidString(s) || s[0] == '.' || s[0] == ' ' || strings.HasSuffix(s, ".") || strings.HasSuffix(s, " ") ||
		strings.ContainsAny(s, `/\:*?"<>|`) || strings.ContainsFunc(s, unprintable) {
		return false
	}
	base, _, _ := strings.Cut(strings.ToUpper(s), ".")
	base = strings.TrimRight(base, " ")
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return false
	}
	for _, port := range []string{"COM", "LPT"} {
		if n, ok := strings.CutPrefix(base, port); ok && utf8.RuneCountInString(n) == 1 && strings.Contains("0123456789¹²³", n) {
			return false
		}
	}
	return true
}

// unprintable also tells of what turns the direction of a text, by which a name
// can look like another one.
func unprintable(r rune) bool {
	const joiner, nonJoiner = '\u200d', '\u200c' // words and faces are made with them
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && r != joiner && r != nonJoiner || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r)
}
