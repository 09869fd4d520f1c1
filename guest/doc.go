// Package guest is what a host and our tool inside one of its guests say to each
// other: frames on a byte stream, a greeting, calls that the tool makes and the
// host answers, and orders that the host gives and the tool carries out.
//
// The stream is a serial port of the machine's, so whoever is at its other end is
// that machine: there are no names and no secrets in the protocol. It never ends
// and loses nothing, but either side may come and go in the middle of a word, so
// every frame can be found again in rubbish and names the session it belongs to.
//
// guest/tool is the program in the guest, guest/bundle the CD it arrives on.
// What a call means is not known here: the host's side is given a function.
// No machine, image or account belongs here.
package guest
