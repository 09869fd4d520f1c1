package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	timeFormat = "20060102T150405Z"
	dateFormat = "20060102"

	unsignedPayload = "UNSIGNED-PAYLOAD"
)

// canonicalRequest is step 1 of the algorithm. host, path and query are already
// canonical.
func canonicalRequest(r *http.Request, host, path, query string, signed []string, payloadHash string) []byte {
	b := make([]byte, 0, 1024)
	b = append(append(b, r.Method...), '\n')
	b = append(append(b, path...), '\n')
	b = append(append(b, query...), '\n')
	for _, name := range signed {
		b = append(append(b, name...), ':')
		b = append(appendHeader(b, r, host, name), '\n')
	}
	b = append(b, '\n')
	for i, name := range signed {
		if i > 0 {
			b = append(b, ';')
		}
		b = append(b, name...)
	}
	b = append(b, '\n')
	return append(b, payloadHash...)
}

// appendHeader folds all values of one header. net/http keeps three of them
// outside the header map.
func appendHeader(b []byte, r *http.Request, host, name string) []byte {
	values := r.Header.Values(name)
	switch {
	case name == "host":
		return append(b, squeeze(host)...)
	case name == "content-length" && len(values) == 0 && r.ContentLength >= 0:
		return strconv.AppendInt(b, r.ContentLength, 10)
	case name == "transfer-encoding" && len(values) == 0:
		values = r.TransferEncoding
	}
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, squeeze(v)...)
	}
	return b
}

// canonicalHosts lists the forms of the host that may have been signed. A
// server's request has it in Host, a client's perhaps in the URL only. The Go
// SDK signs a default port away but leaves it in a presigned URL.
func canonicalHosts(r *http.Request) []string {
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	for _, port := range []string{":80", ":443"} {
		if bare, ok := strings.CutSuffix(host, port); ok {
			return []string{host, bare}
		}
	}
	return []string{host}
}

// squeeze trims a header value and turns runs of spaces into one. Only the
// space counts: the SDKs differ on tabs, the guide speaks of spaces.
func squeeze(v string) string {
	v = strings.Trim(v, " \t")
	if !strings.Contains(v, "  ") {
		return v
	}
	var b strings.Builder
	var last byte
	for i := 0; i < len(v); i++ {
		if v[i] != ' ' || last != ' ' {
			b.WriteByte(v[i])
		}
		last = v[i]
	}
	return b.String()
}

// canonicalPaths lists the canonical forms of a path that AWS's own signers
// produce. The sent path is encoded once more ("double encoding"). botocore and
// the JavaScript SDK remove dot segments and doubled slashes before that, the
// Go SDK does not; for ordinary paths both are the same and one is returned.
func canonicalPaths(u *url.URL) []string {
	sent := u.EscapedPath()
	if sent == "" {
		sent = "/"
	}
	raw := escape(sent, true)
	if !strings.Contains(sent, "//") && !strings.Contains(sent, "/.") {
		return []string{raw}
	}
	if clean := escape(removeDots(sent), true); clean != raw {
		return []string{raw, clean}
	}
	return []string{raw}
}

// removeDots is RFC 3986 §5.2.4 plus collapsing of empty segments; a trailing
// slash is kept (path.Clean would drop it).
func removeDots(p string) string {
	var out []string
	segments := strings.Split(p, "/")
	for _, s := range segments {
		switch s {
		case "", ".":
		case "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
		default:
			out = append(out, s)
		}
	}
	clean := "/" + strings.Join(out, "/")
	last := segments[len(segments)-1]
	if len(out) > 0 && (last == "" || last == "." || last == "..") {
		clean += "/"
	}
	return clean
}

// canonicalQueries lists the canonical forms of a query that AWS's own signers
// produce: decoded, encoded strictly, and sorted. The guide and botocore sort
// by the encoded name and value, the Go SDK before it encodes; for ordinary
// queries both are the same and one is returned. X-Amz-Signature never signs
// itself. Undecodable escapes are taken literally: the result then merely
// fails to match.
func canonicalQueries(raw string) []string {
	if raw == "" {
		return []string{""}
	}
	var pairs []pair
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		k, v, _ := strings.Cut(part, "=")
		k, v = unescape(k), unescape(v)
		if k == "X-Amz-Signature" {
			continue
		}
		pairs = append(pairs, pair{plain: [2]string{k, v}, encoded: [2]string{escape(k, false), escape(v, false)}})
	}
	slices.SortFunc(pairs, func(a, b pair) int { return slices.Compare(a.plain[:], b.plain[:]) })
	sdk := join(pairs)
	slices.SortFunc(pairs, func(a, b pair) int { return slices.Compare(a.encoded[:], b.encoded[:]) })
	if guide := join(pairs); guide != sdk {
		return []string{guide, sdk}
	}
	return []string{sdk}
}

// pair is a name and its value.
type pair struct{ plain, encoded [2]string }

func join(pairs []pair) string {
	var b strings.Builder
	for i, p := range pairs {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.encoded[0])
		b.WriteByte('=')
		b.WriteString(p.encoded[1])
	}
	return b.String()
}

func unescape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

const upperHex = "0123456789ABCDEF"

// escape is the guide's UriEncode: everything but A-Z a-z 0-9 - . _ ~ becomes
// %XX in upper case; slashes stay in paths.
func escape(s string, keepSlash bool) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9',
			c == '-', c == '.', c == '_', c == '~', c == '/' && keepSlash:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(upperHex[c>>4])
			b.WriteByte(upperHex[c&15])
		}
	}
	return b.String()
}

// stringToSign is step 2.
func stringToSign(stamp string, s Scope, canonical []byte) []byte {
	b := make([]byte, 0, 192)
	b = append(append(b, algorithm+"\n"...), stamp...)
	b = append(append(append(b, '\n'), s.String()...), '\n')
	sum := sha256.Sum256(canonical)
	return hex.AppendEncode(b, sum[:])
}

// signingKey is step 3; step 4 is the mac of the string with it.
func signingKey(secret string, s Scope) []byte {
	k := mac([]byte("AWS4"+secret), []byte(s.Date))
	k = mac(k, []byte(s.Region))
	k = mac(k, []byte(s.Service))
	return mac(k, []byte(terminator))
}

func mac(key, data []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(data)
	return h.Sum(nil)
}

func hexHash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
