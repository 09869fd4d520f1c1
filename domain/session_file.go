package domain

import "time"

// SessionFile is a file of the folder in a session's guest through which its
// user's files come and go.
type SessionFile struct {
	Name     string
	Size     int64
	Modified time.Time
}

// Arriving is a file on its way into the folder.
type Arriving struct {
	Name string // one name and no path; see guest.FileName
	ID   string // of this transfer: 1 to 100 of A-Z, a-z, 0-9, - and _
	Size int64  // in bytes
}

// Leaving is a part of a file on its way out of the folder.
type Leaving struct {
	Data  []byte
	Size  int64  // of the whole file
	Stamp string // changes when the file does
}
