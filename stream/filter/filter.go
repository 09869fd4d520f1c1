// Package filter follows the remote framebuffer protocol (RFC 6143 and the
// extensions that QEMU and noVNC know) between a viewer and a guest's display,
// in both directions, and lets pass what the rules allow.
//
// It is no proxy: it sees bytes, not connections. Neither side is trusted:
// every count is bounded, and what is not understood ends the connection rather
// than being guessed. So that the guest's side can be followed, viewers are
// held to the encodings that are understood here and to 32 bits a pixel.
package filter

import (
	"errors"
	"fmt"
)

// Rules of a connection.
type Rules struct {
	// Input: keys, pointer and wishes for another size reach the guest.
	Input bool
	// CopyIn and CopyOut are how many characters of text may go into and out of the
	// guest's clipboard at once; 0 for none.
	CopyIn, CopyOut int
}

// MaxText is the most that Rules allow in one direction, which is no bound but
// that on a message, in bytes: the whole of one is held in memory on its way in.
const MaxText = 1 << 20

// Bounds on what either side may announce.
const (
	maxSide      = 1 << 14  // pixels
	maxPixels    = 64 << 20 // of a rectangle
	maxPacked    = 64 << 20 // bytes of one compressed rectangle
	maxName      = 64 << 10
	maxEncodings = 128
	maxScreens   = 16
)

// ErrProtocol is wrapped by every error about bytes that may not stand there.
var ErrProtocol = errors.New("not the protocol that is spoken here")

func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, args...))
}

// greeting is what both sides begin with: RFB 3.8 (RFC 6143 §7.1.1).
const greeting = "RFB 003.008\n"

// Encodings (IANA's registry of remote framebuffer encodings).
const (
	raw             = 0
	copyRect        = 1
	tight           = 7
	zrle            = 16
	quality0        = -32
	quality9        = -23
	desktopSize     = -223
	lastRect        = -224
	cursor          = -239
	compress9       = -247
	compress0       = -256
	qemuKeys        = -258
	qemuLED         = -261
	desktopName     = -307
	extendedSize    = -308
	extendedClip    = int32(-1063131698) // 0xC0A1E5CE
	bytesPerPixel   = 4
	tightPixel      = 3  // a pixel of 24 bits depth
	tightLeast      = 12 // shorter data is not compressed
	actionCaps      = 1 << 24
	actionRequest   = 1 << 25
	actionPeek      = 1 << 26
	actionNotify    = 1 << 27
	actionProvide   = 1 << 28
	clipboardHeader = 8
)

// understood tells whether the guest may be asked to use an encoding.
func understood(encoding int32) bool {
	switch encoding {
	case raw, copyRect, tight, zrle, desktopSize, lastRect, cursor, qemuKeys, qemuLED, desktopName, extendedSize, extendedClip:
		return true
	}
	return encoding >= quality0 && encoding <= quality9 || encoding >= compress0 && encoding <= compress9
}

// textMayPass judges a clipboard message. length is as it stands in the
// message: negative for an extended one, whose flags are then told. in says
// that it goes into the guest. How long the text of an extended one is, mayGive
// tells.
func (r Rules) textMayPass(length int32, flags uint32, in bool) bool {
	allowed, other := r.CopyOut, r.CopyIn
	if in {
		allowed, other = other, allowed
	}
	if length >= 0 {
		return int64(length) <= int64(allowed) && allowed > 0
	}
	const asks, gives = actionRequest | actionPeek, actionNotify | actionProvide
	switch {
	case flags&actionCaps != 0: // says what its sender can; QEMU then heeds none of the others
		return true
	case flags&(asks|gives) == 0:
		return false
	}
	// What asks is for a text that would go the other way. A message may do both,
	// and then needs both.
	return (flags&asks == 0 || other > 0) && (flags&gives == 0 || allowed > 0)
}
