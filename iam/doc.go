// Package iam reads and evaluates the AWS JSON policy language.
//
// Everything here is a pure function of a document and a request: no clock, no
// store, no HTTP, and of our own packages only fault. Which policies apply to
// whom, and what an answer is called on the wire, is decided elsewhere.
//
// What is not understood is refused when a document is read (fault.BadValue,
// with a sentence that says what and where): an operator or element that was
// skipped could turn a denial into a permission. Federated and
// canonical-user principals and the Binary operator are refused in this way so
// far.
//
// Source: AWS IAM User Guide, "IAM JSON policy reference" and "Policy
// evaluation logic".
package iam
