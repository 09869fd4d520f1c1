// Package wire is AWS on the wire: it turns HTTP requests of five protocols
// into calls of typed handlers, and what they return into answers.
//
// The surface:
//
//   - NewServer(Config) http.Handler: authenticates, routes, decodes, validates,
//     calls the handler, encodes. Every error goes through one funnel.
//   - Service, Op: generated tables (packages wire/appstream, workspaces, ec2,
//     ebs, iam, sts, imagebuilder), one Op per operation, typed structs per shape.
//   - Handle(func(ctx, *Call, *In) (*Out, error)) Handler: a typed handler.
//   - Exception: an error with its name on the wire.
//   - Codec: what a protocol package provides (wire/awsjson, rpccbor, query,
//     restjson); Verifier: what wire/sigv4 provides.
//
// The model the tables are generated from is in wire/model; tools/genwire
// writes the gen_*.go files.
//
// This room knows AWS and nothing else: no noun, state or rule of the product
// may appear here, and of our packages it may import only fault and its own.
package wire

//go:generate go run slipway/tools/genwire
