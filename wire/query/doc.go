// Package query speaks the two AWS query protocols: ec2Query (EC2) and
// awsQuery (IAM, STS). Requests are form parameters with dotted names, answers
// are XML.
//
// What lives here: the two codecs, the bounds on what a form may ask us to
// build, and the names common errors have in these older protocols. What may
// not: HTTP, authentication, validation against constraints and anything one
// operation does differently (EC2's dry run is the api's business).
//
// Source: Smithy 2.0, "AWS query protocol" and "AWS EC2 query protocol".
package query
