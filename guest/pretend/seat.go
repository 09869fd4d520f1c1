package pretend

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"slipway/guest"
)

// seat is the session at the screen of a machine: somebody is always signed in.
type seat struct {
	files map[string][]byte // of the transfer folder
	parts map[string][]byte // of files on their way, by transfer
}

// maxKept bounds what a machine's folder holds, in bytes.
const maxKept = 64 << 20

// Launch parameters that make a start fail.
const (
	Missing = "--missing" // the program is not there
	Crash   = "--crash"   // it ends at once
)

// do carries out an order about the seat; false when it is none.
func (s *seat) do(t *Tools, id, name string, args json.RawMessage) (guest.Report, bool) {
	var l guest.Launch
	var a guest.Asked
	var p guest.FilePiece
	var size guest.Size
	in := map[string]any{guest.OrderLaunch: &l, guest.OrderFiles: &a, guest.OrderWrite: &p, guest.OrderRead: &p, guest.OrderCancel: &p, guest.OrderScreen: &size}[name]
	if in == nil {
		return guest.Report{}, false
	}
	if json.Unmarshal(args, in) != nil {
		return guest.Report{Error: "that is no order"}, true
	}
	switch name {
	case guest.OrderLaunch:
		switch {
		case l.Parameters == Missing:
			return failed(guest.ProblemMissing), true
		case l.Parameters == Crash:
			r := failed(guest.ProblemEnded)
			r.Exit = 3
			return r, true
		case t.Started != nil:
			t.Started(id, l.Path)
		}
		return guest.Report{}, true
	case guest.OrderScreen:
		return failed(guest.ProblemScreen), true
	case guest.OrderFiles:
		return s.list(a.ID), true
	case guest.OrderRead:
		b, ok := s.files[p.Name]
		if !ok || p.Offset < 0 || p.Offset > int64(len(b)) {
			return failed(guest.ProblemMissing), true
		}
		end := min(p.Offset+guest.MaxPiece, int64(len(b)))
		return guest.Report{Folder: &guest.Folder{Name: p.Name, Data: b[p.Offset:end], Size: int64(len(b)), Stamp: fmt.Sprint(len(b))}}, true
	case guest.OrderCancel:
		delete(s.parts, p.ID)
		return guest.Report{}, true
	}
	return s.write(p), true
}

func failed(problem string) guest.Report {
	return guest.Report{Error: "the machine is not real: " + problem, Problem: problem}
}

func (s *seat) list(after string) guest.Report {
	f := &guest.Folder{}
	names := []string{}
	for name := range s.files {
		if name > after {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names[:min(len(names), 100)] {
		f.Files = append(f.Files, guest.File{Name: name, Size: int64(len(s.files[name])), Modified: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)})
	}
	f.More = len(names) > len(f.Files)
	return guest.Report{Folder: f}
}

func (s *seat) write(p guest.FilePiece) guest.Report {
	kept := int64(0)
	for _, b := range s.files {
		kept += int64(len(b))
	}
	if !guest.FileName(p.Name) {
		return failed(guest.ProblemName)
	}
	if p.Size < 0 || kept+p.Size > maxKept {
		return failed(guest.ProblemSize)
	}
	if have := int64(len(s.parts[p.ID])); p.Offset == have && have+int64(len(p.Data)) <= p.Size {
		s.parts[p.ID] = append(s.parts[p.ID], p.Data...)
	}
	r := guest.Report{Have: int64(len(s.parts[p.ID]))}
	if r.Have < p.Size {
		return r
	}
	name, ext := p.Name, path.Ext(p.Name)
	for n := 1; s.files[name] != nil; n++ {
		name = fmt.Sprintf("%s (%d)%s", strings.TrimSuffix(p.Name, ext), n, ext)
	}
	s.files[name] = append([]byte{}, s.parts[p.ID]...)
	delete(s.parts, p.ID)
	r.Whole, r.Folder = true, &guest.Folder{Name: name}
	return r
}
