package main

import (
	"bytes"
	"fmt"
	"strings"
)

var protocolConst = map[string]string{"awsJson1_1": "AWSJSON11", "rpcv2Cbor": "RPCv2CBOR", "ec2Query": "EC2Query",
	"awsQuery": "AWSQuery", "restJson1": "RESTJSON1"}

// opsFile holds the service, its operation table and, for every operation,
// the aliases <Op>Input and <Op>Output, so that callers need not remember
// which of Request, Result, Response and Message the model chose.
func opsFile(m *model, names taken) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "// Package %s is the generated form of %s on the wire: one struct per\n", m.Name, m.Meta["title"])
	fmt.Fprintf(&b, "// structure, constants for enum values, the schema and the operation table.\n")
	fmt.Fprintf(&b, "// Nothing here is written by hand; see wire/model/%s.model.\n", m.Name)
	fmt.Fprintf(&b, "package %s\n\nimport (\n\t\"slipway/wire\"\n\t\"slipway/wire/shape\"\n)\n\n", m.Name)
	serviceVar(&b, m)
	b.WriteString("// The operations.\nvar (\n")
	for _, o := range m.Ops {
		opVar(&b, o)
	}
	b.WriteString(")\n\n// The table refers to its operations and they to it, which Go allows only in init.\nfunc init() {\n\tService.Ops = []*wire.Op{\n")
	for _, o := range m.Ops {
		fmt.Fprintf(&b, "\t\tOp%s,\n", o.Name)
	}
	b.WriteString("\t}\n}\n\n")
	for _, o := range m.Ops {
		if o.Output == "-" {
			fmt.Fprintf(&b, "var %s = shape.Shape{Name: %q, Kind: shape.Structure}\n\n", shapeVar(o.outputName()), o.outputName())
			if names.must(o.outputName()) == nil {
				fmt.Fprintf(&b, "// %s is the output of %s, which answers nothing.\ntype %s struct{}\n\n", o.outputName(), o.Name, o.outputName())
			}
		}
	}
	b.WriteString("// Uniform names for the inputs and outputs of operations.\ntype (\n")
	for _, o := range m.Ops {
		alias(&b, names, o.Name+"Input", o.Input)
		alias(&b, names, o.Name+"Output", o.outputName())
	}
	b.WriteString(")\n")
	text := b.String()
	if !strings.Contains(text, "shape.") {
		text = strings.Replace(text, "\t\"slipway/wire/shape\"\n", "", 1)
	}
	return text
}

func alias(b *bytes.Buffer, names taken, name, target string) {
	if names.must(name) == nil {
		fmt.Fprintf(b, "\t%s = %s\n", name, goName(target))
	}
}

func (o *op) outputName() string {
	if o.Output == "-" {
		return o.Name + "Output"
	}
	return o.Output
}

func serviceVar(b *bytes.Buffer, m *model) {
	b.WriteString("// Service is the service and its operation table.\nvar Service = &wire.Service{\n")
	for _, f := range [][2]string{{"Name", "service"}, {"Title", "title"}, {"ID", "id"}, {"SigningName", "signing"},
		{"EndpointPrefix", "endpoint"}, {"TargetPrefix", "target"}, {"APIVersion", "version"},
		{"ShapePrefix", "shapes"}, {"XMLNamespace", "xmlns"}} {
		if v := m.Meta[f[1]]; v != "" {
			fmt.Fprintf(b, "\t%s: %q,\n", f[0], v)
		}
	}
	b.WriteString("\tProtocols: []wire.Protocol{")
	for i, p := range strings.Fields(m.Meta["protocols"]) {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("wire." + protocolConst[p])
	}
	b.WriteString("},\n\tShapes: []*shape.Shape{\n")
	for _, s := range m.Shapes {
		fmt.Fprintf(b, "\t\t&%s,\n", shapeVar(s.Name))
	}
	b.WriteString("\t},\n}\n\n")
}

func opVar(b *bytes.Buffer, o *op) {
	fmt.Fprintf(b, "\tOp%s = &wire.Op{Service: Service, Name: %q, Input: &%s, Output: &%s,\n", o.Name, o.Name,
		shapeVar(o.Input), shapeVar(o.outputName()))
	fmt.Fprintf(b, "\t\tHTTP: wire.HTTP{Method: %q, Path: %q, Status: %d},\n", o.Method, o.Path, o.Status)
	if o.Wrapper != "" {
		fmt.Fprintf(b, "\t\tResultWrapper: %q,\n", o.Wrapper)
	}
	if o.Unsigned {
		b.WriteString("\t\tUnsignedBody: true,\n")
	}
	if len(o.Errors) > 0 {
		b.WriteString("\t\tErrors: []string{")
		for i, e := range o.Errors {
			if i > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(b, "%q", e)
		}
		b.WriteString("},\n")
	}
	fmt.Fprintf(b, "\t\tNewInput: func() any { return new(%s) }, NewOutput: func() any { return new(%s) }}\n",
		goName(o.Input), goName(o.outputName()))
}
