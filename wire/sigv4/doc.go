// Package sigv4 verifies (and, for our own command line, makes) AWS Signature
// Version 4 signatures, in the Authorization header and in presigned queries.
//
// What lives here: parsing of credentials, canonicalisation, the clock window,
// the comparison, and one typed error per way a request can fail to prove who
// sent it. What may not: key storage (looked up through Options.Lookup), policy,
// routing, and the spelling of error codes on the wire, which differs by
// protocol and is chosen from Error.Reason by whoever writes the answer.
//
// Source for all of it: the AWS IAM User Guide, "AWS Signature Version 4 for
// API requests" and "Create a signed AWS API request". S3's own variant (no
// double encoding of paths, chunked bodies) is not spoken.
package sigv4
