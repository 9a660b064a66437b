// Package configs holds the example configuration, which shows every field with
// what it means and its default. What explains fields elsewhere takes it from here.
package configs

import _ "embed" // for the files

// Edged is edged.yaml.
//
//go:embed edged.yaml
var Edged string

// Policy is policy.yaml.
//
//go:embed policy.yaml
var Policy string
