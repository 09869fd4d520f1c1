package domain

import (
	"crypto/sha256"
	"crypto/subtle"
	"strings"
	"time"
)

// KindTicket is the kind of tickets.
const KindTicket Kind = "ticket"

// Ticket lets whoever holds its token look at one screen and use its keyboard.
// A ticket is made as an address to open a page with; the page, once opened,
// gets one of its own. Both name one screen for good: neither is of use for
// anything else. Key.Name is the public part of the token; like SessionKey a
// ticket has no scope, since its holder names none.
type Ticket struct {
	Meta `json:"-"`

	Purpose Purpose
	Subject Key    // whose screen
	Machine string // of a builder: the machine it had; no later one of its name
	// Session says what session the holder of an address gets; the ticket of its
	// page names the session.
	Session *SessionWish `json:",omitempty"`
	User    string       // ARN of who asked for the address, or the id of the user it is for
	// Page names, in the ticket of a page, the ticket it was opened with. It is ""
	// in the ticket of an address.
	Page string `json:",omitempty"`
	Hash []byte // SHA-256 of the token's secret part; the secret itself is not kept
	// Expires ends the time in which an address may be opened, as often as its
	// holder likes; and the time in which an opened page may connect.
	Expires time.Time
}

// Purpose is what a ticket is good for.
type Purpose string

const (
	ForBuilder Purpose = "image-builder" // an administrator at an image builder's machine
	ForSession Purpose = "session"       // a user at a fleet's instance
)

// Alias finds the pages that an address was opened as.
func (t *Ticket) Alias() string { return t.Page }
func (*Ticket) Schema() int     { return 1 }

// Ended tells whether a ticket is past its time.
func (t *Ticket) Ended(now time.Time) bool { return !now.Before(t.Expires) }

// Seal keeps the hash of a fresh secret and returns the token that is handed
// out.
func (t *Ticket) Seal(secret string) (token string) {
	sum := sha256.Sum256([]byte(secret))
	t.Hash = sum[:]
	return t.Key.Name + "." + secret
}

// Fits tells whether a secret is the ticket's own, in the same time for all.
func (t *Ticket) Fits(secret string) bool {
	sum := sha256.Sum256([]byte(secret))
	return len(t.Hash) == len(sum) && subtle.ConstantTimeCompare(sum[:], t.Hash) == 1
}

// CutTicket parts a token into the ticket's name and the secret; false for what
// no token looks like.
func CutTicket(token string) (name, secret string, ok bool) {
	name, secret, ok = strings.Cut(token, ".")
	if !ok || len(token) > ticketMax || len(name) != 2*ticketName || len(secret) == 0 {
		return "", "", false
	}
	return name, secret, true
}

const (
	ticketName   = 12 // bytes, written as hexadecimal digits
	ticketSecret = 32 // bytes: beyond guessing
	ticketMax    = 128
)

// TicketID mints the public part of a ticket's token.
func (g IDs) TicketID() string { return g.hex(ticketName) }

// TicketSecret mints the secret part of a ticket's token.
func (g IDs) TicketSecret() string { return g.hex(ticketSecret) }

// How long addresses may be opened, in seconds (API reference,
// CreateImageBuilderStreamingURL and CreateStreamingURL).
const (
	ValidityMin            = 1
	ValidityMax            = 604800
	ValidityBuilderDefault = 3600
	ValiditySessionDefault = 60
)

const (
	// PageLife is how long an opened page may connect again. AWS names no limit
	// for image builders; a forgotten browser should not look for ever.
	PageLife = 12 * time.Hour
	// PagesPerTicket is how many pages one address may be opened as.
	PagesPerTicket = 100
)
