package query

import (
	"net/http"
	"strings"

	"slipway/wire"
)

// answer is an error as it goes out.
type answer struct {
	code, message string
	status        int
}

// name is how a common error is called in one dialect.
type name struct {
	code   string
	status int
}

// common maps the names of the JSON protocols, which the server uses for what
// no operation models, to those of the query protocols: {awsQuery, ec2Query}.
// Sources: IAM API Reference "Common Errors"; EC2 Developer Guide "Error codes
// for the Amazon EC2 API".
var common = map[string][2]name{
	"MissingAuthenticationTokenException": {{"MissingAuthenticationToken", 403}, {"MissingAuthenticationToken", 403}},
	"IncompleteSignatureException":        {{"IncompleteSignature", 400}, {"IncompleteSignature", 400}},
	"InvalidSignatureException":           {{"SignatureDoesNotMatch", 403}, {"AuthFailure", 401}},
	"UnrecognizedClientException":         {{"InvalidClientTokenId", 403}, {"AuthFailure", 401}},
	"ExpiredTokenException":               {{"ExpiredToken", 403}, {"RequestExpired", 400}},
	"AccessDeniedException":               {{"AccessDenied", 403}, {"UnauthorizedOperation", 403}},
	"OptInRequired":                       {{"OptInRequired", 403}, {"OptInRequired", 401}},
	"ValidationException":                 {{"ValidationError", 400}, {"InvalidParameterValue", 400}},
	"SerializationException":              {{"MalformedInput", 400}, {"MalformedQueryString", 400}},
	"InvalidParameterValueException":      {{"InvalidParameterValue", 400}, {"InvalidParameterValue", 400}},
	"InvalidParameterCombinationException": {{"InvalidParameterCombination", 400},
		{"InvalidParameterCombination", 400}},
	"UnknownOperationException":      {{"InvalidAction", 400}, {"InvalidAction", 400}},
	"ThrottlingException":            {{"Throttling", 400}, {"RequestLimitExceeded", 503}},
	"InternalFailure":                {{"InternalFailure", 500}, {"InternalError", 500}},
	"InternalServerException":        {{"InternalFailure", 500}, {"InternalError", 500}},
	"ServiceUnavailable":             {{"ServiceUnavailable", 503}, {"Unavailable", 503}},
	"ServiceUnavailableException":    {{"ServiceUnavailable", 503}, {"Unavailable", 503}},
	"RequestEntityTooLargeException": {{"RequestEntityTooLarge", 413}, {"RequestEntityTooLarge", 413}},
}

// explain finds the code, text and status a client of this dialect expects. A
// name in the common table wins over a modelled exception: STS models an
// ExpiredTokenException, but for the caller's own credentials it answers
// ExpiredToken.
func (c Codec) explain(r *wire.Request, ex *wire.Exception) answer {
	a := answer{ex.WireCode(r.Service), ex.Message, ex.HTTPStatus(r.Service)}
	if n, ok := common[ex.Code]; ok {
		dialect := 0
		if c.ec2 {
			dialect = 1
		}
		a.code, a.status = n[dialect].code, n[dialect].status
	}
	if c.ec2 {
		c.ec2Words(ex, &a)
	}
	return a
}

// ec2Words covers what EC2 says in its own words where the server used those
// of the newer protocols.
func (c Codec) ec2Words(ex *wire.Exception, a *answer) {
	switch ex.Code {
	case "UnrecognizedClientException":
		a.message = "AWS was not able to validate the provided access credentials"
	case "InvalidSignatureException":
		// A clock that is wrong has a code of its own; clients set theirs by it.
		if strings.HasPrefix(ex.Message, "Signature expired") || strings.HasPrefix(ex.Message, "Signature not yet current") {
			a.code, a.status, a.message = "RequestExpired", http.StatusBadRequest, "Request has expired."
		}
	case "ExpiredTokenException":
		a.message = "Request has expired."
	case "ValidationException":
		// EC2 has a code of its own for parameters that are not there.
		if strings.Contains(ex.Message, "must not be null") {
			a.code = "MissingParameter"
		}
	}
}
