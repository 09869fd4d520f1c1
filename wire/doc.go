// Package wire is AWS on the wire: it turns HTTP requests of five protocols
// into calls of typed handlers, and what they return into answers.
//
// The surface:
//
//   - NewServer(Config) http.Handler: routes, authenticates, decodes, validates,
//     calls the handler, encodes. Every failure goes through one funnel
//     (explain.go): an *Exception leaves as it is, Config.Explain may turn any
//     other error into one, and what the operation does not model and is not
//     common (IsCommon) is logged and becomes InternalFailure.
//   - Service, Op: generated tables (packages wire/appstream, workspaces, ec2,
//     ebs, iam, sts, imagebuilder). Per operation Op<Name> and the structs
//     <Name>Input and <Name>Output (aliases of the model's own names); nil
//     members are unset, which is not the same as empty.
//   - On(op, func(ctx, *Call, *In) (*Out, error)) Handler: a typed handler for
//     Config.Handlers, checked against its operation; Handle is the same
//     unchecked.
//   - NewHTTPServer: the limits on connections.
//   - Exception: an error with its name on the wire: the name of a modelled shape
//     ("NoSuchEntityException"), never a query protocol's spelling of it; EC2,
//     which models none, takes any code.
//   - IdentityFrom, RegionFrom, RequestIDFrom: what handlers and Config.Own find
//     in their context.
//   - Codec: what a protocol package provides (wire/awsjson, rpccbor, query,
//     restjson); Verifier and Claim: what wire/sigv4 provides. Package protocols lists all.
//   - Package shape: schema, Bind, Tree, Walk, Validate. Package wiretest: fills any
//     shape, for tests.
//
// The model the tables are generated from is in wire/model; tools/genwire
// writes the gen_*.go files.
//
// This room knows AWS and nothing else: no noun, state or rule of the product
// may appear here, and of our packages it may import only fault and its own.
package wire

//go:generate go run slipway/tools/genwire
