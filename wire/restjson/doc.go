// Package restjson speaks restJson1 (EBS direct APIs, Image Builder): members
// travel in the path, the query, headers and a JSON document or raw payload.
//
// Only bindings here: the JSON itself is package awsjson's, finding the
// operation and authenticating are package wire's, and no operation gets
// special treatment.
//
// Source: Smithy 2.0, "AWS restJson1 protocol" and "HTTP binding traits".
package restjson
