package wire

// commonErrors are the errors any operation may answer although no model lists
// them, with their HTTP status. Names are those of the JSON and CBOR
// protocols; the query protocols spell some of them differently, which is
// their codecs' business.
//
// InvalidParameterValueException is here because the services answer it to bad
// values although it is in no model.
var commonErrors = map[string]int{
	"AccessDeniedException":               400,
	"ExpiredTokenException":               403,
	"IncompleteSignatureException":        400,
	"InternalFailure":                     500,
	"MalformedQueryString":                400,
	"InvalidParameterValueException":      400,
	"InvalidSignatureException":           403,
	"MissingAuthenticationTokenException": 403,
	"NotImplementedException":             501,
	"RequestEntityTooLargeException":      413,
	"RequestExpired":                      400,
	"SerializationException":              400,
	"ServiceUnavailable":                  503,
	"ThrottlingException":                 400,
	"UnknownOperationException":           404,
	"UnrecognizedClientException":         403,
	"ValidationException":                 400,
}

// IsCommon tells whether code is an error every operation may answer.
func IsCommon(code string) bool {
	_, ok := commonErrors[code]
	return ok
}
