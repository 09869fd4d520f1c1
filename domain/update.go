package domain

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Updater is how the guests of one kind are updated: lines for their shell
// (PowerShell on Windows, /bin/sh on Linux).
type Updater struct {
	Name    string `json:"name"`
	System  string `json:"system"`  // SystemWindows, SystemLinux or SystemFake
	Applies string `json:"applies"` // ends with 0 where this is the way
	Pending string `json:"pending"` // prints a line for each update that could be installed, and changes nothing that matters
	Update  string `json:"update"`  // installs them; may be run again
	Reboot  string `json:"reboot"`  // ends with 0 when the guest has to start anew; "": never
	Minutes int    `json:"minutes"` // Update may take; 0: 120
}

//go:embed update.json
var updateFile []byte

// Updaters are the ways that are known, in the order in which they are tried.
var Updaters = sync.OnceValue(func() []Updater {
	out, err := ReadUpdaters(bytes.NewReader(updateFile))
	if err != nil {
		panic("update.json: " + err.Error()) // it is part of the program
	}
	return out
})

// ReadUpdaters reads a list of ways, in the form of update.json.
func ReadUpdaters(r io.Reader) ([]Updater, error) {
	var out []Updater
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&out); err != nil {
		return nil, err
	}
	for _, u := range out {
		switch {
		case u.Name == "":
			return nil, errors.New("a way to update has no name")
		case u.System != SystemWindows && u.System != SystemLinux && u.System != SystemFake:
			return nil, fmt.Errorf("%s: the system is windows, linux or fake, not %q", u.Name, u.System)
		case strings.TrimSpace(u.Applies) == "" || strings.TrimSpace(u.Pending) == "" || strings.TrimSpace(u.Update) == "":
			return nil, fmt.Errorf("%s: applies, pending and update are needed", u.Name)
		case u.Minutes < 0 || u.Minutes > 24*60:
			return nil, fmt.Errorf("%s: it may take up to 1440 minutes", u.Name)
		}
	}
	return out, nil
}

// UpdateCheck is what a guest answered when it was asked for its updates.
type UpdateCheck struct {
	At      time.Time
	Pending []string // names, for people; at most some
	Count   int
}
