// Package protocols is the list of what a full server speaks: every codec and
// the signature verifier, ready for wire.Config. It exists because those
// packages import wire and wire may not import them back.
//
// Only the list lives here.
package protocols

import (
	"time"

	"slipway/wire"
	"slipway/wire/appstream"
	"slipway/wire/awsjson"
	"slipway/wire/ebs"
	"slipway/wire/ec2"
	"slipway/wire/iam"
	"slipway/wire/imagebuilder"
	"slipway/wire/query"
	"slipway/wire/restjson"
	"slipway/wire/rpccbor"
	"slipway/wire/sigv4"
	"slipway/wire/sts"
	"slipway/wire/tagging"
	"slipway/wire/workspaces"
)

// Services lists every generated service.
func Services() []*wire.Service {
	return []*wire.Service{appstream.Service, workspaces.Service, ec2.Service, ebs.Service, iam.Service,
		sts.Service, imagebuilder.Service, tagging.Service}
}

// Codecs lists the codec of every protocol those services speak.
func Codecs() []wire.Codec {
	return []wire.Codec{awsjson.Codec{}, rpccbor.Codec{}, query.EC2(), query.AWS(), restjson.Codec{}}
}

// Verifier is the SigV4 verifier for the given services and our own.
func Verifier(now func() time.Time, services []*wire.Service) wire.Verifier {
	names := []string{wire.OwnSigningName}
	for _, s := range services {
		names = append(names, s.SigningName)
	}
	return sigv4.Verifier{Now: now, Services: names, Cache: new(sigv4.KeyCache)}
}
