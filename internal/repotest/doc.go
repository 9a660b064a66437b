// Package repotest holds tests about the repository itself: what may import
// what, how long files and functions get, that documents tell the truth, that
// metric names are good. Each rule is also run over something planted that
// breaks it, since a rule that cannot fail proves nothing.
//
// Nothing imports this package.
package repotest
