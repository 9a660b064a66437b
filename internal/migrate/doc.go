// Package migrate turns what administrators of Lync and Skype for Business Server
// export into a policy: what `edged import` does.
//
// An export is what PowerShell writes: JSON or CSV, in UTF-8 or UTF-16 (text.go),
// with a list of objects (object.go) whose properties say which command they come
// from (kind.go). What they say is carried into a policy.Source, kind by kind: the
// edge (edge.go), partners (partners.go), XMPP partners (xmpp.go), access policies
// and the users who have them (access.go). Every property that says something and has
// no place there is told in the Report, with the reason (report.go); so is every one
// that this package does not know. write.go prints the result.
package migrate
