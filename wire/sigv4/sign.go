package sigv4

import (
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Signer signs our own command line's calls to the server it belongs to. Calls
// to AWS services use the SDK's signer instead.
type Signer struct {
	AccessKeyID, Secret, SessionToken string
	Region, Service                   string
}

// neverSigned may be changed or added by anything between client and server.
var neverSigned = []string{"Authorization", "User-Agent", "Expect", "Connection", "Transfer-Encoding", "X-Amzn-Trace-Id"}

// Sign adds X-Amz-Date, X-Amz-Content-Sha256, X-Amz-Security-Token (for session
// credentials) and Authorization to r, whose body will be body. It may be
// called again for a retry.
func (s Signer) Sign(r *http.Request, body []byte, now time.Time) {
	stamp := now.UTC().Format(timeFormat)
	hash := hexHash(body)
	r.Header.Set("X-Amz-Date", stamp)
	r.Header.Set("X-Amz-Content-Sha256", hash)
	r.Header.Del("X-Amz-Security-Token")
	if s.SessionToken != "" {
		r.Header.Set("X-Amz-Security-Token", s.SessionToken)
	}
	signed := []string{"host"}
	for name := range r.Header {
		if !slices.Contains(neverSigned, name) {
			signed = append(signed, strings.ToLower(name))
		}
	}
	slices.Sort(signed)
	scope := Scope{s.AccessKeyID, stamp[:8], s.Region, s.Service}
	c := canonicalRequest(r, canonicalHosts(r)[0], canonicalPaths(r.URL)[0], canonicalQueries(r.URL.RawQuery)[0], signed, hash)
	sig := mac(signingKey(s.Secret, scope), stringToSign(stamp, scope, c))
	r.Header.Set("Authorization", algorithm+" Credential="+s.AccessKeyID+"/"+scope.String()+
		", SignedHeaders="+strings.Join(signed, ";")+", Signature="+hex.EncodeToString(sig))
}
