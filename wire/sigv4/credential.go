package sigv4

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Scope is a credential scope with the access key id in front of it, as the
// caller claims it.
type Scope struct {
	AccessKeyID string
	Date        string // YYYYMMDD
	Region      string
	Service     string
}

func (s Scope) String() string {
	return s.Date + "/" + s.Region + "/" + s.Service + "/" + terminator
}

// proof is everything a request says about its own signature.
type proof struct {
	Scope
	signed    []string
	signature string
	stamp     string // the time in the form that was signed
	at        time.Time
	token     string
	presigned bool
	lifetime  time.Duration // presigned only
}

// Limits that keep a hostile request from costing more than its size.
const (
	maxSignedHeaders = 128
	maxCredential    = 512
	maxPresignedLife = 604800 // seven days, the guide's limit for X-Amz-Expires
	// defaultPresignedLife is for presigned requests without X-Amz-Expires: the
	// Go SDK's STS presigner sends none and relies on 15 minutes.
	defaultPresignedLife = 900
)

// Claimed reads who a request says it is from, without checking anything: for
// dispatch on the scope's service before the body is read. Errors: *Error with
// Missing or Incomplete.
func Claimed(r *http.Request) (Scope, error) {
	p, err := readProof(r)
	if err != nil {
		return Scope{}, err
	}
	return p.Scope, nil
}

func readProof(r *http.Request) (*proof, *Error) {
	header := r.Header.Values("Authorization")
	query, inQuery := authQuery(r.URL.RawQuery)
	switch {
	case len(header) == 0 && !inQuery:
		return nil, refuse(Missing, "Missing Authentication Token")
	case len(header) > 0 && inQuery:
		return nil, refuse(Incomplete, "Only one authentication mechanism is allowed: an Authorization header or X-Amz-* query parameters.")
	case len(header) > 1:
		return nil, refuse(Incomplete, "The request has more than one Authorization header.")
	case inQuery:
		return fromQuery(query)
	}
	return fromHeader(r, header[0])
}

// authQuery picks the X-Amz-* parameters out of a query; a body in form
// encoding is never looked at.
func authQuery(raw string) (url.Values, bool) {
	if !strings.Contains(raw, "X-Amz-") && !strings.Contains(raw, "%") {
		return nil, false
	}
	v := url.Values{}
	for part := range strings.SplitSeq(raw, "&") {
		k, val, _ := strings.Cut(part, "=")
		if k = unescape(k); strings.HasPrefix(k, "X-Amz-") {
			v.Add(k, unescape(val))
		}
	}
	return v, v.Has("X-Amz-Signature") || v.Has("X-Amz-Algorithm") || v.Has("X-Amz-Credential")
}

// fieldNames are the parts of an Authorization header.
var fieldNames = [...]string{"Credential", "Signature", "SignedHeaders"}

func fromHeader(r *http.Request, auth string) (*proof, *Error) {
	name, rest, _ := strings.Cut(strings.TrimSpace(auth), " ")
	if name != algorithm {
		return nil, unsupported(name)
	}
	var values [len(fieldNames)]string
	for part := range strings.SplitSeq(rest, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		k, v, ok := strings.Cut(part, "=")
		i := slices.Index(fieldNames[:], k)
		if !ok || i >= 0 && values[i] != "" {
			return nil, refuse(Incomplete, "Authorization header has an invalid or repeated key=value pair.")
		}
		if i >= 0 {
			values[i] = strings.TrimSpace(v)
		}
	}
	var missing []string
	for i, k := range fieldNames {
		if values[i] == "" {
			missing = append(missing, "Authorization header requires '"+k+"' parameter.")
		}
	}
	p := &proof{signature: values[1]}
	stamp, at, dateErr := headerTime(r)
	if dateErr != "" {
		missing = append(missing, dateErr)
	}
	if len(missing) > 0 {
		return nil, refuse(Incomplete, "%s", strings.Join(missing, " "))
	}
	p.stamp, p.at = stamp, at
	tokens := r.Header.Values("X-Amz-Security-Token")
	if len(tokens) > 1 {
		return nil, refuse(Incomplete, "The request has more than one X-Amz-Security-Token header.")
	} else if len(tokens) == 1 {
		p.token = tokens[0]
	}
	return p.complete(values[0], values[2])
}

