// Package tools holds the laws of the house as tests: which room may import
// which (arch_test.go), how long files and functions may be (size_test.go), that
// packages say what they are for (pkgdoc_test.go), and who may ask for the time
// (clock_test.go). Programs that generate files have folders of their own below.
// Nothing here is part of the server.
package tools
