package wire

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// router finds the operation a request names. It is built once from the
// services' tables.
type router struct {
	services []*Service
	byTarget map[string]*Service
	rest     []restRoute
}

type restRoute struct {
	op       *Op
	segments []string
}

// route is what is known about a request's addressee.
type route struct {
	protocol Protocol
	service  *Service
}

// codec is the protocol's codec. A request in no protocol at all is answered
// in JSON.
func (rt route) codec(s *server) Codec {
	if c := s.codecs[rt.protocol]; c != nil {
		return c
	}
	if c := s.codecs[AWSJSON11]; c != nil {
		return c
	}
	return plainCodec{}
}

func newRouter(services []*Service) *router {
	r := &router{services: services, byTarget: map[string]*Service{}}
	for _, s := range services {
		if s.TargetPrefix != "" {
			r.byTarget[s.TargetPrefix] = s
		}
		if !s.Speaks(RESTJSON1) {
			continue
		}
		for _, op := range s.Ops {
			r.rest = append(r.rest, restRoute{op, strings.Split(op.HTTP.Path, "/")})
		}
	}
	return r
}

// protocol looks at the head of a request only.
func (rr *router) protocol(r *http.Request, signing string) route {
	if t := r.Header.Get("X-Amz-Target"); t != "" {
		prefix, _, _ := cutLast(t, ".")
		return route{AWSJSON11, rr.speaking(rr.byTarget[prefix], AWSJSON11)}
	}
	if svc, _, ok := rpcPath(r.URL.Path); ok && r.Header.Get("Smithy-Protocol") == "rpc-v2-cbor" {
		return route{RPCv2CBOR, rr.speaking(rr.byTarget[svc], RPCv2CBOR)}
	}
	if isForm(r) || (r.URL.Path == "/" && r.URL.Query().Has("Action")) {
		return rr.query(r.URL.Query().Get("Version"), signing)
	}
	for _, s := range rr.services {
		if s.SigningName == signing && s.Speaks(RESTJSON1) {
			return route{RESTJSON1, s}
		}
	}
	if m, _ := rr.match(r, ""); m != nil {
		return route{RESTJSON1, m.Service}
	}
	return route{}
}

func (rr *router) speaking(s *Service, p Protocol) *Service {
	if s != nil && s.Speaks(p) {
		return s
	}
	return nil
}

func isForm(r *http.Request) bool {
	return r.Method == http.MethodPost && r.Header.Get("Content-Type") != "" && mediaType(r, "application/x-www-form-urlencoded")
}

// mediaType tells whether a request has the content type, or none. A charset
// and other parameters do not matter.
func mediaType(r *http.Request, want string) bool {
	ct := r.Header.Get("Content-Type")
	if ct == "" {
		return true
	}
	ct, _, _ = strings.Cut(ct, ";")
	return strings.EqualFold(strings.TrimSpace(ct), want)
}

// query finds a query service by the credential's scope or else by version.
func (rr *router) query(version, signing string) route {
	for _, byScope := range []bool{true, false} {
		for _, s := range rr.services {
			if (byScope && s.SigningName != signing) || (!byScope && s.APIVersion != version) {
				continue
			}
			for _, p := range []Protocol{EC2Query, AWSQuery} {
				if s.Speaks(p) {
					return route{p, s}
				}
			}
		}
	}
	return route{protocol: AWSQuery}
}