// headerTime prefers X-Amz-Date to Date, as the guide says.
func headerTime(r *http.Request) (stamp string, at time.Time, problem string) {
	if vs := r.Header.Values("X-Amz-Date"); len(vs) > 0 {
		at, err := time.Parse(timeFormat, vs[0])
		if err != nil || len(vs) > 1 {
			return "", at, "Date must be in ISO-8601 'basic format'. See http://en.wikipedia.org/wiki/ISO_8601"
		}
		return vs[0], at, ""
	}
	d := r.Header.Get("Date")
	if d == "" {
		return "", at, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
	}
	if at, err := time.Parse(timeFormat, d); err == nil {
		return d, at, ""
	}
	at, err := http.ParseTime(d)
	if err != nil {
		return "", at, "The 'Date' header is not a valid date."
	}
	return at.UTC().Format(timeFormat), at, ""
}

func fromQuery(q url.Values) (*proof, *Error) {
	var missing []string
	for _, k := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"} {
		if q.Get(k) == "" {
			missing = append(missing, "AWS query-string parameters must include '"+k+"'.")
		}
	}
	if len(missing) > 0 {
		return nil, refuse(Incomplete, "%s", strings.Join(missing, " "))
	}
	for k, vs := range q {
		if len(vs) > 1 {
			return nil, refuse(Incomplete, "The query-string parameter '%s' is given more than once.", k)
		}
	}
	if a := q.Get("X-Amz-Algorithm"); a != algorithm {
		return nil, unsupported(a)
	}
	at, err := time.Parse(timeFormat, q.Get("X-Amz-Date"))
	if err != nil {
		return nil, refuse(Incomplete, "X-Amz-Date must be in ISO-8601 'basic format'. Got '%s'.", clip(q.Get("X-Amz-Date")))
	}
	life := defaultPresignedLife
	if e := q.Get("X-Amz-Expires"); q.Has("X-Amz-Expires") {
		life, err = strconv.Atoi(e)
		if err != nil || life < 1 || life > maxPresignedLife {
			return nil, refuse(Incomplete, "X-Amz-Expires must be a number of seconds from 1 to %d. Got '%s'.", maxPresignedLife, clip(e))
		}
	}
	p := &proof{
		signature: q.Get("X-Amz-Signature"), stamp: q.Get("X-Amz-Date"), at: at,
		token: q.Get("X-Amz-Security-Token"), presigned: true,
		lifetime: time.Duration(life) * time.Second,
	}
	return p.complete(q.Get("X-Amz-Credential"), q.Get("X-Amz-SignedHeaders"))
}

// complete fills in and checks the parts both forms share.
func (p *proof) complete(credential, signed string) (*proof, *Error) {
	parts := strings.Split(credential, "/")
	if len(parts) < 5 || len(credential) > maxCredential {
		return nil, refuse(Incomplete, "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '%s'", clip(credential))
	}
	// A key id may itself hold slashes; the scope is the last four parts.
	n := len(parts)
	p.Scope = Scope{strings.Join(parts[:n-4], "/"), parts[n-4], parts[n-3], parts[n-2]}
	if t := parts[n-1]; t != terminator {
		return nil, refuse(Mismatch, "Credential should be scoped with a valid terminator: '%s', not '%s'.", terminator, clip(t))
	}
	if p.AccessKeyID == "" || p.Service == "" {
		return nil, refuse(Incomplete, "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '%s'", clip(credential))
	}
	if !validRegion(p.Region) {
		return nil, refuse(Mismatch, "Credential should be scoped to a valid region.")
	}
	p.signed = strings.Split(signed, ";")
	sorted := true
	for i := 1; i < len(p.signed); i++ {
		sorted = sorted && p.signed[i-1] < p.signed[i]
	}
	if !sorted || signed != strings.ToLower(signed) || len(p.signed) > maxSignedHeaders || p.signed[0] == "" {
		return nil, refuse(Incomplete, "SignedHeaders must be a sorted list of distinct lower-case header names.")
	}
	return p, nil
}

// validRegion is strict because the region partitions stored state.
func validRegion(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' && i > 0) {
			return false
		}
	}
	return true
}

func unsupported(a string) *Error {
	return refuse(Incomplete, "Unsupported AWS 'algorithm': '%s'. ", clip(a))
}

// clip bounds what of a request is echoed in an answer.
func clip(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}
