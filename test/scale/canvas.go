package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
	"strconv"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// svg draws with elements.
type svg struct{ bytes.Buffer }

func (s *svg) line(x1, y1, x2, y2, width float64, colour string) {
	fmt.Fprintf(s, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%g"/>`+"\n", x1, y1, x2, y2, colour, width)
}

func (s *svg) dot(x, y, radius float64, colour string) {
	fmt.Fprintf(s, `<circle cx="%.1f" cy="%.1f" r="%g" fill="%s"/>`+"\n", x, y, radius, colour)
}

func (s *svg) text(x, y float64, align int, colour, text string) {
	fmt.Fprintf(s, `<text x="%.1f" y="%.1f" fill="%s" text-anchor="%s">`, x, y, colour, [...]string{"start", "middle", "end"}[align+1])
	_ = xml.EscapeText(s, []byte(text)) // into memory
	s.WriteString("</text>\n")
}

func plotSVG(points []point) []byte {
	s := &svg{}
	fmt.Fprintf(s, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n"+`<rect width="100%%" height="100%%" fill="white"/>`+"\n", plotWidth, plotHeight())
	drawPlot(s, points)
	s.WriteString("</svg>\n")
	return s.Bytes()
}

// pixels draws into a picture.
type pixels struct{ *image.RGBA }

func rgb(colour string) *image.Uniform {
	n, err := strconv.ParseUint(colour[1:], 16, 24)
	if err != nil {
		panic(err) // they are constants
	}
	return image.NewUniform(color.RGBA{uint8(n >> 16), uint8(n >> 8), uint8(n), 0xff})
}

// polygon fills what lies within some corners.
func (p pixels) polygon(colour string, corners ...float64) {
	r := vector.NewRasterizer(p.Rect.Dx(), p.Rect.Dy())
	r.MoveTo(float32(corners[0]), float32(corners[1]))
	for i := 2; i < len(corners); i += 2 {
		r.LineTo(float32(corners[i]), float32(corners[i+1]))
	}
	r.ClosePath()
	r.Draw(p.RGBA, p.Rect, rgb(colour), image.Point{})
}

func (p pixels) line(x1, y1, x2, y2, width float64, colour string) {
	long := max(math.Hypot(x2-x1, y2-y1), 1e-6)
	dx, dy := (y2-y1)/long*width/2, (x1-x2)/long*width/2
	p.polygon(colour, x1+dx, y1+dy, x2+dx, y2+dy, x2-dx, y2-dy, x1-dx, y1-dy)
}

func (p pixels) dot(x, y, radius float64, colour string) {
	var corners []float64
	for i := range 12 {
		sin, cos := math.Sincos(float64(i) * math.Pi / 6)
		corners = append(corners, x+radius*cos, y+radius*sin)
	}
	p.polygon(colour, corners...)
}

func (p pixels) text(x, y float64, align int, colour, s string) {
	d := font.Drawer{Dst: p.RGBA, Src: rgb(colour), Face: basicfont.Face7x13}
	x -= float64(d.MeasureString(s).Round()) * float64(align+1) / 2
	d.Dot = fixed.P(int(x), int(y))
	d.DrawString(s)
}

func plotPNG(points []point) ([]byte, error) {
	p := pixels{image.NewRGBA(image.Rect(0, 0, plotWidth, plotHeight()))}
	draw.Draw(p.RGBA, p.Rect, image.White, image.Point{}, draw.Src)
	drawPlot(p, points)
	var b bytes.Buffer
	err := png.Encode(&b, p.RGBA)
	return b.Bytes(), err
}
