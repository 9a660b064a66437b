// Package reference writes the pages of docs/reference, from which the manual pages
// are made, out of what the program itself is made of: the structs of the two
// configuration files with their comments and defaults (fields.go, comments.go), and
// what cmd/edged says of its commands. What is said around them is in pages/.
//
// It is used by a test of cmd/edged, which fails when docs/reference is not what
// comes out here, and writes it with -update (`make reference`).
package reference