// operation completes req.Service, Op, Form and Labels, now with the body.
func (rr *router) operation(rt *route, req *Request) *Exception {
	r := req.HTTP
	name := ""
	switch rt.protocol {
	case AWSJSON11:
		if !mediaType(r, "application/x-amz-json-1.1") {
			// The services find an operation by both headers together.
			return Exceptionf(unknownOperation, "The content type '%s' is not one of this service; use application/x-amz-json-1.1.", clip(r.Header.Get("Content-Type")))
		}
		_, name, _ = cutLast(r.Header.Get("X-Amz-Target"), ".")
	case RPCv2CBOR:
		if !mediaType(r, "application/cbor") {
			return &Exception{Code: "SerializationException", Status: http.StatusUnsupportedMediaType,
				Message: fmt.Sprintf("The content type '%s' is not application/cbor.", clip(r.Header.Get("Content-Type")))}
		}
		_, name, _ = rpcPath(r.URL.Path)
	case EC2Query, AWSQuery:
		form, ex := readForm(req)
		if ex != nil {
			return ex
		}
		req.Form = form
		name = form.Get("Action")
		if rt.service == nil {
			*rt = rr.query(form.Get("Version"), "")
		}
		if v := form.Get("Version"); rt.service != nil && v != "" && v != rt.service.APIVersion {
			req.Service = rt.service
			return Exceptionf(unknownOperation, "Could not find operation %s for version %s", clip(name), clip(v))
		}
	case RESTJSON1:
		req.Op, req.Labels = rr.match(r, rt.service.SigningName)
		if req.Op == nil {
			return Exceptionf(unknownOperation, "The requested resource does not exist.")
		}
		return nil
	}
	req.Service = rt.service
	if rt.service != nil {
		req.Op = rt.service.Op(name)
	}
	if req.Op == nil {
		if name == "" {
			return Exceptionf(unknownOperation, "The request names no operation of a service that is served here.")
		}
		return Exceptionf(unknownOperation, "The operation %s is not known.", clip(name))
	}
	return nil
}

// readForm joins the parameters of the URL and of the body; those of the
// signature are not among them.
func readForm(req *Request) (url.Values, *Exception) {
	form, err := url.ParseQuery(req.HTTP.URL.RawQuery)
	if err != nil {
		return nil, Exceptionf("MalformedQueryString", "The query string contains a syntax error.")
	}
	if isForm(req.HTTP) {
		body, err := url.ParseQuery(string(req.Body))
		if err != nil {
			return nil, Exceptionf("MalformedQueryString", "The request body contains a syntax error.")
		}
		for k, v := range body {
			form[k] = append(v, form[k]...)
		}
	}
	for k := range form {
		if strings.HasPrefix(k, "X-Amz-") {
			delete(form, k)
		}
	}
	return form, nil
}

// match finds the REST operation of a request among the services with the
// signing name, or among all for "".
func (rr *router) match(r *http.Request, signing string) (*Op, map[string]string) {
	segments := strings.Split(r.URL.EscapedPath(), "/")
	for _, rt := range rr.rest {
		if rt.op.HTTP.Method != r.Method || (signing != "" && rt.op.Service.SigningName != signing) {
			continue
		}
		if labels, ok := rt.match(segments); ok {
			return rt.op, labels
		}
	}
	return nil, nil
}

func (rt restRoute) match(path []string) (map[string]string, bool) {
	if len(path) != len(rt.segments) {
		return nil, false
	}
	var labels map[string]string
	for i, s := range rt.segments {
		if len(s) < 2 || s[0] != '{' {
			if s != path[i] {
				return nil, false
			}
			continue
		}
		v, err := url.PathUnescape(path[i])
		if err != nil || v == "" {
			return nil, false
		}
		if labels == nil {
			labels = map[string]string{}
		}
		labels[s[1:len(s)-1]] = v
	}
	return labels, true
}

// rpcPath takes /service/<service>/operation/<operation> apart; anything may
// stand in front.
func rpcPath(path string) (service, operation string, ok bool) {
	p := strings.Split(path, "/")
	n := len(p)
	if n < 5 || p[n-4] != "service" || p[n-2] != "operation" || p[n-3] == "" || p[n-1] == "" {
		return "", "", false
	}
	return p[n-3], p[n-1], true
}

func cutLast(s, sep string) (before, after string, ok bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func clip(s string) string {
	if len(s) > 128 {
		return strings.ToValidUTF8(s[:128], "") + "..."
	}
	return s
}

// plainCodec writes errors when not even JSON is configured.
type plainCodec struct{}

func (plainCodec) Protocol() Protocol { return "" }
func (plainCodec) Decode(*Request) (map[string]any, error) {
	return nil, Exceptionf(unknownOperation, "")
}
func (plainCodec) Encode(*Request, any) (*Response, error) {
	return nil, Exceptionf(unknownOperation, "")
}
func (plainCodec) EncodeError(_ *Request, ex *Exception) *Response { return plainError(ex) }
