package metadata

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Version 2 wants a token, which only a PUT gives: what makes a program fetch
// an address for a stranger rarely makes it send a PUT with a header.
const (
	tokenPath   = "/latest/api/token"
	tokenHeader = "X-Aws-Ec2-Metadata-Token"
	ttlHeader   = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
	ttlMost     = 21600 // seconds
)

func (h *handler) token(w http.ResponseWriter, r *http.Request, machine string) {
	if r.Method != http.MethodPut {
		w.Header().Set("Allow", "OPTIONS, PUT")
		say(w, http.StatusMethodNotAllowed)
		return
	}
	ttl, err := strconv.Atoi(r.Header.Get(ttlHeader))
	if err != nil || ttl < 1 || ttl > ttlMost {
		say(w, http.StatusBadRequest)
		return
	}
	if _, err := h.src.Guest(r.Context(), machine); err != nil {
		fail(w, err)
		return
	}
	w.Header().Set(ttlHeader, strconv.Itoa(ttl))
	_, _ = io.WriteString(w, h.mint(machine, h.now().Add(time.Duration(ttl)*time.Second)))
}

// mint makes a token: its end, and a proof of it and the machine. Nothing has to
// be remembered.
func (h *handler) mint(machine string, end time.Time) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(end.Unix()))
	return base64.URLEncoding.EncodeToString(append(b, h.proof(b, machine)...))
}

func (h *handler) proof(end []byte, machine string) []byte {
	m := hmac.New(sha256.New, h.secret)
	m.Write(end)
	m.Write([]byte(machine))
	return m.Sum(nil)
}

func (h *handler) valid(token, machine string) bool {
	b, err := base64.URLEncoding.DecodeString(token)
	if err != nil || len(b) != 8+sha256.Size || !hmac.Equal(b[8:], h.proof(b[:8], machine)) {
		return false
	}
	return h.now().Unix() < int64(binary.BigEndian.Uint64(b))
}
