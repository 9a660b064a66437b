// Package config reads edged.yaml and policy.yaml.
//
// The structs are the manual: Config (the process) here, policy.Source (who may
// talk with whom) in pkg/policy. Load reads both files and everything they name,
// and either returns a configuration that can run or an *Errors with every
// mistake of all the files at once, each with its file, line and column and with
// what would be right. Whatever decides between good and bad happens in Load, so
// that checking a configuration and serving it cannot disagree.
//
//	config.go, xmpp.go  the structs and their defaults
//	types.go            field types that parse themselves
//	load.go             Load, and the only meeting with the YAML library
//	decode.go           a YAML tree into structs, strictly
//	wording.go          what is wrong and what would be right
//	position.go         from a path to a line and column
//	problem.go          problems collected, bounded, sorted
//	validate.go         what one field alone cannot tell;  sides.go  the same of listeners and pools
//	complete.go         paths resolved, dependent defaults filled in
//	lists.go            what policy.yaml names: roots, grants, site users;  csv.go  their rows
//	file.go, secret.go  reading files
//	restart.go          what a reload cannot change
package config
