package tool

import (
	"bufio"
	"encoding/binary"
	"errors"
	"image"
	_ "image/jpeg" // icons may be JPEGs
	_ "image/png"  // or PNGs
	"io"
	"os"
	"path/filepath"
	"strings"

	"slipway/guest"
)

// Limits of a catalogue entry (developer guide); that of manifests is ours.
const (
	maxIcon     = 256     // pixels on a side
	maxManifest = 4 << 20 // bytes
)

// checkApplication looks for the files of an application; "" when all is well.
func checkApplication(app guest.Application, windows bool) string {
	if st, err := os.Stat(app.Path); err != nil || !st.Mode().IsRegular() || !filepath.IsAbs(app.Path) {
		return "File not found (absolute-app-path)"
	}
	if ext := strings.ToLower(filepath.Ext(app.Path)); windows && ext != ".exe" && ext != ".bat" {
		return "Unsupported file extension"
	}
	if d := app.WorkingDirectory; d != "" {
		if st, err := os.Stat(d); err != nil || !st.IsDir() {
			return "Directory not found (working-directory)"
		}
	}
	if app.IconPath != "" {
		if problem := checkIcon(app.IconPath); problem != "" {
			return problem
		}
	}
	if app.ManifestPath != "" {
		return checkManifest(app.ManifestPath)
	}
	return ""
}

func checkIcon(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return "File not found (absolute-icon-path)"
	}
	defer f.Close()
	var w, h int
	switch strings.ToLower(filepath.Ext(path)) {
	case ".png", ".jpg", ".jpeg":
		c, _, e := image.DecodeConfig(f)
		w, h, err = c.Width, c.Height, e
	case ".bmp":
		w, h, err = bitmapSize(f)
	default:
		return "Unsupported file extension (absolute-icon-path)"
	}
	if err != nil || w < 1 || h < 1 || w > maxIcon || h > maxIcon {
		return "Invalid icon (absolute-icon-path): it must be a picture of at most 256 x 256 pixels"
	}
	return ""
}

// bitmapSize reads the head of a BMP file; a height below zero means that the
// rows stand top down.
func bitmapSize(r io.Reader) (w, h int, err error) {
	b := make([]byte, 26)
	if _, err := io.ReadFull(r, b); err != nil {
		return 0, 0, err
	}
	if b[0] != 'B' || b[1] != 'M' || binary.LittleEndian.Uint32(b[14:]) < 40 {
		return 0, 0, errors.New("not a bitmap")
	}
	w, h = int(int32(binary.LittleEndian.Uint32(b[18:]))), int(int32(binary.LittleEndian.Uint32(b[22:])))
	return w, max(h, -h), nil
}

// checkManifest wants every file that an optimisation manifest names.
func checkManifest(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return "Optimization-manifest not found: " + path
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, maxManifest))
	for lines.Scan() {
		name := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff"))
		if name == "" {
			continue
		}
		if _, err := os.Stat(name); err != nil {
			return "File not found: " + name
		}
	}
	if lines.Err() != nil {
		return "Optimization-manifest not found: " + path
	}
	return ""
}

// displayName is derived from the program's file name: without its extension,
// with underscores in place of spaces.
func displayName(path string) string {
	base := path[strings.LastIndexAny(path, `/\`)+1:]
	return strings.ReplaceAll(strings.TrimSuffix(base, filepath.Ext(base)), " ", "_")
}
