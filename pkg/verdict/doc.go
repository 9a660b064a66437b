// Package verdict holds the words in which edged answers the question "may this
// cross?": an outcome, one reason out of a closed list, and the rule that fired.
//
// The list is closed on purpose. Every package that refuses something names one
// of these reasons, logs print it, metrics count it, and each protocol has one
// table that turns it into a wire answer (pkg/sipfed/errors.go). A reason that
// is missing from such a table fails a test.
package verdict
